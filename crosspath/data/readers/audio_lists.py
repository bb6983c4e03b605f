"""Lists of recordings as AST (Gong et al. 2021) and AudioMAE publish them: JSON, with a csv of classes.

A list is `{"data": [{"wav": PATH, "labels": "MID,MID"}, ...]}`. The csv has the columns `index`, `mid` and
`display_name`, in any order. A `wav` is a path, absolute or relative to the list's folder. Absolute paths of another
machine must be corrected first.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from crosspath.config.data import AudioData
from crosspath.data.items import Item, Listing, Part, file_stamp
from crosspath.data.labels import label_of
from crosspath.data.listed_files import file_identity, refuse_duplicate
from crosspath.data.table_rows import read_table, whole_number
from crosspath.data.text_files import read_text
from crosspath.errors import InputError


@dataclass(frozen=True)
class Row:
    """One recording of a list."""

    where: str
    """The list and the number of the entry, from 1."""
    part: Part
    wav: PurePath
    """As written in the list."""
    path: Path
    labels: str


def list_recordings(section: AudioData, lists: Sequence[tuple[Part, Path]], table: Path) -> Listing:
    """Every recording of some lists, each of which is one part of a set; `table` is the csv of classes.

    A recording's id is its path in the list; absolute paths lose their common folder, so that ids are the same on every
    machine. With `data.fbank_folder` the recordings themselves need not exist.

    Raises
    ------
    InputError
        For a missing or faulty list or table; and, with list and row, for a recording that is missing (unless
        `data.skip_damaged` skips it), listed twice, or has unknown labels, or several in a set with one label for each
        sample.
    """
    numbers, classes = class_table(table)
    rows = [row for part, path in lists for row in read_list(path, part)]
    absolute = [row.wav.parent for row in rows if row.wav.is_absolute()]
    common_folder = os.path.commonpath(absolute) if absolute else ""
    items: list[Item] = []
    missing: list[Row] = []
    first_places: dict[str, str] = {}
    for row in rows:
        name = (row.wav.relative_to(common_folder) if row.wav.is_absolute() else row.wav).as_posix()
        # Frames computed elsewhere need no recordings.
        reads_recordings, exists = section.fbank_folder is None, row.path.is_file()
        refuse_duplicate(first_places, name, row.where, identity=file_identity(row.path) if exists else None)
        label = label_of(_numbers(row, numbers, table), section.multi_label, row.where)
        if reads_recordings and not exists:
            missing.append(row)
            continue
        stamp = file_stamp(row.path) if reads_recordings else ""
        items.append(Item(id=name, label=label, part=row.part, path=row.path, stamp=stamp))
    if missing and not section.skip_damaged:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        todo = "correct the path, or skip missing recordings with --set data.skip_damaged=true"
        raise InputError(missing[0].where, "the path of a file", f"{missing[0].path}, which is missing{more}", todo)
    return Listing(classes, tuple(items), tuple((row.path, f"it is missing ({row.where})") for row in missing))


def class_table(path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """({mid: class number}, display names by class number) of a csv of classes. Raises `InputError`."""
    numbers: dict[str, int] = {}
    names: dict[int, str] = {}
    for line, row in read_table(path, ("index", "mid", "display_name")):
        number = whole_number(row, "index", path, line)
        if number in names or row["mid"] in numbers:
            found = f"index {number}, mid {row['mid']}"
            raise InputError(f"{path} row {line}", "an index and a mid that no other row has", found, "correct it")
        numbers[row["mid"]] = number
        names[number] = row["display_name"]
    if sorted(names) != list(range(len(names))):
        outside = next(number for number in sorted(names) if not 0 <= number < len(names))
        raise InputError(path, f"the indices 0 to {len(names) - 1}", str(outside), "complete the table")
    return numbers, tuple(names[number] for number in range(len(names)))


def read_list(path: Path, part: Part) -> Iterator[Row]:
    """The rows of one list. Raises `InputError` for a missing or faulty list."""
    text = read_text(path, "a list of recordings")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(path, "a list of recordings in JSON", str(error), "download it again") from None
    entries = content.get("data") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        actual = "another layout" if entries is None else "an empty one"
        raise InputError(path, 'a list {"data": [{"wav": ..., "labels": ...}, ...]}', actual, "download it again")
    for number, entry in enumerate(entries, 1):
        where = f"{path} row {number}"
        values = [entry.get(key) for key in ("wav", "labels")] if isinstance(entry, dict) else [None, None]
        wav, labels = values
        if not isinstance(wav, str) or not isinstance(labels, str) or not wav:
            raise InputError(where, "strings `wav` and `labels`", f"{entry}"[:60], "correct it")
        yield Row(where, part, PurePath(wav), path.parent / wav, labels)


def _numbers(row: Row, numbers: Mapping[str, int], table: Path) -> list[int]:
    labels = []
    for mid in row.labels.split(","):
        if mid.strip() not in numbers:
            todo = "correct the row or complete the table"
            raise InputError(row.where, f"labels of {table.name}", repr(mid.strip()), todo)
        labels.append(numbers[mid.strip()])
    return labels
