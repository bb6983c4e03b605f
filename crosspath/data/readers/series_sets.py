"""Sets of time series in few files: the UEA and UCR archives' `.ts`, and a table or archive with all series."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from crosspath.config.data import SeriesData
from crosspath.data.class_names import UNLABELLED_CLASS, class_labels, class_notes, class_order
from crosspath.data.folders import folder_below
from crosspath.data.items import DamageError, Item, Label, Listing, Part, file_stamp
from crosspath.data.label_cells import cell_labels, label_columns, number_of, reads_cells
from crosspath.data.readers.series_arrays import channels_first, read_arrays
from crosspath.data.readers.series_tables import Entry, read_entries
from crosspath.data.readers.series_ts import TsFile, read_ts
from crosspath.data.readers.series_values import Signal
from crosspath.data.table_rows import part_of
from crosspath.data.tables import numbers_note
from crosspath.errors import InputError

PARTS: tuple[tuple[str, Part], ...] = (("_TRAIN", "train"), ("_TEST", "test"))
ARCHIVE_FOLDER = "uea_ucr"
PROBLEMS = {"plaid": "PLAID", "vowels": "JapaneseVowels", "motions": "BasicMotions"}
"""Names in the archive, by `data.dataset`."""
NAMES = (("X", "y", None), ("X_train", "y_train", "train"), ("X_val", "y_val", "val"), ("X_test", "y_test", "test"))
"""Of the arrays in an `.npz` file with a set: series, labels, and their part."""
Files = Sequence[tuple[Path, Part]]


def problem_files(name: str, root: Path) -> Files:
    """The two files of a problem of the archive, below `uea_ucr` in the data root. Raises `InputError`."""
    folder = folder_below(root, ARCHIVE_FOLDER, f"{name}/{name}_TRAIN.ts and {name}_TEST.ts") / name
    files = [(folder / f"{name}{ending}.ts", part) for ending, part in PARTS]
    for path, _ in files:
        if not path.is_file():
            raise InputError(path, "the file of the archive", "none", "`crosspath data show uea_ucr` says where it is")
    return files


PUBLISHED_SETS: dict[str, Callable[[Path], Files]] = {
    dataset: partial(problem_files, name) for dataset, name in PROBLEMS.items()
}
"""Functions of the data root, by `data.dataset`."""


def archive_files(folder: Path) -> Files:
    """The `.ts` files directly in a folder, with their parts: `<name>_TRAIN.ts` and `<name>_TEST.ts`, or one alone.

    Raises
    ------
    InputError
        For other files beside them.
    """
    paths = sorted(path for path in folder.glob("*.ts") if path.is_file()) if folder.is_dir() else []
    if not paths:
        return ()
    parts = {path: next((part for ending, part in PARTS if path.stem.upper().endswith(ending)), None) for path in paths}
    stems = {path.stem[: -len("_TRAIN" if part == "train" else "_TEST")] for path, part in parts.items() if part}
    if len(paths) == 1 and None in parts.values():
        return [(paths[0], None)]
    if len(stems) != 1 or None in parts.values() or "train" not in parts.values() or len(paths) > 2:
        found = ", ".join(path.name for path in paths[:4])
        expected = "NAME_TRAIN.ts and NAME_TEST.ts, or one .ts file"
        raise InputError(folder, expected, found, "move other sets into folders of their own")
    return [(path, parts[path]) for path in sorted(paths, key=lambda path: parts[path] == "test")]


def is_archive(folder: Path) -> bool:
    """Whether a folder holds `.ts` files of the archives rather than films, which have the same suffix."""
    if not folder.is_dir():
        return False
    path = next((path for path in sorted(folder.glob("*.ts")) if path.is_file()), None)
    if path is None:
        return False
    with path.open("rb") as file:
        return file.read(1) in (b"#", b"@", b"\xef")


def list_ts(files: Files, section: SeriesData) -> Listing:
    """The cases of `.ts` files of one set. Raises `InputError`, also for files of different classes, and for classes
    where numbers are asked for."""
    contents: list[tuple[Path, Part, TsFile]] = [(path, part, read_ts(path, section.encoding)) for path, part in files]
    first = contents[0][2]
    numbers = section.label_kind == "numbers"
    for path, _, content in contents:
        if content.numbers != numbers and (numbers or content.numbers):
            expected, found = "a set of classes", "@targetLabel true, numbers"
            todo = "add --set objective=regression"
            if numbers:
                expected, found, todo = "@targetLabel true, numbers", "classes, or no labels", "leave the objective out"
            raise InputError(path, expected, found, todo)
    for path, _, content in contents[1:]:
        if set(content.classes) != set(first.classes):
            found = f"{', '.join(content.classes)}, and {', '.join(first.classes)} in {contents[0][0].name}"
            raise InputError(path, "the same classes in both files", found, "correct @classLabel")
    classes = tuple(class_order(first.classes, files[0][0])) or (UNLABELLED_CLASS,)
    items = []
    for path, part, content in contents:
        stamp = file_stamp(path)
        for number, case in enumerate(content.cases):
            label: Label = 0 if case.label is None else classes.index(case.label) if not numbers else ()
            if numbers:
                label = (number_of(case.label, section.label_column, f"{path} row {case.row}"),)
            name = f"{path.stem}-{number:05d}"
            items.append(Item(id=name, label=label, part=part, path=path, inside=number, stamp=stamp))
    if numbers:
        return Listing((section.label_column,), tuple(items), label_kind="numbers")
    return Listing(classes, tuple(items))


def list_table(path: Path, section: SeriesData) -> Listing:
    """The series of `data.table`. Raises `InputError`, with the row where there is one."""
    if not path.is_file():
        raise InputError(path, "the table of data.table", "none", "check data.folder and data.table")
    try:
        entries = _entries(path, section)
    except DamageError as damage:
        raise InputError(path, "a table of time series", str(damage), "correct the table or the setting") from None
    if not entries:
        raise InputError(path, "series", "none", "add rows to the table")
    rows = [entry.row for entry in entries]
    labels: Sequence[Label]
    notes: tuple[str, ...]
    classes: Sequence[str]
    if reads_cells(section):
        of_columns = zip(*(cast(tuple[str, ...], entry.label) for entry in entries), strict=True)
        cells = dict(zip(_names(section, entries[0]), of_columns, strict=True))
        classes, labels = cell_labels(section, cells, rows, path)
        notes = (numbers_note(path.name, classes),) if section.label_kind == "numbers" else ()
    else:
        texts = [str(entry.label or "") for entry in entries]
        labels, classes = class_labels(texts, rows, section.label_column, path, section.several_labels)
        notes = class_notes(texts, classes, section.several_labels)
    stamp = file_stamp(path)
    items = tuple(
        Item(
            id=entry.name,
            label=label,
            part=None if entry.part is None else part_of(entry.part, path, entry.row),
            path=path,
            inside=number,
            stamp=stamp,
        )
        for number, (entry, label) in enumerate(zip(entries, labels, strict=True))
    )
    return Listing(
        tuple(classes), items, notes=(*notes, *_unread_settings(path, section)), label_kind=section.label_kind
    )


def _unread_settings(path: Path, section: SeriesData) -> list[str]:
    """Notes on settings of files with one series each, which a table with all of them has not."""
    defaults = type(section).model_fields
    names = ("file_column", "array", *(() if path.suffix.lower() == ".npz" else ("axes",)))
    values = {name: getattr(section, name) for name in names}
    return [
        f"data.{name}={value} is not read: {path.name} holds all series"
        for name, value in values.items()
        if value != defaults[name].default
    ]


def _names(section: SeriesData, entry: Entry) -> tuple[str, ...]:
    """The columns of labels; of an array of several without names they are numbered."""
    count = len(entry.label or ())
    if section.label_columns is not None or count == 1:
        return label_columns(section, section.label_column)
    return tuple(f"{section.label_column} {number}" for number in range(count))


def read_all(path: Path, section: SeriesData) -> list[Signal]:
    """The series of a file with several, in the order of its listing. Raises `DamageError` and `InputError`."""
    if path.suffix.lower() == ".ts":
        return [Signal(case.values_CT) for case in read_ts(path, section.encoding).cases]
    return [entry.signal for entry in _entries(path, section)]


def _entries(path: Path, section: SeriesData) -> list[Entry]:
    if path.suffix.lower() != ".npz":
        return read_entries(path, section)
    arrays = read_arrays(path)
    entries = []
    for series, labels, part in NAMES:
        if series not in arrays:
            continue
        if labels not in arrays:
            raise DamageError(f"expected an array {labels} beside {series}, found {', '.join(arrays)}")
        entries += _of_arrays(series, arrays[series], arrays[labels], part, section)
    if not entries:
        raise DamageError(f"expected arrays X and y, or X_train and y_train, found {', '.join(arrays) or 'none'}")
    return entries


def _of_arrays(
    name: str, series: NDArray[Any], labels: NDArray[Any], part: str | None, section: SeriesData
) -> list[Entry]:
    if series.ndim not in (2, 3):
        expected = "(series, time), (series, channel, time) or (series, time, channel)"
        raise DamageError(f"expected {name} of shape {expected}, found {series.shape}")
    names: list[Any]
    found = f"{labels.dtype} of shape {labels.shape}"
    if reads_cells(section):
        columns = len(section.label_columns or ()) or (labels.shape[1] if labels.ndim == 2 else 1)
        if labels.shape not in {(len(series), columns), *([(len(series),)] if columns == 1 else [])}:
            raise DamageError(f"expected {len(series)} x {columns} numbers as labels of {name}, found {found}")
        if labels.dtype.kind not in "iufb":
            raise DamageError(f"expected numbers as labels of {name}, found {found}")
        names = [tuple(row) for row in labels.reshape(len(series), columns).tolist()]
    else:
        if labels.shape != (len(series),) or labels.dtype.kind not in "iuUSb":
            raise DamageError(f"expected {len(series)} whole numbers or names as labels of {name}, found {found}")
        names = [label.decode() if isinstance(label, bytes) else str(label) for label in labels.tolist()]
    # One channel has no axis of its own to be taken for time.
    signals = [channels_first(one, section) for one in series]
    return [
        Entry(f"{name}-{number:05d}", number, label, part, Signal(signal))
        for number, (signal, label) in enumerate(zip(signals, names, strict=True))
    ]
