"""What a data set lists before anything is decoded: one item a sample, and how to tell that a file has changed."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crosspath.config.training import Augment
from crosspath.errors import InputError

Part = Literal["train", "val", "test"] | None
"""None: the set does not say; `splits.py` decides."""
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a table's split column may hold, and the folders that are parts, in any case."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sample to be decoded."""

    id: str
    """Its name inside the set, the same on every machine."""
    label: int | tuple[int, ...]
    """A class number; where a sample may have several, all of them."""
    part: Part
    path: Path
    inside: str | int | tuple[int, int] | None = None
    """A member of a zip, a row of an array, a frame range [start, stop) of a clip, or, of a file whose name ends in
    `.tar`, a byte range."""
    address: str | None = None
    """Of a `.tar` that lies elsewhere; `path` is then its name only."""
    stamp: str
    """Changes when the file does."""


@dataclass(frozen=True)
class Listing:
    """All samples of a set."""

    classes: tuple[str, ...]
    items: tuple[Item, ...]
    left_out: tuple[tuple[Path, str], ...] = ()
    """Files that are missing or damaged, and how, where `data.skip_damaged` leaves them out."""


class DamageError(Exception):
    """A file is damaged; the message says how. Caught where files are decoded, and turned into an account."""


TrainingView = tuple[NDArray[Any], NDArray[np.float32] | None]
"""A sample as training sees it, and its targets (K,) where they were mixed with another's."""


class Reader(Protocol):
    """Reads one modality: which samples there are, and the pixels, frames or points of one."""

    def listing(self, folder: Path) -> Listing:
        """Every sample of the set at `folder`. Raises `InputError` for what the user can mend."""

    def sources(self, folder: Path) -> list[list[str]] | None:
        """Name and stamp of each file of the set, where listing its samples would mean opening them with a media
        reader; None where the listing says it all.
        """

    def opened(self) -> AbstractContextManager[Callable[[Item], NDArray[Any]]]:
        """A decoder of items in the cached sample type; raises `DamageError`."""

    def training_views(
        self, section: Augment, seed: int, epoch: int
    ) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
        """A decoder of (item, sample number) to what an epoch sees of it, for sets that are streamed."""

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One file of the user's own, in the cached sample type; raises `DamageError`."""

    @property
    def sample(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of a decoded sample."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes which samples there are and what decoding gives."""


def place_of(item: Item) -> Path:
    """The file of an item, or its member of an archive: what to name where something is wrong with it."""
    if isinstance(item.inside, str):
        return item.path / item.inside
    if item.path.suffix == ".tar" and isinstance(item.inside, tuple):
        return item.path / item.id.split(".tar/", 1)[1]
    return item.path


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
    parts: list[tuple[Part, Path]] = [
        (PART_NAMES[path.name.lower()], path)
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name.lower() in PART_NAMES
    ]
    if "train" not in dict(parts):
        parts = [(None, folder)]
    classes = sorted({path.name for _, root in parts for path in root.iterdir() if _visible_folder(path)})
    if not classes:
        raise InputError(
            folder, f"class folders with {kind}", "none", "put the files of each class into a folder of its own"
        )
    items = []
    for part, root in parts:
        for label, name in enumerate(classes):
            files = sorted(
                path
                for path in (root / name).rglob("*")
                if path.suffix.lower() in suffixes
                and not hidden(path.relative_to(root / name).parts)
                and path.is_file()
            )
            if not files and part in ("train", None):
                raise no_files(root / name, kind, suffixes)
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
        For a missing table or column, a row without a label, a row that names a missing file or one that was named
        before, or an unknown split.
    """
    rows = list(read_table(folder / table, (file_column, label_column, *([split_column] if split_column else []))))
    classes = sorted({row[label_column] for _, row in rows}, key=_numbers_first)
    items = []
    seen: dict[str, int] = {}
    for line, row in rows:
        if not row[label_column]:
            raise InputError(f"{folder / table} row {line}", f"a {label_column}", "none", "complete or remove the row")
        if row[file_column] in seen:
            # A file in two parts would be judged on what it was trained on.
            found = f"{row[file_column]}, named in row {seen[row[file_column]]} too"
            raise InputError(f"{folder / table} row {line}", "every file once", found, "remove one of the rows")
        seen[row[file_column]] = line
        part: Part = None
        if split_column is not None:
            part = part_of(row[split_column], folder / table, line)
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
        try:
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            missing = [column for column in columns if column not in names]
            if missing:
                found = ", ".join(names) or "no header"
                todo = "name the columns of your table"
                raise InputError(f"{path} row 1", f"columns {', '.join(missing)}", found, todo)
            line = 1
            for row in reader:
                line = reader.line_num
                if any(row[column] is None for column in columns):
                    raise InputError(f"{path} row {line}", f"{len(names)} values", "fewer", "complete it")
                yield line, {column: row[column].strip() for column in columns}
            if line == 1:
                raise InputError(f"{path} row 2", "a row for each file", "none", "fill the table")
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} row {reader.line_num}", "a csv in UTF-8", str(error), "save it as such") from None


def whole_number(row: Mapping[str, str], column: str, table: Path, line: int) -> int:
    """The row's number in that column. Raises `InputError` naming the row."""
    try:
        return int(row[column])
    except ValueError:
        raise InputError(
            f"{table} row {line}", f"a whole number in `{column}`", repr(row[column]), "correct it"
        ) from None


def part_of(name: str, table: Path, line: int) -> Part:
    """The part that a row of a table names. Raises `InputError` naming the row."""
    if name.lower() not in PART_NAMES:
        raise InputError(f"{table} row {line}", "train, val or test", repr(name), "correct the split")
    return PART_NAMES[name.lower()]


def existing(path: Path, table: Path, line: int) -> Path:
    """The path, which a row of a table names. Raises `InputError` when it is not there."""
    if not path.is_file():
        found = f"{path.name}, which is missing"
        raise InputError(f"{table} row {line}", "the name of a file", found, "restore the file or remove the row")
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


def hidden(parts: Iterable[str]) -> bool:
    """Whether a path below a class folder is bookkeeping, not data (`.ipynb_checkpoints/`, `__MACOSX/`)."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def no_files(where: object, kind: str, suffixes: tuple[str, ...]) -> InputError:
    """The error for a class that has nothing to train on."""
    return InputError(where, f"{kind} ({', '.join(suffixes)})", "none", "fill the folder or remove it")


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not hidden([path.name])


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Sorts numbers by value, then names by the alphabet."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)
