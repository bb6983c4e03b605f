"""What a target starts from: a checkpoint of this library, or a foundation model's encoder."""

import json
from pathlib import Path

from torch import nn

from crosspath.checkpoints.foreign.foundation import foundation_at
from crosspath.checkpoints.foreign.foundation_model import fit_recipe, load_foundation
from crosspath.checkpoints.sources import is_on_hub
from crosspath.checkpoints.start import load_weights_from
from crosspath.config import Recipe
from crosspath.config.trees import differences, settings_in
from crosspath.errors import InputError
from crosspath.objectives import objective_of
from crosspath.recipes import PRETRAINING, RECIPES

TRAINING = ("optimizer", "augment")
"""Sections in which a recipe, other than a shipped one by its name, says how it trains."""


def fit_to_start(
    recipe: Recipe, start: str | Path | None, settings: tuple[str, ...] = (), *, shipped: bool = False
) -> Recipe:
    """The recipe for a target that starts from `start`: of a foundation model it has the architecture and what the
    model reads; any other leaves it as it is.

    What the user set stays: the names in `settings` (texts `section.field=value`), and whatever differs from the
    shipped recipe of that name. Only a recipe that the user named (`shipped`) gets another learning rate and
    augmentation: one made in Python, in a file or by a study says how it trains.

    Raises
    ------
    crosspath.InputError
        For a path that does not exist, a model that is not among the families, and settings that it cannot have.
    """
    if start is None:
        return recipe
    model = foundation_at(start)
    if model is None:
        if not (is_on_hub(start) or Path(start).exists()):
            expected = "a run folder, saved folder, .safetensors file or foundation model"
            raise InputError(start, expected, "none", "check the path")
        return recipe
    return fit_recipe(recipe, model, explicit_settings(recipe, settings).union(() if shipped else TRAINING))


def load_start(module: nn.Module, recipe: Recipe, start: str | Path) -> list[str]:
    """Load the weights of `start` into the recipe's plain model, in place; returns notes. See `load_weights_from`."""
    model = foundation_at(start)
    if model is None:
        return load_weights_from(module, start, recipe)
    return [model.describe(recipe), *load_foundation(module, model, recipe)]


def explicit_settings(recipe: Recipe, settings: tuple[str, ...]) -> frozenset[str]:
    """Dotted names of what the user set; of a recipe that is not shipped, all it says."""
    recipes = RECIPES if objective_of(recipe).labelled else PRETRAINING
    plain = recipes[recipe.name]().model_dump(mode="json") if recipe.name in recipes else {}
    names = (setting.partition("=")[0].strip() for setting in settings)
    changes = differences(plain, recipe.model_dump(mode="json"))
    # What a new section leaves at None was not set.
    inside = (
        setting
        for section, (_, now) in changes
        for setting, value in settings_in(now, section)
        if setting == section or value is not None
    )
    return frozenset([*names, *inside])


def shape_settings(recipe: Recipe) -> tuple[str, ...]:
    """`section.field=value` of what the shipped recipe that trains under this name lacks of the recipe's model, and of
    what that reads."""
    before, now = (one.model_dump(mode="json") for one in (RECIPES[recipe.name](), recipe))
    texts = []
    for section in ("data", "model"):
        for name, (_, value) in differences(before[section], now[section]):
            texts.append(f"{section}.{name}={value if isinstance(value, str) else json.dumps(value)}")
    return tuple(texts)
