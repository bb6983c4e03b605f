"""The shipped recipes, by name. `recipe_named` also reads a file, so that a run's own `recipe.yaml` runs again."""

from collections.abc import Callable
from pathlib import Path

from crosspath.config import Recipe, read_recipe
from crosspath.errors import InputError, suggest
from crosspath.recipes import (
    audio,
    image,
    parts,
    points,
    procedural,
    published_audio,
    published_image,
    published_points,
    published_video,
    series,
    text,
    video,
)

RECIPES: dict[str, Callable[[], Recipe]] = {
    **image.RECIPES,
    **audio.RECIPES,
    **points.RECIPES,
    **video.RECIPES,
    **series.RECIPES,
    **text.RECIPES,
}
"""What `crosspath train` can run; `crosspath.modalities.add` adds those of another modality."""
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    **image.PRETRAINING,
    **audio.PRETRAINING,
    **points.PRETRAINING,
    **video.PRETRAINING,
    **series.PRETRAINING,
    **text.PRETRAINING,
    **procedural.PRETRAINING,
}
"""What `crosspath pretrain` can run; the names are those of the training recipes, but for `procedural/*`."""

_MODULES = (published_image, published_audio, published_points, published_video)
PUBLISHED_RECIPES = {
    name: recipe for module in _MODULES for name, recipe in module.RECIPES.items()
} | parts.PUBLISHED_RECIPES
"""Those of `RECIPES` with published settings on published data."""
PUBLISHED_PRETRAINING = {name: recipe for module in _MODULES for name, recipe in module.PRETRAINING.items()}

PRETRAINS = "masked_modeling"


def verb_of(objective: str) -> str:
    """The command that runs recipes of an objective."""
    return "pretrain" if objective == PRETRAINS else "train"


def recipe_named(name: str | Path, objective: str = "classification") -> Recipe:
    """A shipped recipe by its name, or the recipe in a YAML file.

    Raises
    ------
    InputError
        For a name that is neither, with the nearest shipped name; for a faulty file, and one of another objective.
    """
    text, verb = str(name), verb_of(objective)
    recipes = RECIPES if verb == "train" else PRETRAINING
    if text in recipes:
        return recipes[text]()
    if Path(text).suffix in {".yaml", ".yml"}:
        recipe = read_recipe(Path(text))
        if verb_of(recipe.objective) != verb:
            todo = f"use `crosspath {verb_of(recipe.objective)}`"
            raise InputError(text, f"a recipe to {verb} with", f"objective {recipe.objective}", todo)
        return recipe
    todo = suggest(text, recipes, "name one of them, or a .yaml file", cutoff=0.5)
    if text in RECIPES or text in PRETRAINING:
        todo = f"it is a recipe of `crosspath {'train' if text in RECIPES else 'pretrain'}`"
    expected, found = f"one of {', '.join(recipes)}", repr(text)
    if Path(text).is_dir() or Path(text).suffix == ".zip":
        expected, found = "a recipe's name or a .yaml file", f"the folder {text}"
        todo = f"files of your own go with a recipe for folders: image/folder --data {text}, or another modality's"
        if (Path(text) / "recipe.yaml").is_file():
            todo = f"its recipe is {Path(text) / 'recipe.yaml'}, and --from {text} starts from its weights"
    raise InputError("RECIPE", expected, found, todo)


def any_recipe_named(name: str | Path) -> Recipe:
    """As `recipe_named`, of whatever objective: for those who ask for its data alone."""
    text = str(name)
    if Path(text).suffix in {".yaml", ".yml"}:
        return read_recipe(Path(text))
    return PRETRAINING[text]() if text in PRETRAINING and text not in RECIPES else recipe_named(text)


__all__ = ["PRETRAINING", "RECIPES", "any_recipe_named", "recipe_named"]
