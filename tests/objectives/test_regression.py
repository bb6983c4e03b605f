"""Regression: metrics against scikit-learn, losses, units, and a run that a broken implementation cannot pass."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch.nn.functional import huber_loss, mse_loss

import crosspath
from crosspath.checkpoints.load import load_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.objectives import Batch, objective_of
from crosspath.objectives.regression import in_units, regression_metrics, standardise, store_units, unit_of
from crosspath.recipes import recipe_named
from tests.errors import refused

QUICK = ("model.depth=1", "train.precision=float32", "train.device=cpu", "train.loggers=[]", "train.workers=0")


def scaled(recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...]) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"target_mean": mean, "target_std": std})})


DISCS = scaled(apply_overrides(recipe_named("image/discs"), QUICK), (10.0, -500.0), (2.0, 0.25))


@pytest.mark.parametrize("columns", [1, 3])
def test_metrics_are_scikit_learns(columns: int) -> None:
    generator = torch.Generator().manual_seed(columns)
    actual = 1e3 * torch.randn(50, columns, generator=generator)
    predicted = actual + 300 * torch.randn(50, columns, generator=generator)
    found = regression_metrics(predicted, actual, tuple(f"c{number}" for number in range(columns)))
    expected = {
        "mae": mean_absolute_error(actual.double(), predicted.double(), multioutput="raw_values"),
        "rmse": root_mean_squared_error(actual.double(), predicted.double(), multioutput="raw_values"),
        "r2": r2_score(actual.double(), predicted.double(), multioutput="raw_values"),
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), rel=1e-12)
        for number in range(columns if columns > 1 else 0):
            assert found[f"{name}/c{number}"] == pytest.approx(values[number], rel=1e-12)


def test_a_column_that_never_changes_is_explained_by_exact_predictions_alone() -> None:
    constant = torch.full((4, 1), 7.0)
    assert regression_metrics(constant, constant)["r2"] == 1.0
    assert regression_metrics(constant + 1, constant)["r2"] == 0.0 == r2_score([7, 7, 7], [8, 8, 8])
    assert "r2" not in regression_metrics(constant[:1], constant[:1])
    assert regression_metrics(constant[:0], constant[:0]) == {}


def test_numbers_are_standardised_and_come_back_in_their_units() -> None:
    numbers = torch.tensor([[12.0, -500.25], [6.0, -499.5]])
    assert standardise(numbers, DISCS).tolist() == [[1.0, -1.0], [-2.0, 2.0]]
    assert in_units(standardise(numbers, DISCS), DISCS).tolist() == numbers.tolist()
    with refused("data.target_mean"):
        in_units(numbers, recipe_named("image/discs"))


@pytest.mark.parametrize(("name", "loss"), [("mse", mse_loss), ("huber", huber_loss)])
def test_losses_are_those_of_standardised_numbers(name: str, loss: torch.nn.Module) -> None:
    recipe = apply_overrides(DISCS, (f"train.regression_loss={name}",))
    objective = objective_of(recipe)
    model = objective.build(recipe, 2)
    inputs, targets = torch.randn(3, 3, 16, 16), torch.tensor([[12.0, -500.0], [60.0, -499.0], [10.0, -500.0]])
    batch = Batch(inputs=inputs, targets=targets, ids_B=torch.arange(3), epoch=0, batch_size=3)
    expected = loss(model(inputs), torch.tensor([[1.0, 0.0], [25.0, 4.0], [0.0, 0.0]]), reduction="none").mean(1)
    torch.testing.assert_close(objective.losses(model, recipe, batch), expected)


def test_an_exported_model_gives_the_users_units() -> None:
    model = objective_of(DISCS).build(DISCS, 2).eval()
    batch = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        expected = in_units(model(batch), DISCS)
        store_units(model, DISCS)
        torch.testing.assert_close(model(batch).double(), expected, rtol=1e-5, atol=1e-5)


def test_units_stand_at_the_end_of_a_name() -> None:
    assert [unit_of(name) for name in ("height (cm)", "speed [m/s] ", "age", "a (b) c")] == ["cm", "m/s", None, None]


def test_a_short_run_tells_diameters_and_predicts_in_pixels(tmp_path: Path) -> None:
    """The mean of the training part, and numbers left standardised, have an R² of 0 or below."""
    settings = (*QUICK, "train.epochs=8", "data.labels_in_all=160", "schedule.warmup_epochs=1")
    result = crosspath.train("image/discs", out=tmp_path / "run", settings=settings, progress=False)
    assert result.samples["train"] == 160
    assert result.metrics["test"]["r2/diameter (px)"] > 0.8
    assert result.metrics["test"]["mae/diameter (px)"] < 1.2
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.classes == ("diameter (px)", "brightness")
    assert checkpoint.recipe.data.target_mean is not None
    assert 6 < checkpoint.recipe.data.target_mean[0] < 10
    picture = np.full((16, 16, 3), 40, np.uint8)
    picture[3:13, 3:13] = 200
    [answer] = crosspath.predict(tmp_path / "run", [picture])
    diameter, brightness = answer["numbers"]
    assert diameter["unit"] == "px"
    assert 8 < diameter["value"] < 14
    assert "unit" not in brightness
    assert math.isfinite(brightness["value"])
    with refused("--top", "numbers", "3"):
        crosspath.predict(tmp_path / "run", [picture], top=3)


def test_labels_of_classes_are_no_numbers() -> None:
    with refused("digits", "numbers", "image/folder"):
        crosspath.train("image/digits", settings={"objective": "regression"}, progress=False)
    with refused("data.labels_per_class", "data.labels_in_all"):
        crosspath.train("image/discs", settings={"data.labels_per_class": 3}, progress=False)
    with refused("data.way", "numbers"):
        crosspath.train("image/discs", settings={"data.way": 2, "data.shot": 2}, progress=False)


def test_numbers_in_memory_keep_their_columns_when_a_run_resumes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    data = (generator.integers(0, 256, (24, 8, 8, 3), np.uint8), generator.normal(50.0, 9.0, (24, 2)))
    settings = (*QUICK, "objective=regression", "data.image_size=8", "train.epochs=1", "augment.crop_padding=0")
    first, again = (
        crosspath.train("image/folder", data=data, out=tmp_path, settings=settings, progress=False, resume=resume)
        for resume in (False, True)
    )
    assert first.classes == ("label 0", "label 1")
    assert "mae/label 1" in first.metrics["test"]
    assert again.metrics == first.metrics
    assert crosspath.evaluate(tmp_path, data=data)["metrics"] == pytest.approx(first.metrics["test"])


def test_the_best_epoch_is_not_chosen_by_a_metric_that_the_validation_part_has_not(tmp_path: Path) -> None:
    """R² needs two samples; without it every epoch would score 0, and the first be the best."""
    numbers = np.arange(8, dtype=np.float32)
    pictures = np.tile(numbers[:, None, None, None].astype(np.uint8), (1, 16, 16, 3))
    data = {"train": (pictures, numbers), "validation": (pictures[:1], numbers[:1]), "test": (pictures, numbers)}
    settings = ("objective=regression", "train.select=best", "data.image_size=16")
    with refused("the validation part", "2 samples", "r2", "train.select=last"):
        crosspath.train("image/folder", data=data, out=tmp_path / "run", settings=settings, progress=False)
    assert not (tmp_path / "run").exists()
