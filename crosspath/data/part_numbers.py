"""Which parts the clouds of a set have, category by category."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crosspath.data.annotations import MOST_CLASSES
from crosspath.data.examples import Examples

AT_ONCE = 256
"""Clouds whose parts are looked through at a time."""


def part_numbers(examples: Examples) -> tuple[tuple[int, ...], ...]:
    """The part numbers that occur in each category, in ascending order; empty for a category without samples."""
    numbers_by_category: dict[int, set[int]] = {}
    for _, category, numbers in parts_of_samples(examples):
        numbers_by_category.setdefault(category, set()).update(numbers.tolist())
    return tuple(
        tuple(sorted(numbers_by_category.get(category, ())))
        for category in range(max(numbers_by_category, default=-1) + 1)
    )


def parts_of_samples(examples: Examples) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    """(name, category, part numbers that occur) of every annotated cloud."""
    for start in range(0, len(examples), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(examples)))
        for row, cloud in zip(rows.tolist(), examples.inputs[rows], strict=True):
            numbers = np.unique(cloud[:, -1]).astype(np.int64)
            yield examples.ids[row], int(examples.labels[row]), numbers[numbers < MOST_CLASSES]
