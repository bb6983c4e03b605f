"""Recipes: typed, unknown names refused with the nearest one, all faults at once, and back from a file as they were."""

from pathlib import Path

import pytest

from crosspath.cli.options import with_blocks
from crosspath.config import Recipe, apply_overrides, read_recipe, recipe_from_text, recipe_to_text, write_recipe
from crosspath.errors import InputError
from crosspath.recipes import RECIPES, recipe_named
from tests.errors import refused


@pytest.fixture
def recipe() -> Recipe:
    return recipe_named("image/cifar10")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_comes_back_from_its_text(name: str, tmp_path: Path) -> None:
    recipe = recipe_named(name)
    assert recipe_from_text(recipe_to_text(recipe), name) == recipe
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("train.epochs=20", "train", "epochs", 20),
        ("optimizer.lr=1e-4", "optimizer", "lr", 1e-4),
        ("optimizer.layer_decay=null", "optimizer", "layer_decay", None),
        ("pathway.roles=[query, key]", "pathway", "roles", ("query", "key")),
        ("pathway.blocks={0: 1}", "pathway", "blocks", {0: 1}),
        ("pathway.blocks=spread", "pathway", "blocks", "spread"),
        ("pathway.blocks=repeat", "pathway", "blocks", "repeat"),
        ("data.skip_damaged=true", "data", "skip_damaged", True),
        ("data.cache_folder=pictures", "data", "cache_folder", Path("pictures")),
        (" train.epochs = 3", "train", "epochs", 3),
    ],
)
def test_overrides_are_typed(recipe: Recipe, override: str, section: str, field: str, value: object) -> None:
    assert getattr(getattr(apply_overrides(recipe, [override]), section), field) == value


def test_the_last_override_wins_and_the_recipe_itself_stays(recipe: Recipe) -> None:
    before = recipe_to_text(recipe)
    assert apply_overrides(recipe, ["train.epochs=3", "train.epochs=4"]).train.epochs == 4
    assert recipe_to_text(recipe) == before


@pytest.mark.parametrize(
    ("override", "where", "todo"),
    [
        ("train.epoch=3", "train.epoch", "did you mean train.epochs?"),
        ("data.image_sise=3", "data.image_sise", "did you mean data.image_size?"),
        ("model.tokenizer.pach=[2, 2]", "model.tokenizer.pach", "did you mean model.tokenizer.patch?"),
        ("optimiser.lr=1", "optimiser", "did you mean optimizer?"),
        ("train.epochs=many", "train.epochs", "change train.epochs"),
        ("train.epochs=-1", "train.epochs", "change train.epochs"),
        ("optimizer.lr=.inf", "optimizer.lr", "change optimizer.lr"),
        ("optimizer.betas=[0.9, 1.0]", "optimizer.betas.1", "change optimizer.betas.1"),
        ("train.seed=99999999999999999999999", "train.seed", "change train.seed"),
        ("train.epochs.x=3", "train.epochs.x", "drop the rest"),
        ("train.epochs", "--set", "write it as --set train.epochs=20"),
        ("train.epochs=[", "train.epochs", "quote it"),
        ("pathway.roles=foo", "pathway.roles", "change pathway.roles"),
    ],
)
def test_a_fault_is_one_line_with_its_name_and_what_to_do(recipe: Recipe, override: str, where: str, todo: str) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe, [override])
    assert error.value.where == where
    assert error.value.todo == todo
    assert "\n" not in str(error.value)


def test_all_faults_come_at_once(recipe: Recipe) -> None:
    with refused("--set", 3, "model.size", "optimizer.lr", "train.epoch"):
        apply_overrides(recipe, ["train.epoch=3", "optimizer.lr=no", "model.size=gigantic"])


def test_sections_must_agree(recipe: Recipe) -> None:
    with refused("recipe", "model.positions"):
        apply_overrides(recipe, ["model.positions=centres"])
    with refused("recipe", "train.regression_loss", "objective=regression"):
        apply_overrides(recipe, ["train.regression_loss=huber"])
    with refused("recipe", "data.label_columns", "data.multi_label"):
        apply_overrides(recipe, ["data.label_columns=[a,b]"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"train: [", "row 1: expected YAML"),
        (b"- a list", "expected a recipe's sections, found list"),
        (b"\xff\xfe\x00", "expected YAML in UTF-8"),
    ],
)
def test_files_that_hold_no_recipe(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with refused("nowhere.yaml", "recipe"):
        read_recipe(tmp_path / "nowhere.yaml")


def test_the_old_name_of_the_data_origin_warns(recipe: Recipe) -> None:
    with pytest.warns(DeprecationWarning, match="data_origin"):
        assert recipe.stems_from == recipe.data_origin == "image"


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("train.epochs=1:30", "train.epochs"),
        ("optimizer.lr=1:30.5", "optimizer.lr"),
        ("pathway.blocks={0:0,7:1}", "pathway.blocks.7:1"),
    ],
)
def test_yaml_takes_no_text_with_colons_for_a_number_to_the_base_of_sixty(
    recipe: Recipe, override: str, field: str
) -> None:
    with refused("", field):
        apply_overrides(recipe, [override])


def test_numbers_of_recipes_are_decimal(recipe: Recipe) -> None:
    changed = apply_overrides(recipe, ["train.epochs=010", "optimizer.lr=1.5e-3", "train.seed=1_000"])
    assert (changed.train.epochs, changed.optimizer.lr, changed.train.seed) == (10, 1.5e-3, 1000)
    assert apply_overrides(recipe, ["train.epochs=0x10"]).train.epochs == 16


def test_blocks_of_the_command_need_no_blanks(recipe: Recipe) -> None:
    assert apply_overrides(recipe, with_blocks((), "{0:0,7:1}")).pathway.blocks == {0: 0, 7: 1}
    assert apply_overrides(recipe, with_blocks((), "{0: 0, 7: 1}")).pathway.blocks == {0: 0, 7: 1}


def test_fit_of_the_command_is_a_setting(recipe: Recipe) -> None:
    assert apply_overrides(recipe, with_blocks((), None, fit="average")).pathway.fit == "average"
    with refused("pathway.fit", "slice", "half"):
        apply_overrides(recipe, with_blocks((), None, fit="half"))


@pytest.mark.parametrize(
    ("setting", "short"),
    [("pathway.start=paper", {"start": "gentle"}), ("pathway.fit=slice", {"fit": "average"})],
)
def test_what_is_given_in_two_ways_is_refused(setting: str, short: dict[str, str]) -> None:
    (value,) = short.values()
    with refused(setting.partition("=")[0], value):
        with_blocks((setting,), None, **short)
    with refused("pathway.blocks", "{0: 1}"):
        with_blocks(("pathway.blocks={0: 0}",), "{0: 1}")
