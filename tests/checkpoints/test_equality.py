"""Equality of outputs: bitwise means every bit."""

import pytest
import torch

from crosspath.checkpoints.equality import compare_outputs


def test_one_bit_is_seen() -> None:
    first = torch.linspace(0, 1, 9)
    second = first.clone()
    assert compare_outputs(first, second).bitwise
    second[4] = torch.nextafter(second[4], torch.tensor(2.0))
    equality = compare_outputs(first, second)
    assert not equality.bitwise
    assert equality.max_difference == pytest.approx(2.0**-24)
    assert str(equality) == "largest difference 5.96e-08"


def test_zeros_of_two_signs_are_equal_and_not_bitwise() -> None:
    equality = compare_outputs(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert not equality.bitwise
    assert equality.max_difference == 0.0


def test_equal_nan_is_bitwise_and_other_types_are_not() -> None:
    nan = torch.tensor([float("nan")])
    assert compare_outputs(nan, nan.clone()).bitwise
    assert not compare_outputs(torch.ones(2), torch.ones(2, dtype=torch.float64)).bitwise
    assert compare_outputs(torch.ones(2), torch.ones(3)).max_difference == float("inf")
