"""Tables and lists of a set's files: csv files with columns, and plain lists with one file a line."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from crosspath.data.items import PART_NAMES, Item, Listing, Part, file_stamp
from crosspath.errors import InputError


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
        path = require_file(folder / below / row[file_column], folder / table, line)
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


def require_file(path: Path, table: Path, line: int) -> Path:
    """The path, which a row of a table names. Raises `InputError` when it is not there."""
    if not path.is_file():
        found = f"{path.name}, which is missing"
        raise InputError(f"{table} row {line}", "the name of a file", found, "restore the file or remove the row")
    return path


def numbered_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """(row as an editor counts it, text) of every line that is not blank.

    Raises
    ------
    InputError
        For a list that is missing, empty or not UTF-8; `expected` says what should stand in it.
    """
    if not path.is_file():
        raise InputError(path, expected, "none", "check the data folder")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"{expected}, in UTF-8", str(error), "save it as such") from None
    lines = [(row, line.strip()) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(path, expected, "an empty file", "get it again")
    return lines


def refuse_repeated(seen: dict[str, str], name: str, where: str) -> None:
    """Remember where a sample was named; a second time is an error, within a list and across the lists of a set."""
    if name in seen:
        # A file in two parts would be judged on what it was trained on.
        raise InputError(where, "every file once", f"{name}, named in {seen[name]} too", "remove one of the rows")
    seen[name] = where


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Sorts numbers by value, then names by the alphabet."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)
