"""The modalities: one object each, which the rest of the package asks; and what a recipe's data become through them.

`add` makes another one known. The shipped ones are listed here.
"""

from collections.abc import Iterable
from typing import Any

from crosspath.modalities.audio import AUDIO
from crosspath.modalities.image import IMAGE
from crosspath.modalities.modality import Modality
from crosspath.modalities.point import POINT
from crosspath.modalities.table import MODALITIES, add, modality_of, remove
from crosspath.modalities.text import TEXT
from crosspath.modalities.video import VIDEO

SHIPPED = (IMAGE, AUDIO, POINT, VIDEO, TEXT)
for _modality in SHIPPED:
    add(_modality)


def added() -> tuple[Modality[Any, Any, Any], ...]:
    """The modalities that are not shipped: another process has to add them as well."""
    return tuple(modality for modality in MODALITIES.values() if modality not in SHIPPED)


def add_missing(others: Iterable[Modality[Any, Any, Any]]) -> None:
    """Add what another process has added (`added`), and this one has not."""
    for modality in others:
        if modality.name not in MODALITIES:
            add(modality)


__all__ = ["MODALITIES", "SHIPPED", "Modality", "add", "add_missing", "added", "modality_of", "remove"]
