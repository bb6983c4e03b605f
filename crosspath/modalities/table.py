"""The table of modalities, filled by calls of `add` and by nothing else."""

from typing import Any

from crosspath.config import Recipe, add_sections, remove_sections
from crosspath.config.data import DataSection
from crosspath.modalities.modality import Modality
from crosspath.recipes import PRETRAINING, RECIPES

MODALITIES: dict[str, Modality[Any, Any, Any]] = {}
"""By name, in the order in which they were added."""


def add(modality: Modality[Any, Any, Any]) -> None:
    """Register a modality: recipes can name it, and its own recipes are found by name.

    Raises
    ------
    ValueError
        For a name that another modality has.
    """
    add_sections(modality.sections)
    MODALITIES[modality.name] = modality
    RECIPES.update(modality.recipes)
    PRETRAINING.update(modality.pretraining)


def remove(modality: Modality[Any, Any, Any]) -> None:
    """Forget a modality and its recipes: what a test adds, it takes away again."""
    remove_sections(modality.sections)
    del MODALITIES[modality.name]
    for name in modality.recipes:
        del RECIPES[name]
    for name in modality.pretraining:
        del PRETRAINING[name]


def modality_of(described: Recipe | DataSection) -> Modality[Any, Any, Any]:
    """The modality of a recipe, or of its `data` section."""
    return MODALITIES[described.modality]
