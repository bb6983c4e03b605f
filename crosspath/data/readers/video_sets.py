"""Lists of videos as published: Kinetics, UCF101 and HMDB51, Something-Something v2, pretraining lists."""

import re
from dataclasses import dataclass
from pathlib import Path

from crosspath.config.data import VideoData
from crosspath.data.folders import folder_below
from crosspath.data.items import Item, Listing, Part, file_stamp
from crosspath.data.listed_files import file_identity, refuse_duplicate, require_file
from crosspath.data.text_files import class_names, numbered_lines
from crosspath.errors import InputError

LISTS = ("k400", "ssv2", "ucf101", "hmdb51")
"""Values of `data.dataset`, and folders below the data root."""
FRAME_FOLDERS = ("ssv2",)
"""Sets whose videos are folders of images `img_00001.jpg` and so on."""
WHOLE = re.compile(r"-?[0-9]+")
UNLABELLED_CLASSES = ("all",)
"""The only class of a pretraining list."""


def list_videos(section: VideoData, folder: Path) -> Listing:
    """The set's `train.csv`, `val.csv` and, if present, `test.csv`; or the pretraining list that `data.csv` names.

    Lists have no header, and blanks between their fields. A row is `path label`, in Something-Something
    `folder total_frames label`; in a pretraining list `path 0 -1` for a file and `folder start total` for frames
    numbered from `start`. Paths are absolute or relative to the set's folder, and may contain blanks.

    Results are published on `val.csv`. Without a `test.csv` it is the test part, read once in a run, and the validation
    part is held out of `train.csv` (`data.validation_fraction`, stratified). Published code selects epochs on the part
    it reports. A pretraining list has no parts and no labels: all samples are of one class.

    Class names are the lines of `labels.txt` or of a `label_map*.txt` in the folder; else numbers below `data.classes`,
    or up to the largest label.

    Raises
    ------
    InputError
        For a missing folder or list, a malformed row, a label beyond the classes, and a row whose file is missing or
        repeated.
    """
    root = folder_below(folder, section.dataset, "train.csv, val.csv and the videos they list")
    first_places: dict[str, str] = {}
    if section.csv is not None:
        rows = [_pretraining_row(root, section.csv, *line) for line in _lines(root / section.csv)]
        return Listing(UNLABELLED_CLASSES, tuple(_item(row, root, None, first_places) for row in rows))
    parts: tuple[tuple[Part, str], ...] = (("train", "train.csv"), ("test", "val.csv"))
    if (root / "test.csv").is_file():
        parts = (("train", "train.csv"), ("val", "val.csv"), ("test", "test.csv"))
    read = _frames_row if section.dataset in FRAME_FOLDERS else _file_row
    rows_of_parts = [(part, read(root, name, *line)) for part, name in parts for line in _lines(root / name)]
    classes = _class_names(root)
    count = len(classes) or section.classes or 1 + max(row.label for _, row in rows_of_parts)
    for _, row in rows_of_parts:
        if not 0 <= row.label < count:
            raise InputError(row.where(root), f"a label from 0 to {count - 1}", str(row.label), "correct the label")
    names = classes or tuple(map(str, range(count)))
    return Listing(names, tuple(_item(row, root, part, first_places) for part, row in rows_of_parts))


@dataclass(frozen=True)
class _Row:
    table: str
    number: int
    path: str
    label: int = 0
    frames: tuple[int, int] | None = None
    """Of a folder of images the frames [start, stop), numbered from 0."""

    def where(self, root: Path) -> str:
        return f"{root / self.table} row {self.number}"


def _file_row(root: Path, table: str, number: int, line: str) -> _Row:
    path, (label,) = _fields(root, table, number, line, "path label")
    return _Row(table, number, path, label)


def _frames_row(root: Path, table: str, number: int, line: str) -> _Row:
    path, (total, label) = _fields(root, table, number, line, "folder total_frames label")
    return _with_frames(root, _Row(table, number, path, label), 0, total)


def _pretraining_row(root: Path, table: str, number: int, line: str) -> _Row:
    path, (start, total) = _fields(root, table, number, line, "path start total")
    row = _Row(table, number, path)
    return row if total < 0 else _with_frames(root, row, start - 1, total)


def _with_frames(root: Path, row: _Row, start: int, total: int) -> _Row:
    if start < 0 or total < 1:
        actual = f"{total} from number {start + 1}"
        raise InputError(row.where(root), "one frame or more, numbered from 1", actual, "correct the row")
    return _Row(row.table, row.number, row.path, row.label, (start, start + total))


def _fields(root: Path, table: str, number: int, line: str, expected: str) -> tuple[str, list[int]]:
    """The path, which may contain blanks, and the whole numbers after it: one for each further field of `expected`."""
    count = len(expected.split()) - 1
    path, *rest = line.rsplit(maxsplit=count)
    # Not `isdigit`, which accepts digits of other scripts that `int` may refuse.
    if len(rest) < count or not all(WHOLE.fullmatch(text) for text in rest):
        raise InputError(f"{root / table} row {number}", f"`{expected}`", repr(line), "correct the row")
    return path, [int(text) for text in rest]


def _item(row: _Row, root: Path, part: Part, first_places: dict[str, str]) -> Item:
    name = row.path
    if row.frames is not None and part is None:
        name = f"{row.path}#{row.frames[0]}-{row.frames[1]}"
    path = root / row.path
    if row.frames is None:
        require_file(path, root / row.table, row.number)
    elif not path.is_dir():
        missing = f"{path.name}, which is missing"
        raise InputError(row.where(root), "the name of a folder", missing, "restore the folder or remove the row")
    frames = name.removeprefix(row.path)
    refuse_duplicate(first_places, name, row.where(root), identity=f"{file_identity(path)}{frames}")
    return Item(id=name, label=row.label, part=part, path=path, inside=row.frames, stamp=file_stamp(path, frames=True))


def _lines(path: Path) -> list[tuple[int, str]]:
    return numbered_lines(path, "a list of videos, one on each line")


def _class_names(root: Path) -> tuple[str, ...]:
    for path in (root / "labels.txt", *sorted(root.glob("label_map*.txt"))):
        if path.is_file():
            return class_names(path)
    return ()
