"""Every small recipe: its name, its size, its data's numbers, and that its model takes two steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crosspath.config import Recipe, recipe_from_text, recipe_to_text, write_recipe
from crosspath.evaluation.devices import Compute
from crosspath.modalities import MODALITIES
from crosspath.modalities.batches import generated_batch
from crosspath.models.build import build_masked_model
from crosspath.objectives import Batch, objective_of
from crosspath.recipes import PRETRAINING, PUBLISHED_RECIPES, RECIPES, recipe_named
from crosspath.training.optimizer import build_optimizer
from crosspath.training.step import Stepper
from tests.errors import refused
from tests.recipes.own_data import with_own_data

SIZES = {
    "image/cifar10": (10, 45000),
    "audio/esc10": (10, 240),
    "audio/fsdd": (10, 2430),
    "point/modelnet10": (10, 3586),
    "video/grid": (10, 700),
    "text/banking77": (77, 9000),
}


@pytest.fixture(params=sorted(RECIPES.keys() - PUBLISHED_RECIPES.keys()))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return recipe_named(request.param)


def test_a_recipe_carries_the_name_it_is_found_under(recipe: Recipe) -> None:
    assert RECIPES[recipe.name]() == recipe
    assert recipe.model.tokenizer.kind == MODALITIES[recipe.modality].sections.tokenizer_kind


def test_small_recipes_are_micro_with_at_most_128_tokens(recipe: Recipe) -> None:
    with torch.device("meta"):
        model: Any = objective_of(recipe).build(with_own_data(recipe), 10)
    assert recipe.model.size == "micro"
    assert model.tokenizer.num_tokens <= 128
    assert all(parameter.is_meta for parameter in model.parameters())


def test_published_sizes_stand_in_the_recipe(recipe: Recipe) -> None:
    found = (recipe.data.classes, recipe.data.train_samples)
    if recipe.data.dataset == "folder":
        assert found == (None, None)
    else:
        assert found == SIZES.get(recipe.name, found)
        assert None not in found


def test_a_recipe_survives_its_own_file(recipe: Recipe) -> None:
    assert recipe_from_text(recipe_to_text(recipe), "text") == recipe


def targets_of(recipe: Recipe) -> Tensor:
    """Of three samples, each of another class."""
    if recipe.data.label_kind == "boxes":
        box = (4.0, 4.0, 30.0, 30.0, 0.0, 0.0, 676.0, 48.0, 48.0)
        return torch.tensor([[(*box[:4], kind, *box[5:])] for kind in (0.0, 1.0, 2.0)])
    return torch.eye(3)


def test_a_model_takes_two_steps(recipe: Recipe) -> None:
    torch.manual_seed(0)
    recipe = with_own_data(recipe)
    model = objective_of(recipe).build(recipe, 3)
    inputs, targets = generated_batch(recipe, 3), targets_of(recipe)
    if recipe.objective == "segmentation":  # each picture is of one class
        classes = torch.arange(3.0).view(3, 1, 1, 1).expand(-1, 1, *inputs.shape[2:])
        inputs = torch.cat([inputs, classes], dim=1)
    elif recipe.data.annotated:  # every point is of the first part of its object's category, which is told
        parts = getattr(recipe.data, "parts", None) or ((0,),) * 3
        targets = torch.arange(3)
        inputs = torch.cat(
            [inputs, torch.tensor([numbers[0] for numbers in parts]).expand(len(inputs[0]), 3).T[..., None]], -1
        )
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"parts": parts})})
    if recipe.data.label_kind == "numbers":  # whose mean and deviation a run takes from its training samples
        spread = {"target_mean": (0.0,) * 3, "target_std": (1.0,) * 3}
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=spread)})
    part = Batch(inputs=inputs, targets=targets, ids_B=torch.arange(3), epoch=0, batch_size=3)
    compute = Compute(device=torch.device("cpu"), precision="float32", reason="test")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stepper = Stepper(
        model=model,
        optimizer=build_optimizer(model, recipe),
        losses=lambda model, part: objective_of(recipe).losses(model, recipe, part),
        compute=compute,
        clip_norm=1.0,
    )
    losses = [float(stepper.step([part])) for _ in range(2)]
    assert all(0 < loss < 10 for loss in losses)
    changed = [name for name, parameter in model.named_parameters() if not torch.equal(before[name], parameter)]
    assert len(changed) == len(list(model.named_parameters()))


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with refused("RECIPE", "image/cifar10"):
        recipe_named("image/cifar")
    with refused("RECIPE", "'qqq'", "audio/esc10", "audio/fsdd"):
        recipe_named("qqq")


def test_a_file_is_a_recipe_too(tmp_path: Path) -> None:
    changed = recipe_named("video/grid").model_copy(update={"name": "video/mine"})
    write_recipe(changed, tmp_path / "mine.yaml")
    assert recipe_named(tmp_path / "mine.yaml") == changed
    with refused("other.yaml", "recipe"):
        recipe_named(tmp_path / "other.yaml")


@pytest.mark.parametrize("name", sorted((RECIPES.keys() - PUBLISHED_RECIPES.keys()) & PRETRAINING.keys()))
def test_the_pretraining_recipe_of_the_same_name_fits_as_a_start(name: str) -> None:
    before, after = with_own_data(recipe_named(name, "masked_modeling")), with_own_data(recipe_named(name))
    assert before.name == name
    with torch.device("meta"):
        start, model = build_masked_model(before).state_dict(), objective_of(after).build(after, 3).state_dict()
    body = {key for key in model if not key.startswith("head.")}
    assert body <= start.keys()
    assert all(start[key].shape == model[key].shape for key in body)
    text = after.modality == "text"
    extra = {"mask_token", "predict"} if text else {"decoder"}
    norm = set() if "encoder.norm.weight" in model else {"encoder"}
    assert {key.split(".")[0] for key in start.keys() - body} == extra | norm


def test_a_recipe_file_of_the_other_objective_names_the_verb(tmp_path: Path) -> None:
    write_recipe(PRETRAINING["image/digits"](), tmp_path / "recipe.yaml")
    with refused("recipe.yaml", "pretrain"):
        recipe_named(tmp_path / "recipe.yaml")
    assert recipe_named(tmp_path / "recipe.yaml", "masked_modeling").objective == "masked_modeling"
