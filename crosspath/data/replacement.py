"""Replaces a damaged sample by the next readable one, for sets that are decoded during training."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from crosspath.data.items import DamageError, Item, place_of
from crosspath.errors import InputError

IN_A_ROW = 100
"""Damaged files in a row after which the folder or disk is assumed to be gone."""

Sample = TypeVar("Sample")


def first_readable(
    items: Sequence[Item], row: int, read: Callable[[int], Sample], report_damage: Callable[[int, str], None]
) -> tuple[int, Sample]:
    """(row, `read(row)`) of the first sample from `row` on that can be read, starting again at 0 after the last one.
    `report_damage` is called with (row, reason) for each one that is skipped.

    Raises
    ------
    InputError
        When `IN_A_ROW` samples, or all of them, cannot be read.
    """
    for step in range(min(len(items), IN_A_ROW)):
        place = (row + step) % len(items)
        try:
            return place, read(place)
        except (DamageError, OSError) as error:
            report_damage(place, str(error))
    damage = f"{min(len(items), IN_A_ROW)} damaged files in a row"
    raise InputError(place_of(items[row]), "a readable file here or next to it", damage, "check the disk")
