"""Positions against their formulas, written out entry by entry in plain Python and numpy."""

import math

import numpy as np
import pytest
import torch

from crosspath.tokenizers import (
    fixed_positions,
    resize_positions,
    resize_positions_1d,
    resize_positions_2d,
    sincos_1d,
    sincos_2d,
)
from tests.errors import refused


def test_sincos_2d_puts_the_column_first_and_the_row_second() -> None:
    rows, columns, width = 3, 5, 16
    quarter = width // 4
    expected = np.zeros((rows * columns, width))
    for r in range(rows):
        for c in range(columns):
            for k in range(quarter):
                w = 10000 ** (-k / quarter)
                token = expected[r * columns + c]
                token[k], token[quarter + k] = math.sin(c * w), math.cos(c * w)
                token[2 * quarter + k], token[3 * quarter + k] = math.sin(r * w), math.cos(r * w)
    ours = sincos_2d(rows, columns, width, dtype=torch.float64).numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_the_table_of_three_axes_is_that_of_a_published_model() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    config = transformers.VideoMAEConfig(**sizes, image_size=16, patch_size=4, num_frames=4, tubelet_size=2)
    theirs = transformers.VideoMAEModel(config).embeddings.position_embeddings
    torch.testing.assert_close(fixed_positions((2, 4, 4), 48), theirs)


@pytest.mark.parametrize("width", [8, 7])
def test_sincos_1d_alternates_sine_and_cosine(width: int) -> None:
    expected = np.zeros((6, width))
    for p in range(6):
        for j in range(width):
            angle = p / 10000 ** (2 * (j // 2) / width)
            expected[p, j] = math.sin(angle) if j % 2 == 0 else math.cos(angle)
    np.testing.assert_allclose(sincos_1d(6, width, torch.float64).numpy(), expected, rtol=0, atol=1e-12)


def test_tables_are_rounded_once_from_float64() -> None:
    assert torch.equal(sincos_2d(14, 14, 192), sincos_2d(14, 14, 192, torch.float64).float())
    assert torch.equal(sincos_1d(1568, 64), sincos_1d(1568, 64, torch.float64).float())


def test_tables_are_real_whatever_the_default_device() -> None:
    with torch.device("meta"):
        inside = fixed_positions((2, 3), 8), fixed_positions((2, 2, 3), 8)
    assert torch.equal(inside[0][0], sincos_2d(2, 3, 8))
    assert torch.equal(inside[1][0], sincos_1d(12, 8))


def test_a_width_that_has_no_quarter_is_refused() -> None:
    with refused("width", "4"):
        sincos_2d(2, 2, 6)


def cubic_weights(offset: float) -> list[float]:
    """Keys' cubic convolution, a = -0.75, for the four neighbours at -1, 0, 1, 2."""
    a = -0.75

    def near(x: float) -> float:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1

    def far(x: float) -> float:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a

    return [far(offset + 1), near(offset), near(1 - offset), far(2 - offset)]


def resize_axis(values: np.ndarray, length: int) -> np.ndarray:
    """Bicubic along axis 0, half-pixel centres, edges repeated."""
    out = np.zeros((length, *values.shape[1:]))
    for i in range(length):
        place = (i + 0.5) * len(values) / length - 0.5
        base = math.floor(place)
        for k, weight in zip(range(base - 1, base + 3), cubic_weights(place - base), strict=True):
            out[i] += weight * values[min(max(k, 0), len(values) - 1)]
    return out


@pytest.mark.parametrize("new", [(7, 9), (2, 3), (4, 10)])
def test_resize_2d_is_bicubic_with_half_pixel_centres(new: tuple[int, int]) -> None:
    values = torch.randn(1, 20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = values.numpy().reshape(4, 5, 6)
    expected = resize_axis(resize_axis(grid, new[0]).swapaxes(0, 1), new[1]).swapaxes(0, 1)
    ours = resize_positions_2d(values, (4, 5), new)
    np.testing.assert_allclose(ours.numpy().reshape(*new, 6), expected, rtol=0, atol=1e-10)


def test_resize_1d_is_linear_with_half_sample_centres() -> None:
    values = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    places = (np.arange(8) + 0.5) * 5 / 8 - 0.5
    expected = np.stack([np.interp(places, np.arange(5), values[0, :, d].numpy()) for d in range(3)], axis=1)
    np.testing.assert_allclose(resize_positions_1d(values, 8)[0].numpy(), expected, rtol=0, atol=1e-12)


def test_resize_of_three_axes_goes_over_frames_then_time() -> None:
    values = torch.randn(1, 2 * 3 * 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = values.numpy().reshape(2, 3, 4, 5)
    frames = np.stack([resize_axis(resize_axis(f, 6).swapaxes(0, 1), 5).swapaxes(0, 1) for f in grid])
    places = np.clip((np.arange(3) + 0.5) * 2 / 3 - 0.5, 0, 1)
    expected = np.stack([(1 - p) * frames[0] + p * frames[1] for p in places])
    ours = resize_positions(values, (2, 3, 4), (3, 6, 5))
    np.testing.assert_allclose(ours.numpy().reshape(3, 6, 5, 5), expected, rtol=0, atol=1e-10)


def test_resizing_to_the_same_grid_changes_nothing_and_keeps_the_type() -> None:
    values = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(resize_positions_2d(values, (3, 4), (3, 4)), values)
    assert torch.equal(resize_positions_1d(values, 12), values)
    assert resize_positions_2d(values, (3, 4), (6, 8)).dtype == torch.bfloat16


def test_a_class_token_row_left_in_is_named() -> None:
    with refused("positions", "196", "14", "197"):
        resize_positions_2d(torch.zeros(1, 197, 8), (14, 14), (7, 7))
