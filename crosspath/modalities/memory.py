"""Data that the user holds in memory, decoded: arrays, scikit-learn's (X, y), PyTorch's and Hugging Face's data sets.

What a sample may be is the modality's: what its reader's `decode_object` takes, decoded as a file with it would be.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.data import DataSection
from crosspath.data.cache import Store
from crosspath.data.class_names import UNLABELLED_CLASS, numbers_first
from crosspath.data.examples import Labels
from crosspath.data.items import DamageError, Part, Reader, remarks_of
from crosspath.data.label_cells import cell_labels
from crosspath.data.labels import label_array
from crosspath.errors import InputError
from crosspath.modalities.memory_forms import PartData, parts_of, read_part
from crosspath.modalities.table import modality_of


def is_in_memory(data: object) -> bool:
    """Whether `data` is no path."""
    return data is not None and not isinstance(data, str | os.PathLike)


def path_only(data: object, verb: str) -> Path | None:
    """`data` as a path. Raises `InputError` for data in memory, which `verb` does not take."""
    if is_in_memory(data):
        todo = "write the samples into class folders, and name their folder"
        raise InputError("data", f"a folder, for {verb}", f"a {type(data).__name__} in memory", todo)
    return None if data is None else Path(str(data))


def memory_store(section: DataSection, data: Any, classes: tuple[str, ...] | None = None) -> Store:
    """The samples and labels of `data`, decoded. `classes` are a trained model's, which the labels must be among.

    `data` is (X, y), X alone (without labels), a map-style `torch.utils.data.Dataset` of (sample, label), a Hugging
    Face `Dataset`, scikit-learn's `Bunch`, or a mapping of parts (`train`, `validation`, `test`) to any of these.
    Without parts the usual fixed split is drawn.

    Raises
    ------
    InputError
        For data of another form, samples that the modality does not read, labels that are no classes, and samples that
        differ when they are read twice.
    """
    if section.stream:
        raise InputError("data.stream", "false, for data in memory", "true", "set data.stream=false")
    if section.annotated or section.label_kind == "boxes":
        todo = "write samples and annotations into folders, and name their folder"
        raise InputError("data", "a folder, for annotated samples", "data in memory", todo)
    parts = parts_of(data)
    columns = (section.modality, *modality_of(section).columns)
    every = {part: read_part(columns, value, name) for part, (name, value) in parts.items()}
    own, labels = _classes(section, every, classes)
    count = sum(len(entry.samples) for entry in every.values())
    samples = [sample for entry in every.values() for sample in _with_indices(entry.samples)]
    inputs, remarks = _decode(section, samples, count)
    names = [part for part, entry in every.items() for _ in range(len(entry.samples))]
    digest = hashlib.sha256(np.ascontiguousarray(inputs).data)
    digest.update(json.dumps([own, [str(part) for part in names], labels.tolist()]).encode())
    ids = tuple(f"{part or 'sample'}-{number:06d}" for number, part in enumerate(names))
    return Store(
        inputs=inputs,
        labels=labels,
        parts=tuple(names),
        ids=ids,
        classes=own,
        damaged_files=(),
        digest=digest.hexdigest(),
        notes=remarks,
    )


def in_memory_section(section: DataSection, store: Store) -> DataSection:
    """The recipe's `data` section for such a set: nothing of the set that the recipe names is left."""
    return section.model_copy(update={"memory": store.digest, "folder": None, "classes": None, "train_samples": None})


def decode_object(
    section: DataSection, value: Any, where: object = "data", reader: Reader | None = None
) -> NDArray[Any]:
    """One sample in memory as the modality's reader would decode its file. Raises `InputError` for what it is not.

    `reader` is one that counts what it does to several samples.
    """
    modality = modality_of(section)
    reader = reader or _reader(section)
    decode = getattr(reader, "decode_object", None)
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    try:
        if reader is not None and decode is not None:
            return np.ascontiguousarray(decode(value), reader.sample[1])
        return _plain_array(section, value)
    except DamageError as damage:
        expected = f"what {modality.name} data can be"
        raise InputError(where, expected, str(damage), "reshape or scale the samples") from None


def decode_with_remarks(section: DataSection, value: Any, where: object) -> tuple[NDArray[Any], tuple[str, ...]]:
    """`decode_object`, and what reading did to the sample."""
    reader = _reader(section)
    sample = decode_object(section, value, where, reader)
    return sample, () if reader is None else remarks_of(reader)


def _plain_array(section: DataSection, value: Any) -> NDArray[Any]:
    """A sample of a modality whose reader takes no objects: prepared already, in the shape that the model reads."""
    modality = modality_of(section)
    shape, array = tuple(modality.sample_shape(section)), np.asarray(value)
    if array.shape != shape or array.dtype.kind not in "iufb":
        raise DamageError(f"expected numbers of shape {shape}, found {array.dtype} of shape {array.shape}")
    if modality.discrete is None:
        return array.astype(np.float32)
    tokens, vocabulary = array.astype(np.int64), modality.discrete.vocabulary(section)
    if (tokens != array).any() or tokens.min() < 0 or tokens.max() >= vocabulary:
        raise DamageError(f"expected token numbers from 0 to {vocabulary - 1}, found {array.min()} to {array.max()}")
    return tokens


def _reader(section: DataSection) -> Reader | None:
    make = modality_of(section).reader
    return None if make is None else make(section)


def _decode(
    section: DataSection, samples: list[tuple[Sequence[Any], int]], count: int
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The samples, and what reading did to them."""
    if not count:
        raise InputError("data", "samples", "none", "pass some")
    rows: NDArray[Any] | None = None
    reader = _reader(section)
    for row, (source, index) in enumerate(samples):
        where = f"data, sample {index}"
        sample = decode_object(section, source[index], where, reader)
        if rows is not None and sample.shape != rows.shape[1:]:
            found = f"{tuple(sample.shape)}, and {tuple(rows.shape[1:])} of the first"
            raise InputError(where, "samples of one shape", found, "pass samples that agree")
        if rows is None:
            if not np.array_equal(sample, decode_object(section, source[index], where), equal_nan=True):
                todo = "pass the data without random transforms; augment.* of the recipe alters them in training"
                raise InputError(where, "the same sample whenever it is read", "another one", todo)
            rows = np.empty((count, *sample.shape), sample.dtype)
        rows[row] = sample
    assert rows is not None
    return rows, () if reader is None else remarks_of(reader)


def _with_indices(samples: Sequence[Any]) -> Iterator[tuple[Sequence[Any], int]]:
    return ((samples, index) for index in range(len(samples)))


def _classes(
    section: DataSection, parts: Mapping[Part, PartData], classes: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Labels]:
    """The names of the classes, and the labels by their numbers; or of the columns of numbers."""
    bare_parts = [part for part in parts.values() if part.labels is None]
    if len(bare_parts) == len(parts) and classes is None:
        return (UNLABELLED_CLASS,), np.zeros(sum(len(part.samples) for part in bare_parts), np.int64)
    if bare_parts:
        raise InputError("data", "labels", "samples alone", "pass (X, y), or items of (sample, label)")
    if section.label_kind == "numbers":
        return _numbers(section, parts, classes)
    indicators = section.several_labels and _are_indicators(parts)
    values = [_name(section, label, part.names, indicators) for part in parts.values() for label in _all(part.labels)]
    names = next((part.names for part in parts.values() if part.names is not None), None)
    every = {name for value in values for name in (value if isinstance(value, tuple) else (value,))}
    own = classes or names or tuple(sorted(every, key=numbers_first))
    unknown = sorted(every - set(own))
    if unknown:
        expected = f"labels among {', '.join(own[:5])}{', …' if len(own) > 5 else ''}"
        raise InputError("data", expected, ", ".join(unknown[:5]), "name the classes as the model does")
    numbers = {name: number for number, name in enumerate(own)}
    return own, label_array(
        [tuple(numbers[n] for n in value) if isinstance(value, tuple) else numbers[value] for value in values], len(own)
    )


def _numbers(
    section: DataSection, parts: Mapping[Part, PartData], classes: tuple[str, ...] | None
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The names of the columns, and the numbers float32 (N, K). Raises `InputError` for anything else."""
    values = [
        label.detach().cpu().numpy() if isinstance(label, Tensor) else label
        for part in parts.values()
        for label in _all(part.labels)
    ]
    sizes = {np.size(value) for value in values}
    if len(sizes) != 1 or any(np.ndim(value) > 1 for value in values):
        found = f"{min(sizes)} to {max(sizes)} of them" if len(sizes) > 1 else "arrays of several axes"
        raise InputError("data", "as many numbers for each sample", found, "pass y of shape (N,) or (N, columns)")
    count = sizes.pop()
    part_names = next((part.names for part in parts.values() if part.names is not None), None)
    default_names = ("label",) if count == 1 else tuple(f"label {number}" for number in range(count))
    names = classes or section.label_columns or part_names or default_names
    if len(names) != count:
        raise InputError("data", f"numbers for {', '.join(names)}", f"{count} for each sample", "pass one for each")
    cells = {name: [np.ravel(value)[place] for value in values] for place, name in enumerate(names)}
    columns = section.model_copy(update={"label_columns": names})
    _, labels = cell_labels(columns, cells, range(len(values)), Path("data"))
    return names, np.array(labels, np.float32)


def _all(labels: Sequence[Any] | None) -> Sequence[Any]:
    return () if labels is None else labels


def _are_indicators(parts: Mapping[Part, PartData]) -> bool:
    """Whether lists of labels are vectors of 0 and 1, one entry a class, rather than lists of classes.

    Raises
    ------
    InputError
        For lists of a single 0 or 1 each, which may be either.
    """
    lists = [label for part in parts.values() for label in _all(part.labels) if _is_list(label)]
    lengths = {len(label) for label in lists}
    class_count = next((len(part.names) for part in parts.values() if part.names is not None), None)
    if len(lengths) != 1 or class_count not in (None, *lengths):
        return False
    if not all(map(_holds_marks, lists)):
        return False
    if lengths == {1} and class_count is None and all(isinstance(label, list | tuple) for label in lists):
        todo = "pass y of shape (N, classes) as an array, or one class number for each sample"
        raise InputError("data", "vectors of 0 and 1, or lists of classes", "lists of a single 0 or 1", todo)
    return True


def _holds_marks(label: Any) -> bool:
    """Whether a list has no values but 0 and 1."""
    values = np.asarray(label.detach().cpu() if isinstance(label, Tensor) else label)
    return values.dtype.kind in "biuf" and bool(((values == 0) | (values == 1)).all())


def _is_list(label: Any) -> bool:
    return isinstance(label, np.ndarray | list | tuple | Tensor) and np.ndim(label) > 0


def _name(section: DataSection, label: Any, names: tuple[str, ...] | None, indicators: bool) -> str | tuple[str, ...]:
    """The class that a label names; of a sample with several labels, all of them."""
    if isinstance(label, Tensor):
        label = label.detach().cpu().numpy()
    if not _is_list(label):
        one = _class_name(label, names)
        return (one,) if section.several_labels else one
    if not section.several_labels:
        todo = "pass one class number or name for each sample"
        raise InputError("data", "one label a sample", f"{len(label)} values", todo)
    return tuple(_class_name(one, names) for one in (np.flatnonzero(label) if indicators else label))


def _class_name(label: Any, names: tuple[str, ...] | None) -> str:
    value = label.item() if isinstance(label, np.ndarray | np.generic) else label
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int | str):
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if names is not None and number is not None:
            if not 0 <= number < len(names):
                raise InputError("data", f"labels from 0 to {len(names) - 1}", str(number), "correct the labels")
            return names[number]
        return str(value)
    raise InputError(
        "data",
        "labels that are class numbers or names",
        repr(value)[:100],
        "pass classes, or predict numbers with objective=regression",
    )
