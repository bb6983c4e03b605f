"""What a data set lists before anything is decoded: one item a sample, and how to tell that a file has changed."""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crosspath.errors import InputError

Part = Literal["train", "val", "test"] | None
"""None: the set does not say; `splits.py` decides."""
PARTS = ("train", "val", "test")
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a table's split column may hold."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sample to be decoded."""

    id: str
    """Its name inside the set, the same on every machine."""
    label: int
    part: Part
    path: Path
    inside: str | int | tuple[int, int] | None = None
    """A member of a zip, a row of an array, or a frame range [start, stop) of a clip."""
    stamp: str
    """Changes when the file does."""


@dataclass(frozen=True)
class Listing:
    """All samples of a set."""

    classes: tuple[str, ...]
    items: tuple[Item, ...]


class DamageError(Exception):
    """A file is damaged; the message says how. Caught where files are decoded, and turned into an account."""


class Reader(Protocol):
    """Reads one modality: which samples there are, and the pixels, frames or points of one."""

    def listing(self, folder: Path) -> Listing:
        """Every sample of the set at `folder`. Raises `InputError` for what the user can mend."""

    def opened(self) -> AbstractContextManager[Callable[[Item], NDArray[Any]]]:
        """A decoder of items in the cached sample type; raises `DamageError`."""

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One file of the user's own, in the cached sample type; raises `DamageError`."""

    @property
    def sample(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of a decoded sample."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes what decoding gives."""


def file_stamp(path: Path) -> str:
    """Size and time of a file."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def class_folder_items(folder: Path, suffixes: tuple[str, ...], kind: str) -> Listing:
    """`folder/<class>/files`, or the same below `train/`, `val/` and `test/`.

    Raises
    ------
    InputError
        For a missing folder, no class folders, or a class without files.
    """
    if not folder.is_dir():
        raise InputError(folder, f"a folder of class folders with {kind}", "none", "check data.folder")
    parts: dict[Part, Path] = {name: folder / name for name in PARTS if (folder / name).is_dir()}  # type: ignore[misc]
    if "train" not in parts:
        parts = {None: folder}
    classes = sorted({path.name for root in parts.values() for path in root.iterdir() if _visible_folder(path)})
    if not classes:
        raise InputError(
            folder, f"class folders with {kind}", "none", "put the files of each class into a folder of its own"
        )
    items = []
    for part, root in parts.items():
        for label, name in enumerate(classes):
            files = sorted(path for path in (root / name).rglob("*") if path.suffix.lower() in suffixes)
            if not files and part in ("train", None):
                raise InputError(root / name, f"{kind} ({', '.join(suffixes)})", "none", "fill the folder or remove it")
            for path in files:
                name_inside = path.relative_to(folder).as_posix()
                items.append(Item(id=name_inside, label=label, part=part, path=path, stamp=file_stamp(path)))
    return Listing(tuple(classes), tuple(items))


def table_items(
    folder: Path, table: str, file_column: str, label_column: str, split_column: str | None, below: str = ""
) -> Listing:
    """A csv with one row a file; file names are relative to `folder / below`. Classes sorted, numbers by value.

    Raises
    ------
    InputError
        For a missing table or column, a row that names a missing file, or an unknown split.
    """
    rows = list(read_table(folder / table, (file_column, label_column, *([split_column] if split_column else []))))
    classes = sorted({row[label_column] for _, row in rows}, key=lambda name: (not name.isdigit(), name.zfill(12)))
    items = []
    for line, row in rows:
        part: Part = None
        if split_column is not None:
            if row[split_column].lower() not in PART_NAMES:
                found = repr(row[split_column])
                raise InputError(f"{folder / table} row {line}", "train, val or test", found, "correct the split")
            part = PART_NAMES[row[split_column].lower()]
        path = existing(folder / below / row[file_column], folder / table, line)
        label = classes.index(row[label_column])
        items.append(Item(id=row[file_column], label=label, part=part, path=path, stamp=file_stamp(path)))
    return Listing(tuple(classes), tuple(items))


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number as an editor counts it, row) of a csv that has at least these columns."""
    if not path.is_file():
        raise InputError(path, "a csv file", "none", "check the data folder")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            found = ", ".join(reader.fieldnames or ()) or "no header"
            raise InputError(f"{path} row 1", f"a column {', '.join(missing)}", found, "name the columns of your table")
        for row in reader:
            if any(row[column] is None for column in columns):
                raise InputError(
                    f"{path} row {reader.line_num}", f"{len(reader.fieldnames or ())} values", "fewer", "complete it"
                )
            yield reader.line_num, row


def existing(path: Path, table: Path, line: int) -> Path:
    """The path, which a row of a table names. Raises `InputError` when it is not there."""
    if not path.is_file():
        raise InputError(
            f"{table} row {line}", "the name of a file", f"{path.name}, which is missing", "restore or remove it"
        )
    return path


def folder_below(root: Path, name: str, inside: str) -> Path:
    """The folder of a shipped set below the data root.

    Raises
    ------
    InputError
        When it is missing: what was expected inside, and what to do.
    """
    folder = root / name
    if not folder.is_dir():
        raise InputError(folder, f"a folder with {inside}", "none", "name its parent with --data DIR or CROSSPATH_DATA")
    return folder


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")
