"""What is hidden: every token on one side, the published numbers, the same draw for a sample wherever it stands."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crosspath.config.training import MaskingSection
from crosspath.errors import InputError
from crosspath.objectives.masking import (
    draw_mask,
    draw_visible_patches,
    random_mask,
    tube_mask,
    visible_count,
    visible_in_rows,
)
from crosspath.tokenizers import Mask

IDS = torch.arange(40)
GRIDS = {"random": (6, 5), "tube": (4, 3, 5), "block": (30,), "time_frequency": (12, 7)}
KINDS = pytest.mark.parametrize("kind", list(GRIDS))
CENTRES = torch.rand(40, 30, 3, generator=torch.Generator().manual_seed(0))


def drawn(kind: str, ids_B: Tensor = IDS, seed: int = 0, epoch: int = 0, **shares: float) -> Mask:
    section = MaskingSection(kind=kind, **shares)  # type: ignore[arg-type]
    centres = CENTRES[ids_B] if kind == "block" else None
    return draw_mask(section, GRIDS[kind], seed, epoch, ids_B, centres)


def assert_is_partition(mask: Mask, count: int) -> None:
    for part in mask:
        assert part.dtype == torch.int64
        assert (part.diff(dim=1) > 0).all()
    assert torch.equal(torch.cat(mask, dim=1).sort(dim=1).values, torch.arange(count).expand(len(mask.visible_BV), -1))


@KINDS
def test_every_token_is_either_visible_or_hidden_in_ascending_order(kind: str) -> None:
    assert_is_partition(drawn(kind), math.prod(GRIDS[kind]))


@given(st.integers(2, 20), st.integers(2, 20), st.floats(0.0, 0.95), st.floats(0.0, 0.95), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_counts_follow_the_published_formulas(rows: int, columns: int, time: float, mel: float, ratio: float) -> None:
    count, ids = rows * columns, torch.arange(3)
    for kind, grid, visible in (
        ("random", (rows, columns), int(count * (1 - ratio))),
        ("tube", (2, rows, columns), 2 * (count - int(ratio * count))),
        ("block", (count,), count - int(ratio * count)),
        ("time_frequency", (rows, columns), max(1, int(rows * (1 - time))) * max(1, int(columns * (1 - mel)))),
    ):
        section = MaskingSection(kind=kind, ratio=ratio, time_ratio=time, mel_ratio=mel)  # type: ignore[arg-type]
        centres = torch.rand(3, count, 3)
        if visible in (0, math.prod(grid)):
            with pytest.raises(InputError, match=r"^masking\.(time_)?ratio: expected at least one visible and one hid"):
                draw_mask(section, grid, 0, 0, ids, centres)
        else:
            mask = draw_mask(section, grid, 0, 0, ids, centres)
            assert mask.visible_BV.shape == (3, visible)
            assert_is_partition(mask, math.prod(grid))


def test_the_published_settings_keep_the_published_numbers() -> None:
    ids = torch.arange(2)
    assert draw_mask(MaskingSection(ratio=0.75), (14, 14), 0, 0, ids).visible_BV.shape == (2, 49)
    for kind in ("random", "block"):
        groups = draw_mask(MaskingSection(kind=kind, ratio=0.6), (64,), 0, 0, ids, torch.rand(2, 64, 3))
        assert groups.masked_BM.shape == (2, 38)
    tube = draw_mask(MaskingSection(kind="tube", ratio=0.9), (8, 14, 14), 0, 0, ids)
    assert tube.masked_BM.shape == (2, 8 * 176)
    assert draw_visible_patches((0.2, 0.2), (64, 8), 0, 0, ids).shape == (2, 306)


@given(st.integers(2, 12), st.integers(2, 12), st.floats(0.1, 0.9))
@settings(max_examples=30, deadline=None)
def test_the_stated_number_of_visible_tokens_is_that_of_the_masks(rows: int, columns: int, share: float) -> None:
    grids = {"tube": (2, rows, columns), "block": (rows * columns,)}
    for kind, grid in (*((kind, grids.get(kind, (rows, columns))) for kind in GRIDS), ("random", (rows * columns,))):
        section = MaskingSection(kind=kind, ratio=share, time_ratio=share, mel_ratio=share)  # type: ignore[arg-type]
        try:
            visible = visible_count(section, grid)
        except InputError:
            continue
        assert 0 < visible < math.prod(grid)
        mask = draw_mask(section, grid, 0, 0, torch.arange(2), torch.rand(2, rows * columns, 3))
        assert mask.visible_BV.shape == (2, visible)


def test_random_keeps_the_smallest_noise_as_a_plain_sort_says() -> None:
    noise = np.random.default_rng(0).random((5, 12), dtype=np.float32)
    mask = random_mask(torch.from_numpy(noise), 4)
    for sample in range(5):
        order = sorted(range(12), key=lambda token: noise[sample, token])
        assert mask.visible_BV[sample].tolist() == sorted(order[:4])
        assert mask.masked_BM[sample].tolist() == sorted(order[4:])


def test_a_tube_hides_the_same_places_in_every_frame() -> None:
    frames, places = 4, 15
    mask = drawn("tube", ratio=0.6)
    for sample in mask.masked_BM.tolist():
        by_frame = [{token % places for token in sample if token // places == frame} for frame in range(frames)]
        assert all(found == by_frame[0] for found in by_frame)
        assert len(by_frame[0]) == 9
    noise = torch.rand(3, 60, generator=torch.Generator().manual_seed(1))
    assert torch.equal(tube_mask(noise, (1, 3, 5), 0.6).visible_BV, random_mask(noise[:, :15], 6).visible_BV)


def test_a_block_is_the_nearest_groups_of_one_of_the_centres() -> None:
    mask = drawn("block", ratio=0.4)
    for sample, hidden in enumerate(mask.masked_BM.tolist()):
        centres = CENTRES[sample].double().numpy()
        nearest = [
            set(np.argsort(((centres - centre) ** 2).sum(axis=1), kind="stable")[:12].tolist()) for centre in centres
        ]
        assert set(hidden) in nearest


@pytest.mark.parametrize("grid", [(64, 8), (101, 12), (32, 8), (8, 8), (3, 5)])
def test_fault_40_two_axis_masks_work_on_any_grid_and_keep_no_masked_token(grid: tuple[int, int]) -> None:
    times, mels = grid
    section = MaskingSection(kind="time_frequency", time_ratio=0.5, mel_ratio=0.5)
    mask = draw_mask(section, grid, 0, 0, torch.arange(50))
    assert mask.visible_BV.shape == (50, int(times * 0.5) * int(mels * 0.5))
    assert_is_partition(mask, times * mels)
    for visible in mask.visible_BV.tolist():
        rows, columns = {token // mels for token in visible}, {token % mels for token in visible}
        assert (len(rows), len(columns)) == (int(times * 0.5), int(mels * 0.5))
        assert set(visible) == {row * mels + column for row in rows for column in columns}


def test_rows_in_time_say_nothing_about_rows_in_mel_bins() -> None:
    ids = torch.arange(4000)
    kept = draw_visible_patches((0.5, 0.5), (4, 4), 0, 0, ids)
    shown = torch.zeros(4000, 16).scatter(1, kept, 1.0).view(-1, 4, 4)
    in_time, in_mel = shown.amax(dim=2), shown.amax(dim=1)
    together = torch.corrcoef(torch.cat([in_time, in_mel], dim=1).T)[:4, 4:]
    # 4,000 independent pairs: a correlation has a standard deviation of 0.016.
    assert together.abs().max() < 0.07


@KINDS
def test_every_token_is_hidden_as_often_as_another(kind: str) -> None:
    ids, count = torch.arange(3000), math.prod(GRIDS[kind])
    section = MaskingSection(kind=kind, ratio=0.5, time_ratio=0.5, mel_ratio=0.5)  # type: ignore[arg-type]
    if kind == "block":
        # Centres on a circle: no place is nearer to the others than any other place.
        angles = torch.arange(count) * (2 * math.pi / count)
        centres = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=1).expand(3000, -1, -1)
    else:
        centres = None
    mask = draw_mask(section, GRIDS[kind], 0, 0, ids, centres)
    share = torch.zeros(3000, count).scatter(1, mask.masked_BM, 1.0).mean(dim=0)
    # A standard deviation of 0.009.
    assert (share - mask.masked_BM.shape[1] / count).abs().max() < 0.045


@KINDS
def test_a_sample_has_its_mask_in_any_batch(kind: str) -> None:
    whole, some = drawn(kind), torch.tensor([31, 4, 17])
    for part, found in zip(whole, drawn(kind, some), strict=True):
        assert torch.equal(part[some], found)


@KINDS
def test_seeds_and_epochs_have_masks_of_their_own(kind: str) -> None:
    first = drawn(kind).visible_BV
    assert torch.equal(drawn(kind).visible_BV, first)
    assert not torch.equal(drawn(kind, epoch=1).visible_BV, first)
    assert not torch.equal(drawn(kind, seed=1).visible_BV, first)


@KINDS
def test_a_mask_has_its_shape_on_the_meta_device(kind: str) -> None:
    centres = torch.empty(2, 30, 3, device="meta") if kind == "block" else None
    section = MaskingSection(kind=kind)  # type: ignore[arg-type]
    mask = draw_mask(section, GRIDS[kind], 0, 0, torch.arange(2, device="meta"), centres)
    assert all(part.is_meta for part in mask)
    assert [part.shape for part in mask] == [part[:2].shape for part in drawn(kind)]


def test_patch_dropping_leaves_at_least_one_patch_and_drops_none_when_off() -> None:
    noise = torch.rand(3, 10, generator=torch.Generator().manual_seed(0))
    assert visible_in_rows(noise, (6, 4), (0.99, 0.99)).shape == (3, 1)
    assert torch.equal(visible_in_rows(noise, (6, 4), (0.0, 0.0)), torch.arange(24).expand(3, -1))
