"""Equality of outputs: bitwise means every bit."""

import pytest
import torch

from crosspath.checkpoints.equality import PRECISIONS, compare_outputs, compare_precisions, difference_text
from crosspath.cli.output import equality_line


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


def test_a_difference_that_is_not_finite_is_said_in_words() -> None:
    nan = {name: torch.tensor([[float("nan")]]) for name in PRECISIONS}
    values = compare_precisions(nan, {name: torch.zeros(1, 1) for name in PRECISIONS})
    for one in values.values():
        assert one["max_difference"] is None
        assert difference_text(one["max_difference"]) == "not finite"
        assert "not finite" in equality_line(one["bitwise"], one["max_difference"])
