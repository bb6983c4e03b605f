"""Labels of samples, one class number or several each, and the array that holds them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import Listing
from crosspath.errors import InputError

Label = int | tuple[int, ...]


def label_of(numbers: Sequence[int], multi_label: bool, where: object) -> Label:
    """The label of an item for which a table gives these class numbers; repeated ones count once.

    Raises
    ------
    InputError
        For several numbers or none in a set with one label for each sample.
    """
    labels = tuple(sorted(set(numbers)))
    if multi_label:
        return labels
    if len(labels) != 1:
        todo = "correct it, or set data.multi_label=true if several are meant"
        raise InputError(where, "one label", ", ".join(map(str, labels)) or "none", todo)
    return labels[0]


def as_label_tuples(listing: Listing) -> Listing:
    """The same samples, with a tuple of labels each."""
    items = (
        replace(item, label=item.label if isinstance(item.label, tuple) else (item.label,)) for item in listing.items
    )
    return replace(listing, items=tuple(items))


def label_array(labels: Sequence[Label | list[int]], classes: int) -> NDArray[np.int64] | NDArray[np.uint8]:
    """Class numbers int64 (N,); for tuples of labels, a uint8 indicator matrix (N, K)."""
    if not any(isinstance(label, tuple | list) for label in labels):
        return np.array(labels, np.int64)
    indicator_NK = np.zeros((len(labels), classes), np.uint8)
    for row, label in enumerate(labels):
        indicator_NK[row, np.array(label, np.int64, ndmin=1)] = 1
    return indicator_NK


def classes_without_samples(labels: NDArray[np.int64] | NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Numbers of the classes that no sample has."""
    if labels.ndim == 1:
        return np.setdiff1d(np.arange(classes), labels)
    return np.flatnonzero(~labels.any(axis=0))
