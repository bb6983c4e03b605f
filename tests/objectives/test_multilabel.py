"""Binary cross entropy of several labels a sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from crosspath.config import apply_overrides
from crosspath.data.examples import DataSet, Examples
from crosspath.objectives import objective_of
from crosspath.objectives.classification import binary_cross_entropies
from crosspath.recipes import recipe_named
from tests.errors import refused


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_agrees_with_the_formula_in_float64(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 4
    targets = torch.rand(6, 4, generator=generator, dtype=torch.float64).round()
    targets[0] = 0.3
    smoothed = targets * (1 - smoothing) + smoothing / 2
    p = torch.sigmoid(logits)
    expected = -(smoothed * p.log() + (1 - smoothed) * (1 - p).log()).mean(1)
    torch.testing.assert_close(binary_cross_entropies(logits, targets, smoothing), expected)


def test_half_precision_logits_are_summed_in_float32_and_large_ones_stay_finite() -> None:
    logits = torch.tensor([[300.0, -300.0]]).to(torch.bfloat16)
    losses = binary_cross_entropies(logits, torch.tensor([[0, 1]], dtype=torch.uint8))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, torch.tensor([300.0]))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_without_any_label_is_refused(part: str) -> None:
    recipe = apply_overrides(recipe_named("image/folder"), ["data.multi_label=true"])
    check = objective_of(recipe).check
    assert check is not None
    names = ("a", "b")
    some = Examples(np.zeros((2, 3, 4, 4), np.uint8), np.eye(2, 3, dtype=np.uint8), names)
    data = DataSet("image", ("a", "b", "c"), some, some, some, (), "", (), {})
    check(recipe, data)
    check(recipe, replace(data, test=replace(some, inputs=some.inputs[:0], labels=some.labels[:0], ids=())))
    without = replace(data, **{part: replace(some, labels=some.labels * 0)})
    with refused(f"the {'training' if part == 'train' else part} part", "2 without"):
        check(recipe, without)
    if part == "test":  # which is not read then
        check(apply_overrides(recipe, ["evaluate.test=false"]), without)


def test_several_labels_are_of_classes() -> None:
    with refused("", "data.multi_label", "regression"):
        apply_overrides(recipe_named("image/folder"), ["data.multi_label=true", "objective=regression"])


@pytest.mark.parametrize("name", ["point/furniture", "image/scenes", "image/shapes"])
def test_what_is_no_class_of_a_sample_is_not_smoothed(name: str) -> None:
    with refused("", "train.label_smoothing"):
        apply_overrides(recipe_named(name), ["train.label_smoothing=0.1"])


@pytest.mark.parametrize("name", [f"{modality}/folder" for modality in ("image", "audio", "point", "series", "text")])
def test_a_folder_recipe_becomes_a_regression_by_its_objective_alone(name: str) -> None:
    assert apply_overrides(recipe_named(name), ["objective=regression"]).objective == "regression"


def test_a_recipe_that_becomes_one_of_numbers_drops_the_smoothing_of_its_classes() -> None:
    shipped = recipe_named("image/folder")
    assert shipped.train.label_smoothing > 0
    assert apply_overrides(shipped, ["objective=regression"]).train.label_smoothing == 0
    with refused("", "train.label_smoothing"):
        apply_overrides(shipped, ["objective=regression", "train.label_smoothing=0.1"])
