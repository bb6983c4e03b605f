"""The shipped recipes, by name. `recipe_named` also reads a file, so that a run's own `recipe.yaml` runs again."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from crosspath.config import Recipe, read_recipe
from crosspath.errors import InputError
from crosspath.recipes import audio, image, points, video
from crosspath.recipes.pretraining import SMALL

RECIPES: dict[str, Callable[[], Recipe]] = {
    "image/cifar10": image.cifar10,
    "image/digits": image.digits,
    "image/folder": image.folder,
    "audio/esc10": audio.esc10,
    "audio/fsdd": audio.fsdd,
    "audio/sounds": audio.sounds,
    "audio/folder": audio.folder,
    "point/modelnet10": points.modelnet10,
    "point/solids": points.solids,
    "point/folder": points.folder,
    "video/grid": video.grid,
    "video/folder": video.folder,
}


PRETRAINING: dict[str, Callable[[], Recipe]] = {**SMALL}
"""What `crosspath pretrain` knows; the names are those of the training recipes."""

VERBS = {"classification": "train", "masked_modeling": "pretrain"}


def recipe_named(name: str | Path, objective: str = "classification") -> Recipe:
    """A shipped recipe by its name, or the recipe in a YAML file.

    Raises
    ------
    InputError
        For a name that is neither, with the nearest shipped name; for a faulty file, and one of another objective.
    """
    text = str(name)
    shipped = RECIPES if objective == "classification" else PRETRAINING
    if text in shipped:
        return shipped[text]()
    if Path(text).suffix in {".yaml", ".yml"}:
        recipe = read_recipe(Path(text))
        if recipe.objective != objective:
            todo = f"use `crosspath {VERBS[recipe.objective]}`"
            raise InputError(text, f"a recipe to {VERBS[objective]} with", f"objective {recipe.objective}", todo)
        return recipe
    near = get_close_matches(text, shipped, n=1, cutoff=0.5)
    todo = f"did you mean {near[0]}?" if near else "name one of them, or a .yaml file"
    raise InputError("RECIPE", f"one of {', '.join(shipped)}", repr(text), todo)


__all__ = ["PRETRAINING", "RECIPES", "recipe_named"]
