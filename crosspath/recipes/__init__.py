"""The shipped recipes, by name. `recipe_named` also reads a file, so that a run's own `recipe.yaml` runs again."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from crosspath.config import Recipe, read_recipe
from crosspath.errors import InputError
from crosspath.recipes import (
    audio,
    image,
    points,
    procedural,
    published_audio,
    published_image,
    published_points,
    published_video,
    video,
)
from crosspath.recipes.pretraining import SMALL

PUBLISHED: dict[str, Callable[[], Recipe]] = {
    "image/imagenet": published_image.imagenet,
    "image/imagenet-probe": published_image.imagenet_probe,
    "audio/audioset-20k": published_audio.audioset_20k,
    "audio/audioset-2m": published_audio.audioset_2m,
    "audio/esc50": published_audio.esc50,
    "audio/speechcommands": published_audio.speechcommands,
    "point/modelnet40": published_points.modelnet40,
    "point/modelnet40-fewshot": published_points.modelnet40_fewshot,
    "point/scanobjectnn-objbg": published_points.scanobjectnn_objbg,
    "point/scanobjectnn-objonly": published_points.scanobjectnn_objonly,
    "point/scanobjectnn-hardest": published_points.scanobjectnn_hardest,
    "video/k400": published_video.k400,
    "video/ssv2": published_video.ssv2,
    "video/ucf101": published_video.ucf101,
    "video/hmdb51": published_video.hmdb51,
}
PUBLISHED_PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "image/imagenet": published_image.imagenet_pretraining,
    "audio/audioset-2m": published_audio.audioset_pretraining,
    "point/shapenet55": published_points.shapenet55_pretraining,
    "video/k400": published_video.k400_pretraining,
}
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
    **PUBLISHED,
}
"""What `crosspath train` knows."""


PRETRAINING: dict[str, Callable[[], Recipe]] = {
    **SMALL,
    "procedural/dyck": procedural.dyck_pretraining,
    **PUBLISHED_PRETRAINING,
}
"""What `crosspath pretrain` knows; the names are those of the training recipes, but for `procedural/*`, which only
grows auxiliaries."""

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
    if text in RECIPES or text in PRETRAINING:
        todo = f"it is a recipe of `crosspath {VERBS['classification' if text in RECIPES else 'masked_modeling']}`"
    raise InputError("RECIPE", f"one of {', '.join(shipped)}", repr(text), todo)


__all__ = ["PRETRAINING", "RECIPES", "recipe_named"]
