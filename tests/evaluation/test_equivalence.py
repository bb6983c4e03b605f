"""Equality of outputs: bitwise means every bit."""

import copy

import pytest
import torch
from torch import nn

from crosspath.evaluation.equivalence import compare_models, compare_outputs


def test_one_bit_is_seen() -> None:
    first = torch.linspace(0, 1, 9)
    second = first.clone()
    assert compare_outputs(first, second).bitwise
    second[4] = torch.nextafter(second[4], torch.tensor(2.0))
    found = compare_outputs(first, second)
    assert not found.bitwise
    assert found.max_difference == pytest.approx(2.0**-24)
    assert str(found) == "largest difference 5.96e-08"


def test_zeros_of_two_signs_are_equal_and_not_bitwise() -> None:
    found = compare_outputs(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert not found.bitwise
    assert found.max_difference == 0.0


def test_equal_nan_is_bitwise_and_other_types_are_not() -> None:
    nan = torch.tensor([float("nan")])
    assert compare_outputs(nan, nan.clone()).bitwise
    assert not compare_outputs(torch.ones(2), torch.ones(2, dtype=torch.float64)).bitwise
    assert compare_outputs(torch.ones(2), torch.ones(3)).max_difference == float("inf")


def test_models_are_compared_in_evaluation_mode_and_keep_their_own() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    other = copy.deepcopy(model).eval()
    assert str(compare_models(model, other, torch.ones(8, 4))) == "bitwise"
    assert model.training
    assert not other.training
