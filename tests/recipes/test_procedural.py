"""The bracket recipe: its size, its file, what it refuses, and that what it grows helps any micro target."""

from pathlib import Path

import pytest

from crosspath.checkpoints import auxiliary_source, save_checkpoint
from crosspath.checkpoints.sharing.licences import licences
from crosspath.config import apply_overrides, recipe_from_text, recipe_to_text
from crosspath.errors import InputError
from crosspath.modalities import MODALITIES
from crosspath.modalities.batches import generated_batch
from crosspath.models.about import About
from crosspath.recipes import PRETRAINING, RECIPES, recipe_named
from crosspath.training import plan
from tests.errors import refused
from tests.models.test_masked_tokens import built, dyck_recipe

NAME = "procedural/dyck"


def test_it_is_micro_with_64_tokens_and_survives_its_own_file() -> None:
    recipe = recipe_named(NAME, "masked_modeling")
    assert recipe.name == NAME
    assert recipe.model.tokenizer.kind == MODALITIES[recipe.modality].sections.tokenizer_kind
    assert recipe_from_text(recipe_to_text(recipe), "text") == recipe
    planned = plan(recipe)
    assert recipe.model.size == "micro"
    assert (planned["tokens"], planned["visible_tokens"]) == (64, 64)
    assert planned["steps_per_epoch"] == -(-recipe.data.train_samples // recipe.train.batch_size)  # type: ignore[operator]
    batch = generated_batch(recipe, 500)
    assert batch.shape == (500, 64)
    assert (int(batch.min()), int(batch.max())) == (0, 127)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.length=63", "data.length: expected a multiple of 2, found 63; change data.length"),
        ("data.length=0", "data.length: expected greater than 0, found 0; change data.length"),
        ("data.kinds=0", "data.kinds: expected greater than 0, found 0; change data.kinds"),
        ("data.max_depth=0", "data.max_depth: expected greater than 0, found 0; change data.max_depth"),
        ("data.open_probability=1", "data.open_probability: expected less than 1, found 1; change"),
        (
            "masking.kind=random",
            "recipe: expected sections that agree, found masking.kind is random, and text has closers",
        ),
        (
            "model.positions=centres",
            "recipe: expected sections that agree, found model.positions is centres, and text has",
        ),
    ],
)
def test_bad_settings_are_one_line(override: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe_named(NAME, "masked_modeling"), (override,))
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_a_dry_run_already_says_when_nothing_would_be_hidden() -> None:
    with refused("masking.ratio", "token"):
        plan(dyck_recipe("data.length=2"))


def test_closers_are_hidden_in_text_alone() -> None:
    with refused("recipe", "masking.kind"):
        apply_overrides(recipe_named("image/digits", "masked_modeling"), ("masking.kind=closers",))


def test_to_train_it_is_answered_with_what_there_is_and_the_other_verb() -> None:
    assert NAME in PRETRAINING
    with refused("RECIPE", "'procedural/dyck'", "image/cifar10", "image/digits"):
        recipe_named(NAME)
    only = sorted(RECIPES.keys() - PRETRAINING.keys())[0]
    with refused("RECIPE", "recipe"):
        recipe_named(only, "masked_modeling")


@pytest.mark.parametrize("name", [NAME, "mine"])
def test_as_an_auxiliary_it_is_of_no_targets_modality_whatever_its_name(name: str, tmp_path: Path) -> None:
    recipe = dyck_recipe().model_copy(update={"name": name})
    save_checkpoint(built(), tmp_path / "run", recipe=recipe, classes=())
    source = auxiliary_source(tmp_path / "run")
    assert (source.recipe, source.modality) == (name, "procedural")
    assert set(source.record()) == {"origin", "sha256", "recipe"}


def test_what_it_grows_needs_no_licence() -> None:
    recorded = {"origin": "/runs/dyck", "sha256": "0", "recipe": NAME}
    about = About(recipe=recipe_named("image/digits"), classes=("0",), auxiliaries={"dyck": recorded})
    _, found = licences(about)
    assert (found.part, found.source, found.is_known) == ("dyck", "data set dyck", True)
    assert not found.non_commercial
