"""Another sample in the place of a damaged one, for sets whose files are first read while a run goes on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from crosspath.data.items import DamageError, Item, place_of
from crosspath.errors import InputError

IN_A_ROW = 100
"""Damaged files one after the other that are no longer believed: their folder has gone, or their disk."""

Sample = TypeVar("Sample")


def first_readable(
    items: Sequence[Item], row: int, read: Callable[[int], Sample], damaged: Callable[[int, str], None]
) -> tuple[int, Sample]:
    """The number of the first sample from `row` on that `read` can read, and what came of it; the first sample follows
    the last. `damaged` is told the number of each one that is passed over, and the reason.

    Raises
    ------
    InputError
        When `IN_A_ROW` samples, or all that there are, cannot be read.
    """
    for step in range(min(len(items), IN_A_ROW)):
        place = (row + step) % len(items)
        try:
            return place, read(place)
        except (DamageError, OSError) as damage:
            damaged(place, str(damage))
    found = f"{min(len(items), IN_A_ROW)} damaged ones in a row"
    raise InputError(place_of(items[row]), "a readable file here or next to it", found, "check that the disk is there")
