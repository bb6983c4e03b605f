"""The forms in which data in memory come: in parts or whole, as arrays, items or columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from crosspath.counts import quantity
from crosspath.data.items import PART_NAMES, Part
from crosspath.errors import InputError

LABELS = ("label", "labels", "target", "class", "y")
"""Columns that hold the label; of two columns the other one is the sample."""


@dataclass(frozen=True)
class PartData:
    """One part of the data, not decoded yet."""

    samples: Sequence[Any]
    labels: Sequence[Any] | None
    names: tuple[str, ...] | None
    """Of the classes, where the data state them; a label is then an index."""


def parts_of(data: Any) -> dict[Part, tuple[str, Any]]:
    """{part: (its name as given, its data)}; one part, None, for data without parts."""
    if not isinstance(data, Mapping) or {"data", "target"} <= data.keys():
        return {None: ("data", data)}
    parts: dict[Part, tuple[str, Any]] = {}
    for name, value in data.items():
        part = PART_NAMES.get(str(name).lower())
        if part is None or part in parts:
            expected = "each of train, validation and test at most once"
            raise InputError("data", expected, repr(name), "rename it, or pass one of the parts")
        parts[part] = (str(name), value)
    if not parts:
        raise InputError("data", "samples", "an empty mapping", "pass some")
    return parts


class Column(Sequence[Any]):
    """One entry of every item of a data set, read when asked for."""

    def __init__(self, items: Any, key: Any) -> None:
        self.items, self.key = items, key

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index][self.key]


def read_part(columns: Sequence[str], data: Any, where: str) -> PartData:
    """One part in whichever form it was given; `columns` may hold its samples, the likeliest first. Raises
    `InputError`, naming `where`, for any other form.
    """
    if isinstance(data, Mapping):  # scikit-learn's Bunch, whose data are pictures laid out in rows
        names = data.get("target_names")
        names = None if names is None else tuple(str(name) for name in names)
        return _check_lengths(PartData(data.get("images", data["data"]), data["target"], names), where)
    if isinstance(data, tuple) and len(data) == 2:
        names = getattr(data[1], "columns", None)  # of a data frame
        samples, labels = (getattr(value, "to_numpy", lambda value=value: value)() for value in data)  # pandas'
        return _check_lengths(PartData(samples, labels, None if names is None else tuple(map(str, names))), where)
    is_indexable = getattr(data, "__len__", None) is not None and getattr(data, "__getitem__", None) is not None
    if not is_indexable or isinstance(data, str | bytes):
        expected = "(X, y), a data set with a length and items, or {part: any of these}"
        raise InputError(where, expected, f"a {type(data).__name__}", "pass one of these, or the path of a folder")
    if not len(data) or isinstance(data, np.ndarray | Tensor):
        return PartData(data, None, None)
    first = data[0]
    if isinstance(first, Mapping):
        return _from_columns(columns, data, first, where)
    if isinstance(first, tuple | list):
        if len(first) != 2:
            # Of more, which one is the label is not said: of torchaudio's the second is the rate.
            todo = "wrap the set so that it returns both, and no more"
            raise InputError(where, "items of (sample, label)", quantity(len(first), "entry", "entries"), todo)
        return PartData(Column(data, 0), [data[row][1] for row in range(len(data))], _class_names(data))
    return PartData(data, None, None)


def _from_columns(columns: Sequence[str], data: Any, first: Mapping[str, Any], where: str) -> PartData:
    """Items that are mappings, as those of Hugging Face's data sets."""
    label = next((name for name in LABELS if name in first), None)
    sample = next((name for name in (*columns, "x", "sample") if name in first), None)
    others = [name for name in first if name != label]
    if sample is None and len(others) == 1:
        sample = others[0]
    if sample is None:
        found = f"the columns {', '.join(map(str, first))}"
        todo = f"rename them to {columns[0]} and label, and leave the others out"
        raise InputError(where, f"a column {columns[0]}, and one called label", found, todo)
    if label is None:
        return PartData(Column(data, sample), None, None)
    features = getattr(data, "features", None) or {}
    feature = features.get(label)
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    # A column of a Hugging Face data set is read without decoding the others.
    by_column = getattr(data, "column_names", None) is not None
    labels = list(data[label]) if by_column else [data[row][label] for row in range(len(data))]
    return PartData(Column(data, sample), labels, None if names is None else tuple(names))


def _class_names(data: Any) -> tuple[str, ...] | None:
    """The names that a data set of torchvision states, also through subsets of it."""
    names = getattr(data, "classes", None)
    while names is None and (data := getattr(data, "dataset", None)) is not None:
        names = getattr(data, "classes", None)
    return tuple(map(str, names)) if isinstance(names, list | tuple) else None


def _check_lengths(part: PartData, where: str) -> PartData:
    lengths = [len(part.samples), len(part.samples if part.labels is None else part.labels)]
    if lengths[0] != lengths[1]:
        found = f"{lengths[0]} samples and {lengths[1]} labels"
        raise InputError(where, "as many labels as samples", found, "pass (X, y) of one length")
    return part
