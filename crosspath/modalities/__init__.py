"""One object per modality, queried by the rest of the package, and the loading of a recipe's data.

`add` registers another modality. This module registers the shipped ones.
"""

from collections.abc import Iterable
from typing import Any

from crosspath.modalities.audio import AUDIO
from crosspath.modalities.image import IMAGE
from crosspath.modalities.modality import Modality
from crosspath.modalities.point import POINT
from crosspath.modalities.series import SERIES
from crosspath.modalities.table import MODALITIES, add, modality_of, remove
from crosspath.modalities.text import TEXT
from crosspath.modalities.video import VIDEO

SHIPPED_MODALITIES = (IMAGE, AUDIO, POINT, VIDEO, TEXT, SERIES)
for _modality in SHIPPED_MODALITIES:
    add(_modality)


def custom_modalities() -> tuple[Modality[Any, Any, Any], ...]:
    """Modalities added by the user; other processes have to `add` them too."""
    return tuple(modality for modality in MODALITIES.values() if modality not in SHIPPED_MODALITIES)


def add_missing(others: Iterable[Modality[Any, Any, Any]]) -> None:
    """Add those of another process's `custom_modalities` that this process lacks."""
    for modality in others:
        if modality.name not in MODALITIES:
            add(modality)


__all__ = [
    "MODALITIES",
    "SHIPPED_MODALITIES",
    "Modality",
    "add",
    "add_missing",
    "custom_modalities",
    "modality_of",
    "remove",
]
