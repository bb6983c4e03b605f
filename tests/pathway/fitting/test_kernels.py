"""Kernels of other sizes and axes: the responses that stay, and what is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, conv3d, linear

from crosspath.pathway.fitting.kernels import describe_kernels, fit_kernel, kernel_fault


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_inflated_kernel_answers_an_input_without_time_as_before() -> None:
    weight, picture = draw(4, 3, 3, 3), draw(2, 3, 8, 8, seed=1)
    clip = picture[:, :, None].expand(-1, -1, 9, -1, -1)
    response = conv3d(clip, fit_kernel(weight, (5, 3, 3)), padding=(0, 1, 1))
    expected = conv2d(picture, weight, padding=1)
    assert response.shape[2] == 5
    torch.testing.assert_close(response, expected[:, :, None].expand_as(response))

    signal = draw(2, 3, 10, seed=2)
    rows = signal[:, :, None].expand(-1, -1, 7, -1)
    response = conv2d(rows, fit_kernel(weight[..., 0], (3, 3)), padding=(0, 1))
    expected = conv1d(signal, weight[..., 0], padding=1)
    torch.testing.assert_close(response, expected[:, :, None].expand_as(response))


def test_a_summed_axis_is_the_response_to_an_input_without_it() -> None:
    weight, picture = draw(4, 3, 3, 5, 5), draw(2, 3, 8, 8, seed=1)
    clip = picture[:, :, None].expand(-1, -1, 6, -1, -1)
    response = conv2d(picture, fit_kernel(weight, (5, 5)), padding=2)
    expected = conv3d(clip, weight, padding=(0, 2, 2))
    torch.testing.assert_close(response[:, :, None].expand_as(expected), expected)


def test_other_lengths_are_centred() -> None:
    large = draw(2, 3, 7, 7)
    cut = fit_kernel(large, (3, 3))
    assert torch.equal(cut, large[:, :, 2:5, 2:5])
    padded = fit_kernel(cut, (7, 5))
    assert torch.equal(padded[:, :, 2:5, 1:4], cut)
    assert padded.abs().sum() == cut.abs().sum()
    batch = draw(1, 3, 9, 9, seed=1)
    torch.testing.assert_close(conv2d(batch, padded, padding=(3, 2)), conv2d(batch, cut, padding=1))
    both = fit_kernel(draw(2, 3, 7), (3, 3))
    torch.testing.assert_close(both, (draw(2, 3, 7)[:, :, None, 2:5] / 3).expand_as(both))


def test_a_kernel_of_one_place_stands_in_the_centre_of_every_axis() -> None:
    weight, batch = draw(4, 3), draw(2, 3, 6, 6, seed=1)
    expected = linear(batch.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)
    for theirs in (weight, weight[..., None], weight[..., None, None, None]):
        torch.testing.assert_close(conv2d(batch, fit_kernel(theirs, (3, 3)), padding=1), expected)
    kernel = draw(4, 3, 3, 3)
    assert torch.equal(fit_kernel(kernel, ()), kernel[:, :, 1, 1])
    assert torch.equal(fit_kernel(kernel, (1,)), kernel.sum(2)[:, :, 1:2])
    assert torch.equal(fit_kernel(weight[..., None, None], ()), weight)


def test_what_fits_already_is_the_very_tensor() -> None:
    weight = draw(2, 3, 3, 3)
    assert fit_kernel(weight, (3, 3)) is weight


@pytest.mark.parametrize(
    ("ours", "theirs", "fits"),
    [
        ((3, 3), (7, 7), True),
        ((4, 4), (2, 2), True),
        ((3, 3), (4, 4), False),
        ((3, 3), (3, 2), False),
        ((4, 3), (3,), True),
        ((4, 4), (1, 1), False),
        ((), (3, 3), True),
        ((), (2, 2), False),
        ((2, 2), (), False),
        ((3, 3), (2, 3, 3), True),
    ],
)
def test_kernels_without_a_common_centre_are_refused(
    ours: tuple[int, ...], theirs: tuple[int, ...], fits: bool
) -> None:
    fault = kernel_fault(ours, theirs)
    assert (fault is None) is fits
    if fits:
        assert fit_kernel(torch.ones(2, 3, *theirs), ours).shape == (2, 3, *ours)
        assert describe_kernels(ours, theirs).startswith("kernel ")
