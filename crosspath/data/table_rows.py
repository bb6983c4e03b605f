"""Rows of csv files with a row of column names, separated by commas, semicolons or tabs."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crosspath.counts import quantity
from crosspath.data.items import PART_NAMES, Part
from crosspath.data.text_files import lines_of, read_text
from crosspath.errors import InputError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    encoding: str | None = None,
    setting: str | None = None,
    header_todo: str = "name the columns in the first row",
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number as an editor counts it, row) for each row of a csv that has at least these columns.

    The separator is the one that gives the columns: a comma, semicolon or tab. Column names may differ in case. Values
    come without spaces around them.

    Raises
    ------
    InputError
        For a file that is missing, empty or in another encoding (`setting` names where a user sets it), a missing or
        ambiguous column, and, with its number, a row with another number of values than the first, or with a quoted
        value that does not end on its line.
    """
    lines = lines_of(read_text(path, "a csv file", encoding, setting))
    first = lines[0][1] if lines else ""
    delimiter, names, places = _header(first, f"{path} row {lines[0][0] if lines else 1}", columns, header_todo)
    if len(lines) == 1:
        raise InputError(f"{path} row {lines[0][0] + 1}", "a row for each file", "none", "add rows to the table")
    for line, text in lines[1:]:
        where = f"{path} row {line}"
        values = _values(text, delimiter, where)
        if len(values) != len(names):
            more = f"put values that contain {DELIMITERS[delimiter]} in double quotes, or correct the row"
            todo = "complete it" if len(values) < len(names) else more
            raise InputError(where, quantity(len(names), "value"), f"{len(values)}: {text.strip()}", todo)
        yield line, {column: values[place] for column, place in zip(columns, places, strict=True)}


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


def _header(first: str, where: str, columns: Sequence[str], todo: str) -> tuple[str, list[str], list[int]]:
    """(separator, all column names, the places of `columns`)."""
    names_by_delimiter: dict[str, list[str]] = {}
    faults: list[InputError] = []
    for delimiter in DELIMITERS if first else ():
        try:
            names_by_delimiter[delimiter] = _values(first, delimiter, where)
        except InputError as error:  # another separator follows a quote
            faults.append(error)
    if faults and not names_by_delimiter:
        raise faults[0]
    for delimiter, names in names_by_delimiter.items():
        places = [_places(names, column) for column in columns]
        if all(places):
            for column, several in zip(columns, places, strict=True):
                if len(several) > 1:
                    raise InputError(where, f"one column {column}", f"{len(several)}", "rename the others")
            return delimiter, names, [several[0] for several in places]
    names = max(names_by_delimiter.values(), key=len, default=[])
    missing = [column for column in columns if not _places(names, column)]
    raise InputError(where, f"columns {', '.join(missing)}", ", ".join(names) or "no header", todo)


def _places(names: Sequence[str], column: str) -> list[int]:
    """Where a column is: by its exact name, else in any case."""
    exact = [place for place, name in enumerate(names) if name == column.strip()]
    return exact or [place for place, name in enumerate(names) if name.casefold() == column.strip().casefold()]


def _values(line: str, delimiter: str, where: str) -> list[str]:
    try:
        [values] = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except csv.Error as error:
        todo = "close the quote on its line, and double each quote inside quotes"
        raise InputError(where, "values whose quotes are closed", f"{line.strip()} ({error})", todo) from None
    return [value.strip() for value in values]
