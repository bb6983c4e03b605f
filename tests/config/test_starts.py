"""`pathway.start` in recipes: it fills in its settings, and what is given beside it stays."""

from typing import Any

import pytest
import yaml

from crosspath.config import Recipe, apply_overrides, recipe_from_text, recipe_to_text
from crosspath.config.pathway import PathwaySection
from crosspath.config.starts import layer_settings, start_note
from crosspath.recipes import recipe_named
from crosspath.starts import PLACES, STARTS
from tests.errors import refused


def values(recipe: Recipe) -> dict[str, Any]:
    tree = recipe.model_dump()
    return {place: tree[place.partition(".")[0]][place.partition(".")[2]] for place in PLACES.values()}


def from_file(**sections: Any) -> Recipe:
    tree = yaml.safe_load(recipe_to_text(recipe_named("image/digits")))
    for name in ("pathway", "optimizer"):
        tree[name] = sections.get(name, {})
    return recipe_from_text(yaml.safe_dump(tree), "recipe.yaml")


@pytest.mark.parametrize("name", STARTS)
def test_a_start_brings_its_settings(name: str) -> None:
    before = apply_overrides(recipe_named("image/digits"), ["pathway.start=whole-body"])
    recipe = apply_overrides(before, [f"pathway.start={name}"])
    assert values(recipe) == STARTS[name].settings
    assert values(from_file(pathway={"start": name})) == STARTS[name].settings
    assert "instead" not in str(start_note(recipe))
    assert recipe_from_text(recipe_to_text(recipe), name) == recipe


@pytest.mark.parametrize("first", [True, False])
def test_a_setting_given_beside_a_start_stays_and_is_shown(first: bool) -> None:
    settings = ["pathway.start=whole-body", "pathway.shrink=0.3", "optimizer.auxiliary_lr=null"]
    recipe = apply_overrides(recipe_named("image/digits"), settings if first else settings[::-1])
    given = {"pathway.shrink": 0.3, "optimizer.auxiliary_lr": None}
    assert values(recipe) == {**STARTS["whole-body"].settings, **given}
    assert "instead: shrink=0.3, auxiliary_lr=as W" in str(start_note(recipe))
    assert recipe_from_text(recipe_to_text(recipe), "text") == recipe


def test_a_setting_of_the_file_stays_beside_the_start_of_the_file() -> None:
    recipe = from_file(pathway={"start": "whole-body", "scale_init": 0.5}, optimizer={"auxiliary_lr": 1e-3})
    assert (recipe.pathway.scale_init, recipe.pathway.shrink, recipe.optimizer.auxiliary_lr) == (0.5, 0.4, 1e-3)


def test_a_start_of_the_command_line_replaces_the_settings_of_the_file() -> None:
    recipe = from_file(pathway={"scale_init": 0.5, "shrink": 0.9})
    assert values(apply_overrides(recipe, ["pathway.start=gentle"])) == STARTS["gentle"].settings


def test_sections_made_in_python_are_filled_too() -> None:
    section = PathwaySection(start="frozen-anchor", shrink=0.5)
    assert (section.scale_init, section.shrink, section.train_auxiliary) == (1.0, 0.5, False)
    before = recipe_named("image/digits")
    tree = {name: getattr(before, name) for name in Recipe.model_fields} | {"pathway": PathwaySection(start="gentle")}
    del tree["optimizer"]
    assert values(Recipe(**tree)) == STARTS["gentle"].settings


def test_a_later_layer_replaces_an_earlier_one() -> None:
    common, variant = ("pathway.shrink=0.9", "train.epochs=3"), ("pathway.start=whole-body",)
    layers = layer_settings(common, variant, ("pathway.train_auxiliary=false",))
    assert values(apply_overrides(recipe_named("image/digits"), layers)) == {
        **STARTS["whole-body"].settings,
        "pathway.train_auxiliary": False,
    }
    assert "train.epochs=3" in layers
    assert layer_settings(common, ("pathway.bias=true",)) == (*common, "pathway.bias=true")


def test_an_unknown_start_is_refused() -> None:
    with refused("pathway.start", "whole", "whole-body"):
        apply_overrides(recipe_named("image/digits"), ["pathway.start=whole"])
    with refused("pathway.start", 3):
        apply_overrides(recipe_named("image/digits"), ["pathway.start=3"])
