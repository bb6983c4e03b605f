"""Columns of csv and parquet files, for time series: names, cells, numbers and times."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from crosspath.counts import quantity
from crosspath.data.items import DamageError, require_within
from crosspath.data.label_cells import MANY
from crosspath.data.readers.extras import require_library
from crosspath.data.readers.series_cells import (
    are_dates,
    are_floats,
    date_text,
    is_decimal_comma,
    is_missing,
    is_number,
    number_of,
    text_of,
    thousands_among,
    with_point,
)
from crosspath.data.readers.series_values import Floats
from crosspath.data.text_files import read_text
from crosspath.errors import InputError
from crosspath.limits import BYTES

DELIMITERS = ("\t", ";", ",")
"""Commas last: with another separator they are decimal commas."""
TEXTS = (".csv", ".tsv")
PARQUET = ".parquet"
SECONDS = frozenset(("time", "t", "time_s", "seconds"))
"""Names of columns in which digits alone are no date, in lower case."""
TIMES = SECONDS | {"timestamp", "datetime", "date"}
"""Names of columns that hold time, in lower case."""
SECONDS_IN = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "\u03bcs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
"""Of the units that a column of times may have in brackets, in lower case."""
UNIT = re.compile(r"(.*?)\s*[(\[]\s*(.*?)\s*[)\]]")
PANDAS_INDEX = "__index_level_0__"
"""What pandas calls an index without a name in parquet; in csv its name is empty."""


@dataclass(frozen=True)
class Columns:
    """The cells of a table, column by column."""

    cells: dict[str, Sequence[Any]]
    rows: Sequence[int]
    """Of each cell: the line, as an editor counts it; in a parquet file the number of the row, from 1."""
    decimal_comma: bool = False
    has_names: bool = True
    """Whether the file names its columns; else they are numbered."""
    number_names: frozenset[str] | None = None
    """The columns that are read as numbers, in lower case, and so show what a comma is; None for all."""

    def require(self, name: str, setting: str) -> Sequence[Any]:
        """A column by its name, in any case. Raises `DamageError` where there is none; `setting` is who asks."""
        return self.cells[self.name_of(name, setting)]

    def name_of(self, name: str, setting: str) -> str:
        """The column that a name means: that which has it, else the one that has it in another case."""
        own = [other for other in self.cells if other == name] or [
            other for other in self.cells if other.casefold() == name.casefold()
        ]
        if len(own) != 1:
            raise DamageError(f"expected one column {name} ({setting}), found {', '.join(self.cells)}")
        return own[0]

    def texts(self, name: str, setting: str) -> list[str]:
        """A column of labels, ids or parts as texts; empty where there is none. Raises `DamageError`, as `require`."""
        cells = self.require(name, setting)
        if wrong := next((row for row, cell in zip(self.rows, cells, strict=True) if isinstance(cell, np.ndarray)), 0):
            raise DamageError(f"row {wrong}: expected one value in `{name}`, found a list")
        return [text_of(cell) for cell in cells]

    def numbers(self, name: str, rows: Sequence[int] | None = None) -> Floats:
        """A column as numbers (T,), NaN where a value is missing. Raises `DamageError` with the row."""
        cells = self._cells(name, rows)
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "iufb":
            return cells.astype(np.float64)
        texts = [np.nan if is_missing(cell) else self.number_text(cell) for cell in cells]
        try:
            numbers = np.array([number_of(text) for text in texts], np.float64)
        except (ValueError, TypeError):
            place = next(place for place, text in enumerate(texts) if not is_number(text))
            todo = "name the channels with data.columns, or the column of times with data.time_column"
            found = f"found {str(cells[place])[:40]!r}: {todo}"
            raise DamageError(f"row {self._row(place, rows)}: expected a number in `{name}`, {found}") from None
        self.require_decimals(name, rows)
        return numbers

    def require_decimals(self, name: str, rows: Sequence[int] | None = None) -> None:
        """Raise `DamageError`, with the row, for a column of numbers in which a mark may stand between thousands."""
        cells = self._cells(name, rows)
        found = thousands_among(cells, self._decimal_commas) if self.decimal_comma else None
        if found is not None:
            expected = f"commas or points that are decimal for sure in `{name}`"
            todo = MANY if "," in found else "write all numbers of the table with one decimal mark"
            raise DamageError(
                f"row {self._row(list(cells).index(found), rows)}: expected {expected}, found {found}: {todo}"
            )

    @cached_property
    def _decimal_commas(self) -> bool:
        own = self.number_names
        columns = [column for name, column in self.cells.items() if own is None or name.casefold() in own]
        return any(is_decimal_comma(cell) for column in columns for cell in column)

    def seconds(self, name: str, rows: Sequence[int] | None = None) -> Floats:
        """A column of times in seconds: numbers, in the unit that its name states, or dates in ISO form. Raises
        `DamageError` with the row.
        """
        cells = self._cells(name, rows)
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "Mm":
            durations = cells - cells[0] if len(cells) and cells.dtype.kind == "M" else cells
            return np.asarray(durations / np.timedelta64(1, "s"), np.float64)
        plain_name, unit_s = time_name(name)
        dates = plain_name not in SECONDS and are_dates(cells)
        texts = len(cells) > 0 and isinstance(cells[0], str | datetime) and not is_number(self.number_text(cells[0]))
        if not (dates or texts):
            return self.numbers(name, rows) * unit_s
        seconds = []
        for place, cell in enumerate(cells):
            try:
                moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(date_text(cell))
            except ValueError:
                expected, found = f"seconds or an ISO date in `{name}`", repr(text_of(cell))
                todo = "write dates as 2024-01-31"
                raise DamageError(f"row {self._row(place, rows)}: expected {expected}, found {found}: {todo}") from None
            start = datetime(1970, 1, 1, tzinfo=None if moment.tzinfo is None else UTC)
            seconds.append((moment - start).total_seconds())
        return np.array(seconds)

    def _cells(self, name: str, rows: Sequence[int] | None) -> Sequence[Any]:
        cells = self.cells[name]
        if rows is None:
            return cells
        return cells[list(rows)] if isinstance(cells, np.ndarray) else [cells[row] for row in rows]

    def _row(self, place: int, rows: Sequence[int] | None) -> int:
        """The row of the file in which a cell of `_cells` stands."""
        return self.rows[place if rows is None else rows[place]]

    def number_text(self, cell: Any) -> Any:
        """A cell with a decimal point, where the table has decimal commas."""
        return with_point(cell) if self.decimal_comma else cell


def time_name(name: str) -> tuple[str, float]:
    """(the name of a column in lower case, without a unit of time in brackets; the seconds in that unit)."""
    plain_name = name.casefold()
    match = UNIT.fullmatch(plain_name)
    return (plain_name, 1.0) if match is None or match[2] not in SECONDS_IN else (match[1], SECONDS_IN[match[2]])


def read_columns(path: Path, encoding: str | None = None) -> Columns:
    """The columns of a csv (`.csv`, `.tsv`) or parquet file.

    Raises
    ------
    InputError
        For text in another encoding, and for parquet without its library.
    DamageError
        With the row, for a row with another number of values than the first; for columns of one name.
    """
    return _read_parquet(path) if path.suffix.lower() == PARQUET else _read_text(path, encoding)


def _read_text(path: Path, encoding: str | None) -> Columns:
    text = read_text(path, "a csv file of numbers", encoding, "data.encoding")
    lines = _lines(text)
    if not lines:
        raise DamageError("it is empty")
    delimiter, table = _table(lines)
    rows = [line for line, _ in lines]
    first = table[0]
    has_names = not _are_numbers(first, delimiter) or _counts_columns(table)
    if not has_names:
        names = [str(number) for number in range(len(first))]
    else:
        names, table, rows = first, table[1:], rows[1:]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise DamageError(f"row {lines[0][0]}: expected columns of different names, found {twice[0]!r} twice")
    for row, cells in zip(rows, table, strict=True):
        if len(cells) != len(names):
            raise DamageError(f"row {row}: expected {quantity(len(names), 'value')}, found {len(cells)}")
    columns = list(zip(*table, strict=True)) if table else [() for _ in names]
    return Columns(dict(zip(names, columns, strict=True)), rows, delimiter != ",", has_names)


def _are_numbers(cells: Sequence[str], delimiter: str) -> bool:
    return all(is_missing(cell) or is_number(cell if delimiter == "," else cell.replace(",", ".")) for cell in cells)


def _counts_columns(table: Sequence[Sequence[str]]) -> bool:
    """Whether a first row of numbers names the columns as pandas does: 0, 1, 2, ..., perhaps behind an index without a
    name. One or two of them may be values, unless the numbers below are written in another way.
    """
    first = table[0]
    names = first[1:] if first[0] == "" else first
    if not names or list(names) != [str(place) for place in range(len(names))]:
        return False
    columns = list(zip(*table[1:], strict=False))
    return first[0] == "" or len(names) > 2 or (bool(columns) and all(map(are_floats, columns)))


def _lines(text: str) -> list[tuple[int, str]]:
    """(line number, line). An empty line is a missing value in a file of one column, and nothing in any other; a line
    of separators alone is a moment whose values are all missing.
    """
    lines = list(enumerate(io.StringIO(text, newline=None).read().rstrip("\n").split("\n"), 1))
    one_column = not any(mark in line for _, line in lines for mark in DELIMITERS)
    return [(row, line) for row, line in lines if one_column or line.strip(" ")] if text.strip() else []


def _table(lines: Sequence[tuple[int, str]]) -> tuple[str, list[list[str]]]:
    """(separator, cells of each line): the separator that gives every line the same number of cells, numbers in the
    first rather than others (decimal commas separate nothing), and most of them; else the one that gives the first line
    most.
    """
    tables: dict[str, list[list[str]]] = {}
    faults: list[DamageError] = []
    for mark in DELIMITERS:
        try:
            tables[mark] = [_split(text, mark, line) for line, text in lines]
        except DamageError as damage:
            faults.append(damage)
    if not tables:
        raise faults[0]
    agree = [mark for mark, table in tables.items() if len({len(cells) for cells in table}) == 1]
    best = max(agree or tables, key=lambda mark: (_are_numbers(tables[mark][0], mark), len(tables[mark][0])))
    if len(tables[best][0]) == 1 and len(agree) < len(tables):  # one column by a mark that is not there
        best = max(tables, key=lambda mark: len(tables[mark][0]))
    return best, tables[best]


def _split(line: str, delimiter: str, row: int) -> list[str]:
    try:
        [cells] = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except csv.Error as error:
        raise DamageError(f"row {row}: expected quotes that are closed, found {line[:40]!r} ({error})") from None
    return [cell.strip() for cell in cells] or [""]


def _read_parquet(path: Path) -> Columns:
    parquet = require_library("pyarrow.parquet", path, "parquet files", "series")
    try:
        file = parquet.ParquetFile(path)
        groups = range(file.metadata.num_row_groups)
        require_within(BYTES, sum(file.metadata.row_group(group).total_byte_size for group in groups))
        table = file.read()
        cells = {name: table.column(name).to_numpy() for name in table.column_names}
    except (DamageError, InputError):
        raise
    except Exception as error:  # pyarrow raises many types
        raise DamageError(f"it cannot be read ({error})".replace("\n", " ")) from None
    return Columns(cells, range(1, table.num_rows + 1))
