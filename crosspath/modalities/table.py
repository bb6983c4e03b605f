"""The table of modalities, filled by calls of `add` and by nothing else."""

from typing import Any

from crosspath.config import Recipe, add_sections, remove_sections
from crosspath.config.data import DataSection
from crosspath.errors import InputError
from crosspath.modalities.modality import Modality
from crosspath.recipes import PRETRAINING, RECIPES

MODALITIES: dict[str, Modality[Any, Any, Any]] = {}
"""By name, in the order in which they were added."""


def add(modality: Modality[Any, Any, Any]) -> None:
    """Register a modality: recipes can name it, and its own recipes are found by name.

    Raises
    ------
    ValueError
        For a name that another modality has: its own, of its tokenizer, of a recipe or of a set.
    """
    if MODALITIES.get(modality.name, modality) is not modality:
        raise ValueError(f"a modality called {modality.name} is there already")
    others = [other for other in MODALITIES.values() if other is not modality]
    sets = {name for other in others for name in other.sets}
    for name in modality.sets:
        if name in sets:
            raise ValueError(f"a set called {name} is there already")
    for shipped, own in ((RECIPES, modality.recipes), (PRETRAINING, modality.pretraining)):
        for name, recipe in own.items():
            if shipped.get(name, recipe) is not recipe:
                raise ValueError(f"a recipe called {name} is there already")
    add_sections(modality.sections)
    MODALITIES[modality.name] = modality
    RECIPES.update(modality.recipes)
    PRETRAINING.update(modality.pretraining)


def remove(modality: Modality[Any, Any, Any]) -> None:
    """Forget a modality and its recipes: what a test adds, it takes away again. Raises `ValueError` for one that is
    not there.
    """
    if MODALITIES.get(modality.name) is not modality:
        raise ValueError(f"a modality called {modality.name} was not added")
    remove_sections(modality.sections)
    del MODALITIES[modality.name]
    for name in modality.recipes:
        del RECIPES[name]
    for name in modality.pretraining:
        del PRETRAINING[name]


def modality_of(described: Recipe | DataSection) -> Modality[Any, Any, Any]:
    """The modality of a recipe, or of its `data` section. Raises `InputError` for one that is not there (any more)."""
    if described.modality not in MODALITIES:
        todo = "add it with crosspath.modalities.add"
        raise InputError("modality", f"one of {', '.join(MODALITIES)}", repr(described.modality), todo)
    return MODALITIES[described.modality]
