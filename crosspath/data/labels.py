"""Labels of samples, and the array that holds them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data.section import DataSection, LabelKind
from crosspath.data.boxes import CLASS, box_array
from crosspath.data.examples import Labels
from crosspath.data.items import Label, Listing
from crosspath.errors import InputError


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


def label_settings(section: DataSection) -> dict[str, Any]:
    """The settings on which a listing's labels depend, for the key of the cache."""
    settings: dict[str, Any] = {}
    if section.label_kind != "classes":
        settings["label_kind"] = section.label_kind
    if section.several_labels:
        settings["multi_label"] = True
    if section.label_columns is not None:
        settings["label_columns"] = list(section.label_columns)
    return settings


def label_array(labels: Sequence[Label | list[Any]], classes: int, kind: LabelKind = "classes") -> Labels:
    """The labels of all samples as one array, whose first axis is the samples: see `crosspath.data.examples.Labels`."""
    if kind == "numbers":
        return np.array(labels, np.float32).reshape(len(labels), classes)
    if kind == "boxes":
        boxes: Sequence[Any] = labels
        return box_array(boxes)
    if not any(isinstance(label, tuple | list) for label in labels):
        return np.array(labels, np.int64)
    indicator_NK = np.zeros((len(labels), classes), np.uint8)
    for row, label in enumerate(labels):
        indicator_NK[row, np.array(label, np.int64, ndmin=1)] = 1
    return indicator_NK


def strata_of(labels: Labels) -> NDArray[np.int64]:
    """The stratum of each sample (N,): its class; one for all where samples have no one class."""
    return labels.astype(np.int64) if labels.ndim == 1 else np.zeros(len(labels), np.int64)


def classes_without_samples(labels: Labels, classes: int, kind: LabelKind = "classes") -> NDArray[np.int64]:
    """Numbers of the classes that no sample has. Whole samples have no class where their parts or boxes have."""
    if kind == "boxes":
        return np.setdiff1d(np.arange(classes), labels[..., CLASS])
    if kind != "classes":
        return np.zeros(0, np.int64)
    if labels.ndim == 1:
        return np.setdiff1d(np.arange(classes), labels)
    return np.flatnonzero(~labels.any(axis=0))
