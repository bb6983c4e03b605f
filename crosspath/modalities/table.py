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
    for table, own in ((RECIPES, modality.recipes), (PRETRAINING, modality.pretraining)):
        for name, recipe in own.items():
            if table.get(name, recipe) is not recipe:
                raise ValueError(f"a recipe called {name} is there already")
    add_sections(modality.sections)
    MODALITIES[modality.name] = modality
    RECIPES.update(modality.recipes)
    PRETRAINING.update(modality.pretraining)


def remove(modality: Modality[Any, Any, Any]) -> None:
    """Remove a modality and its recipes, as a test does with what it added. Raises `ValueError` for one that is not
    registered.
    """
    if MODALITIES.get(modality.name) is not modality:
        raise ValueError(f"a modality called {modality.name} was not added")
    remove_sections(modality.sections)
    del MODALITIES[modality.name]
    for name in modality.recipes:
        del RECIPES[name]
    for name in modality.pretraining:
        del PRETRAINING[name]


def modality_of(section: Recipe | DataSection) -> Modality[Any, Any, Any]:
    """The modality of a recipe, or of its `data` section. Raises `InputError` for one that is not registered."""
    if section.modality not in MODALITIES:
        todo = "add it with crosspath.modalities.add"
        raise InputError("modality", f"one of {', '.join(MODALITIES)}", repr(section.modality), todo)
    return MODALITIES[section.modality]
