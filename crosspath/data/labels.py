"""Labels of samples: one class number each, or several; and the array that holds them all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import Listing
from crosspath.errors import InputError

Label = int | tuple[int, ...]


def label_of(numbers: Sequence[int], multi_label: bool, where: object) -> Label:
    """The label of an item whose table names these class numbers, each of which counts once.

    Raises
    ------
    InputError
        At `where`, for several numbers or none in a set with one label a sample.
    """
    found = tuple(sorted(set(numbers)))
    if multi_label:
        return found
    if len(found) != 1:
        shown = ", ".join(map(str, found)) or "none"
        raise InputError(where, "one label", shown, "correct it, or set data.multi_label=true where several are meant")
    return found[0]


def as_label_tuples(listing: Listing) -> Listing:
    """The same samples, each with a tuple of labels."""
    items = (
        replace(item, label=item.label if isinstance(item.label, tuple) else (item.label,)) for item in listing.items
    )
    return replace(listing, items=tuple(items))


def label_array(labels: Sequence[Label | list[int]], classes: int) -> NDArray[np.int64] | NDArray[np.uint8]:
    """Class numbers int64 (N,); where a sample may have several, uint8 (N, K) of 0 and 1."""
    if not any(isinstance(label, tuple | list) for label in labels):
        return np.array(labels, np.int64)
    several_NK = np.zeros((len(labels), classes), np.uint8)
    for row, label in enumerate(labels):
        several_NK[row, np.array(label, np.int64, ndmin=1)] = 1
    return several_NK


def classes_without_samples(labels: NDArray[np.int64] | NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """The classes that no sample has."""
    if labels.ndim == 1:
        return np.setdiff1d(np.arange(classes), labels)
    return np.flatnonzero(~labels.any(axis=0))
