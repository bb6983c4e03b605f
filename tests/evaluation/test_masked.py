"""Reading a part with a masked autoencoder: the same question at every reading, whatever the batch size or the seed."""

from pathlib import Path

import pytest
import torch
from torch import nn

from crosspath.checkpoints import save_checkpoint
from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.errors import InputError
from crosspath.evaluation import evaluate
from crosspath.evaluation.devices import Compute, choose_compute
from crosspath.evaluation.held_out import held_out_metrics, held_out_outputs
from crosspath.modalities.load import load_data
from crosspath.models.build import build_masked_autoencoder
from crosspath.models.masked_autoencoder import MaskedAutoencoder
from crosspath.objectives.masked_modeling import masked_errors
from crosspath.objectives.objective import MASK_SEED
from crosspath.recipes import recipe_named
from tests.evaluation.masked_samples import examples_for
from tests.models.test_masked_autoencoder import MODALITIES, masked_recipe

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


def model_of(recipe: Recipe) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return build_masked_autoencoder(recipe)


def changed(recipe: Recipe, section: str, **values: object) -> Recipe:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=values)})


def read(model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute) -> dict[str, float]:
    return held_out_metrics(held_out_outputs(model, recipe, examples, compute), recipe, examples)


@MODALITIES
def test_the_loss_is_the_mean_error_of_prepared_samples_in_evaluation_mode(modality: str) -> None:
    recipe = changed(masked_recipe(modality, {"drop_path": 0.5}), "evaluate", batch_size=4)
    model, examples = model_of(recipe).train(), examples_for(modality, 10)
    found = read(model, recipe, examples, CPU)
    assert model.training
    inputs = torch.tensor(examples.inputs[:]).double()
    if modality in ("image", "video"):
        inputs = inputs / 127.5 - 1
    elif modality == "audio":
        inputs = (inputs - recipe.data.mean) / (2 * recipe.data.std)
    with torch.no_grad():
        errors = masked_errors(model.eval(), recipe, inputs.float(), MASK_SEED, 0, torch.arange(10))
    assert found == {"loss": pytest.approx(errors.mean().item(), rel=1e-5)}


@MODALITIES
def test_a_sample_is_asked_the_same_in_any_batch_and_by_any_process(modality: str) -> None:
    recipe = masked_recipe(modality)
    model, examples = model_of(recipe), examples_for(modality, 7)
    whole = held_out_outputs(model, recipe, examples, CPU)
    pairs = held_out_outputs(model, changed(recipe, "evaluate", batch_size=2), examples, CPU)
    torch.testing.assert_close(pairs, whole, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        held_out_outputs(model, recipe, examples, CPU, [5, 1]), whole[[5, 1]], rtol=1e-5, atol=1e-6
    )


def test_readings_repeat_and_the_training_seed_changes_nothing() -> None:
    recipe = masked_recipe("image")
    model, examples = model_of(recipe), examples_for("image", 6)
    first = read(model, recipe, examples, CPU)
    torch.manual_seed(5)
    assert read(model, recipe, examples, CPU) == first
    assert read(model, changed(recipe, "train", seed=7), examples, CPU) == first


def test_the_mode_is_restored_after_an_error() -> None:
    recipe = masked_recipe("image")
    model, examples = model_of(recipe).train(), examples_for("image", 2)
    other = Examples(examples.inputs[:, :, :7], examples.labels, examples.ids)
    with pytest.raises(InputError):
        read(model, recipe, other, CPU)
    assert model.training


def test_evaluating_a_masked_checkpoint_reads_its_loss_and_nothing_else(tmp_path: Path) -> None:
    recipe = recipe_named("image/digits", "masked_modeling")
    model = model_of(recipe)
    save_checkpoint(model, tmp_path / "run", recipe=recipe, classes=())
    found = evaluate(tmp_path / "run", split="validation")
    data = load_data(recipe.data, None, recipe.train.seed)
    assert found == {
        "checkpoint": str(tmp_path / "run"),
        "recipe": "image/digits",
        "split": "validation",
        "samples": len(data.validation),
        "metrics": read(model, recipe, data.validation, choose_compute(recipe)),
    }
    assert list(found["metrics"]) == ["loss"]
