"""Tables and lists of files: csv files with columns, and text files with one entry a line."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from crosspath.data.items import PART_NAMES, Item, Listing, Part, file_stamp
from crosspath.errors import InputError


def table_items(
    folder: Path, table: str, file_column: str, label_column: str, split_column: str | None, below: str = ""
) -> Listing:
    """The samples of a csv with one row for each file, relative to `folder / below`. Classes are sorted, numbers by
    value.

    Raises
    ------
    InputError
        For a missing table or column, an unknown split, and a row without a label, or whose file is missing or listed
        in an earlier row.
    """
    rows = list(read_table(folder / table, (file_column, label_column, *([split_column] if split_column else []))))
    classes = sorted({row[label_column] for _, row in rows}, key=_numbers_first)
    items = []
    first_rows: dict[str, str] = {}
    for line, row in rows:
        where = f"{folder / table} row {line}"
        if not row[label_column]:
            raise InputError(where, f"a {label_column}", "none", "complete or remove the row")
        refuse_duplicate(first_rows, row[file_column], where)
        part: Part = None
        if split_column is not None:
            part = part_of(row[split_column], folder / table, line)
        path = require_file(folder / below / row[file_column], folder / table, line)
        label = classes.index(row[label_column])
        items.append(Item(id=row[file_column], label=label, part=part, path=path, stamp=file_stamp(path)))
    return Listing(tuple(classes), tuple(items))


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number as an editor counts it, row) for each row of a csv that has at least these columns.

    Raises
    ------
    InputError
        For a file that is missing, empty or not UTF-8, a missing column, and a row with too few values.
    """
    if not path.is_file():
        raise InputError(path, "a csv file", "none", "check the data folder")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            missing = [column for column in columns if column not in names]
            if missing:
                header, todo = ", ".join(names) or "no header", "name the columns of your table"
                raise InputError(f"{path} row 1", f"columns {', '.join(missing)}", header, todo)
            line = 1
            for row in reader:
                line = reader.line_num
                if any(row[column] is None for column in columns):
                    raise InputError(f"{path} row {line}", f"{len(names)} values", "fewer", "complete it")
                yield line, {column: row[column].strip() for column in columns}
            if line == 1:
                raise InputError(f"{path} row 2", "a row for each file", "none", "add rows to the table")
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{path} row {reader.line_num}", "a csv in UTF-8", str(error), "save it in UTF-8"
            ) from None


def whole_number(row: Mapping[str, str], column: str, table: Path, line: int) -> int:
    """The whole number in that column of a row. Raises `InputError` with the row."""
    try:
        return int(row[column])
    except ValueError:
        raise InputError(
            f"{table} row {line}", f"a whole number in `{column}`", repr(row[column]), "correct it"
        ) from None


def part_of(name: str, table: Path, line: int) -> Part:
    """The part of that name in a row of a table. Raises `InputError` with the row."""
    if name.lower() not in PART_NAMES:
        raise InputError(f"{table} row {line}", "train, val or test", repr(name), "correct the split")
    return PART_NAMES[name.lower()]


def require_file(path: Path, table: Path, line: int) -> Path:
    """The path, given in a row of a table. Raises `InputError` with the row when there is no such file."""
    if not path.is_file():
        missing = f"{path.name}, which is missing"
        raise InputError(f"{table} row {line}", "the name of a file", missing, "restore the file or remove the row")
    return path


def numbered_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """(line number as an editor counts it, text) of every line that is not blank.

    Raises
    ------
    InputError
        For a list that is missing, empty or not UTF-8; `expected` says what it should hold.
    """
    if not path.is_file():
        raise InputError(path, expected, "none", "check the data folder")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"{expected}, in UTF-8", str(error), "save it in UTF-8") from None
    lines = [(row, line.strip()) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(path, expected, "an empty file", "download it again")
    return lines


def refuse_duplicate(first_places: dict[str, str], name: str, where: str) -> None:
    """Notes in `first_places` where a sample is listed. Raises `InputError` where it is listed a second time."""
    if name in first_places:
        # A file in two parts would be tested on a model that was trained on it.
        found = f"{name}, also in {first_places[name]}"
        raise InputError(where, "every file once", found, "remove one of the rows")
    first_places[name] = where


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, then names in alphabetical order."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)
