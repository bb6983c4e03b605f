"""The shipped recipes, by name. `recipe_named` also reads a file, so that a run's own `recipe.yaml` runs again."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from crosspath.config import Recipe, read_recipe
from crosspath.errors import InputError
from crosspath.recipes import audio, image, points, video

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


def recipe_named(name: str | Path) -> Recipe:
    """A shipped recipe by its name, or the recipe in a YAML file.

    Raises
    ------
    InputError
        For a name that is neither, with the nearest shipped name; for a faulty file.
    """
    text = str(name)
    if text in RECIPES:
        return RECIPES[text]()
    if Path(text).suffix in {".yaml", ".yml"}:
        return read_recipe(Path(text))
    near = get_close_matches(text, RECIPES, n=1, cutoff=0.5)
    todo = f"did you mean {near[0]}?" if near else "name one of them, or a .yaml file"
    raise InputError("RECIPE", f"one of {', '.join(RECIPES)}", repr(text), todo)


__all__ = ["RECIPES", "recipe_named"]
