"""Tables of files: csv with a row of column names, separated by commas, semicolons or tabs."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosspath.config.data import DataSection
from crosspath.config.data.files_table import FilesTable
from crosspath.data.items import PART_NAMES, Item, Label, Listing, Part, file_stamp
from crosspath.data.label_cells import cell_labels, label_columns, reads_cells
from crosspath.data.labels import label_of
from crosspath.data.listed_files import ListedFiles, file_identity, refuse_duplicate
from crosspath.data.text_files import lines_of, read_text
from crosspath.errors import InputError

TABLES = (".csv", ".tsv")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
LABEL_SEPARATORS = (";", "|", ",")
"""Between several labels in one value: the first of these that a table uses."""
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")


def table_items(
    folder: Path,
    table: str,
    file_column: str,
    label_column: str,
    split_column: str | None,
    below: str = "",
    *,
    encoding: str | None = None,
    section: DataSection | None = None,
    suffixes: tuple[str, ...] = (),
) -> Listing:
    """The samples of a csv with one row for each file. Classes are sorted, numbers by value.

    Files are absolute, relative to `folder / below` or to the table, or named without their sub-folder. Where `section`
    says so labels are numbers, or several: separated by `;`, `|` or `,` in one value, or in `data.label_columns`. Files
    with one of the `suffixes` that no row names are counted as unread.

    Raises
    ------
    InputError
        For a missing table or column, an unknown split, labels that write one number in two ways, and a row without a
        label, or whose file is missing or listed in an earlier row; for numbers, as `cell_labels`.
    """
    path = folder / table
    section = section or DataSection(modality="")
    names_of_labels = label_columns(section, label_column)
    columns = (file_column, *names_of_labels, *([split_column] if split_column else []))
    todo = "name your columns with data.file_column, data.label_column and data.split_column in a first row"
    if section.label_kind == "numbers":
        todo = (
            "name the columns of numbers with --set data.label_columns=[A,B], and that of files with data.file_column"
        )
    rows = list(read_table(path, columns, encoding=encoding, setting="data.encoding", header_todo=todo))
    lines, cells = [line for line, _ in rows], {name: [row[name] for _, row in rows] for name in names_of_labels}
    if reads_cells(section):
        names, row_labels = cell_labels(section, cells, lines, path)
        classes = list(names)
    else:
        row_labels, classes = class_labels(cells[label_column], lines, label_column, path, section.several_labels)
    files = ListedFiles(folder / below, path)
    items = []
    first_rows: dict[str, str] = {}
    for (line, row), label in zip(rows, row_labels, strict=True):
        where, name = f"{path} row {line}", row[file_column]
        part = None if split_column is None else part_of(row[split_column], path, line)
        file = files.find(name, line)
        own = ", ".join(repr(row[name]) for name in names_of_labels)
        detail = f" as {own}" + (f" ({part})" if part else "")
        refuse_duplicate(first_rows, name, where, identity=file_identity(file), detail=detail)
        items.append(Item(id=files.sample_id(name, file), label=label, part=part, path=file, stamp=file_stamp(file)))
    kind = section.label_kind
    notes = case_notes(classes) if kind == "classes" else (numbers_note(path.name, classes),)
    return Listing(tuple(classes), tuple(items), (), files.unread(suffixes, first_rows), notes, kind)


def table_in(folder: Path, section: FilesTable) -> str | None:
    """The table of the files in a folder: `data.csv`; where labels are numbers also `labels.csv`, or the only table.

    Raises
    ------
    InputError
        For several tables of which none is called `labels.csv`, and for none where labels are numbers.
    """
    if section.csv is not None or section.label_kind != "numbers":
        return section.csv
    entries = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in entries if path.suffix.lower() in TABLES and path.is_file())
    usual = [name for name in names if Path(name).stem.casefold() == "labels"] or names
    if len(usual) > 1:
        raise InputError(folder, "one table", ", ".join(usual[:5]), "choose one with --set data.csv=NAME")
    if not usual:
        raise no_table_error(folder, f"{section.file_column},{section.label_column}")
    return usual[0]


def table_settings(section: FilesTable) -> dict[str, Any]:
    """The settings of a table of files, for the key of the cache; empty where none is read."""
    if section.csv is None and section.label_kind != "numbers":
        return {}
    names = (section.csv, section.file_column, section.label_column, section.split_column, section.encoding)
    return {"table": list(names)}


def no_table_error(where: Path, header: str) -> InputError:
    """The error for files whose numbers no table says."""
    own = f"write one, such as {where / 'labels.csv'} with the first row `{header}` and a row for each file"
    expected = "a table (.csv) with a row for each sample and the numbers to predict"
    return InputError(where, expected, "none", f"{own}; --set data.label_columns=[A,B] names other columns of numbers")


def numbers_note(table: str, columns: Sequence[str]) -> str:
    """What of a table is read as numbers, for the run's notes."""
    return f"{table}: {', '.join(columns)} {'is' if len(columns) == 1 else 'are'} predicted, as numbers"


def listed_files(folder: Path, table: str, section: FilesTable, suffixes: tuple[str, ...]) -> Listing:
    """`table_items` of a user's own table, as its section says."""
    columns = (section.file_column, section.label_column, section.split_column)
    return table_items(folder, table, *columns, encoding=section.encoding, section=section, suffixes=suffixes)


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
            raise InputError(where, f"{len(names)} values", f"{len(values)}: {text.strip()}", todo)
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
    names_by_delimiter = {delimiter: _values(first, delimiter, where) for delimiter in DELIMITERS if first}
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


def class_labels(
    cells: Sequence[str], rows: Sequence[int] | None, column: str, table: Path, several: bool
) -> tuple[list[Label], list[str]]:
    """The label of each cell of a column, and the classes; `rows` are its rows in the table, if it is from one alone.
    Raises `InputError`, with the row, as `table_items`."""
    places = [str(table) if rows is None else f"{table} row {rows[place]}" for place in range(len(cells))]
    labels = _names_in_cells(cells, places, column, several)
    of_rows = None if rows is None else dict(zip(rows, labels, strict=True))
    classes = class_order([name for names in labels for name in names], table, of_rows)
    numbers = {name: number for number, name in enumerate(classes)}
    own = [
        label_of([numbers[name] for name in names], several, where) for names, where in zip(labels, places, strict=True)
    ]
    return own, classes


def _names_in_cells(cells: Sequence[str], places: Sequence[str], column: str, several: bool) -> list[list[str]]:
    """The labels that each cell names."""
    separator = next((mark for mark in LABEL_SEPARATORS if any(mark in cell for cell in cells)), None)
    labels = []
    for cell, where in zip(cells, places, strict=True):
        names = [cell] if separator is None or not several else cell.split(separator)
        # Some systems store accents apart from their letters.
        labels.append([unicodedata.normalize("NFC", name.strip()) for name in names])
        if not all(labels[-1]):
            raise InputError(where, f"a {column}", cell or "none", "complete or remove the row")
    return labels


def class_order(names: Iterable[str], table: Path, rows: Mapping[int, Sequence[str]] | None = None) -> list[str]:
    """Classes sorted, numbers by value; `rows` are the labels of each row, for the message.

    Raises
    ------
    InputError
        For labels that write one number in two ways.
    """
    classes = sorted(set(names), key=_numbers_first)
    first_rows = {name: row for row, own in reversed(list((rows or {}).items())) for name in own}
    spellings: dict[float, str] = {}
    for name in classes:
        other = spellings.setdefault(float(name), name) if NUMBER.fullmatch(name) else name
        if other != name:
            places = sorted(first_rows[one] for one in (other, name) if one in first_rows)
            found = f"{other} and {name}" + (f" (rows {places[0]} and {places[1]})" if places else "")
            raise InputError(table, "one spelling of each number", found, "write the number in one way")
    return classes


def case_notes(classes: Sequence[str]) -> tuple[str, ...]:
    """Remarks on labels that differ in case only."""
    notes = []
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            notes.append(f"the labels {other} and {name} differ in case only, and are two classes")
    return tuple(notes)


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, then names in alphabetical order."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)
