"""Tables of texts: csv, tsv, lines of JSON, and parquet, with the names of their columns."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosspath.counts import quantity
from crosspath.data.table_rows import DELIMITERS
from crosspath.data.text_files import lines_of, read_text
from crosspath.errors import InputError
from crosspath.limits import BYTES, SAMPLES

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
SETTING = "data.encoding"
QUOTED_TEXT = re.compile(r'"[^"]*("|$)')
QUOTES = "close the quote, double each quote inside quotes, and put values that hold the separator in quotes"


@dataclass(frozen=True)
class Table:
    """A table whose values are texts; numbers are written out."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str | None, ...]], ...]
    """(number of the row as an editor counts lines, a value for each column; None for a missing one)."""
    faults: Mapping[str, InputError] = field(default_factory=dict)
    """{column: what is no single value there}."""

    def column(self, name: str) -> list[str | None]:
        """All values of a column. Raises `InputError` where one is a list or an object."""
        if name in self.faults:
            raise self.faults[name]
        place = self.names.index(name)
        return [values[place] for _, values in self.rows]


def read_text_table(path: Path, encoding: str | None = None, columns: Sequence[str] | None = None) -> Table:
    """The table in a file, by its suffix; of parquet only `columns`, where they are given.

    Raises
    ------
    InputError
        For a file that is missing, empty, damaged or in another encoding, a repeated column and, with its number, a
        row with another number of values.
    """
    suffix = path.suffix.lower()
    faults: dict[str, InputError] = {}
    if suffix == ".parquet":
        names, rows = _parquet(path, columns, faults)
    elif suffix in (".jsonl", ".ndjson"):
        names, rows = _json_lines(path, encoding, faults)
    else:
        names, rows = _delimited_text(path, encoding)
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(
            f"{path} row 1", "columns with different names", f"{duplicates[0]!r} twice", "rename one of them"
        )
    if not rows:
        raise InputError(path, "a row for each text", "none", "add rows to the table")
    return Table(tuple(names), tuple(rows), faults)


Rows = list[tuple[int, tuple[str | None, ...]]]


def _delimited_text(path: Path, encoding: str | None) -> tuple[list[str], Rows]:
    """A csv or tsv. Quoted values may hold line breaks."""
    text = read_text(path, "a table of texts", encoding, SETTING)
    first = next(iter(lines_of(text)), (1, ""))[1]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=QUOTED_TEXT.sub("", first).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    names: list[str] = []
    rows: Rows = []
    start = 1
    try:
        for values in reader:
            row, start = start, reader.line_num + 1
            if not any(value.strip() for value in values):
                if names and len(values) == len(names) > 1:
                    rows.append((row, tuple(values)))
            elif not names:
                names = [name.strip() for name in values]
            elif delimiter == "\t" and any("\t" in value and "\n" in value for value in values):
                # Where tabs separate, quotes are often plain characters: an open one takes in the rows that follow.
                expected, found = "values whose quotes are closed", "a quote around tabs and line breaks"
                raise InputError(f"{path} row {row}", expected, found, QUOTES)
            elif len(values) != len(names):
                found = f"{len(values)}: {delimiter.join(values)[:80]}"
                raise InputError(f"{path} row {row}", quantity(len(names), "value"), found, QUOTES)
            else:
                rows.append((row, tuple(value.strip() for value in values)))
    except csv.Error as error:
        if "field limit" in str(error):
            expected, found = f"values of at most {csv.field_size_limit():,} characters", "a longer one"
            todo = "close the quote if one is open; else write the texts as lines of JSON (.jsonl)"
            raise InputError(f"{path} row {start}", expected, found, todo) from None
        raise InputError(f"{path} row {start}", "values whose quotes are closed", str(error), QUOTES) from None
    return names, rows


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of JSON with these names and values. Raises `ValueError` for a name that it has twice."""
    names = [name for name, _ in pairs]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise ValueError(f"{twice!r} twice")
    return dict(pairs)


def _json_lines(path: Path, encoding: str | None, faults: dict[str, InputError]) -> tuple[list[str], Rows]:
    """An object on each line, with texts, numbers or null."""
    names: dict[str, int] = {}
    rows: list[tuple[int, dict[str, str | None]]] = []
    for row, line in lines_of(read_text(path, "a table of texts", encoding, SETTING)):
        where = f"{path} row {row}"
        try:
            entry = json.loads(line, object_pairs_hook=_without_repetition)
        except (ValueError, RecursionError) as error:
            raise InputError(where, "a JSON object on the line", str(error), "correct the line") from None
        if not isinstance(entry, dict):
            raise InputError(where, "a JSON object", type(entry).__name__, 'write it as {"text": ..., "label": ...}')
        values = {name: _plain(value, where, name, faults) for name, value in entry.items()}
        names |= dict.fromkeys(values, 0)
        rows.append((row, values))
    return list(names), [(row, tuple(values.get(name) for name in names)) for row, values in rows]


def _parquet(path: Path, columns: Sequence[str] | None, faults: dict[str, InputError]) -> tuple[list[str], Rows]:
    if not path.is_file():
        raise InputError(path, "a table of texts", "none", "check the data folder")
    try:
        from pyarrow import parquet  # type: ignore[import-not-found]
    except ImportError:
        todo = "pip install 'crosspath[text]', or export the table as CSV in UTF-8"
        raise InputError(path, "the package pyarrow, which reads .parquet", "none", todo) from None
    try:
        with parquet.ParquetFile(path) as file:
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            size = sum(group.total_byte_size for group in groups)
            reason = SAMPLES.excess(file.metadata.num_rows) or BYTES.excess(size)
            if reason is None:
                table = file.read(columns=None if columns is None else list(columns))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = f"a damaged one ({' '.join(str(error).split())[:200]})"
    if reason is not None:
        raise InputError(path, "a table of texts in parquet", reason, "check the file, or export it as CSV in UTF-8")
    names: list[str] = table.column_names
    values = [
        [
            _plain(value, f"{path} row {row}", name, faults)
            for row, value in enumerate(table.column(place).to_pylist(), 1)
        ]
        for place, name in enumerate(names)
    ]
    return names, list(enumerate(zip(*values, strict=True), 1))


def _plain(value: Any, where: str, name: str, faults: dict[str, InputError]) -> str | None:
    """A value as a text; None for what is not there, and for what is no single value, of which `faults` gets the first
    of each column.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, dict | list | bytes):
        kind = {dict: "an object", list: "a list", bytes: "bytes"}[type(value)]
        faults.setdefault(name, InputError(where, f"one value in `{name}`", kind, "write it as a text"))
        return None
    return None if value is None else str(value).strip()


TEXTS = ("text", "texts", "sentence", "content", "review", "message", "question", "query", "utterance", "body")
LABELS = ("label", "labels", "class", "category", "target", "intent", "sentiment", "topic")
SPLITS = ("split", "part", "fold", "set")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what."""

    text: str
    label: str | None
    split: str | None

    def note(self, where: object) -> str:
        """What was recognised, for the run's notes."""
        more = [f"{self.label} as labels" if self.label else "", f"{self.split} as parts" if self.split else ""]
        return f"{where}: column {self.text} is read as texts" + "".join(f", {word}" for word in more if word)


def find_columns(
    table: Table,
    where: object,
    text: str | None,
    label: str | None,
    split: str | None,
    parts: Mapping[str, Any],
    others: Sequence[str] = (),
) -> Columns:
    """The columns that are named, and the rest by common names; with two columns, the other one is the text. `others`
    are neither.

    Raises
    ------
    InputError
        For a column that is not there, and for one that could be several.
    """
    for setting, name in (("text_column", text), ("label_column", label), ("split_column", split)):
        if name is not None and name not in table.names:
            todo = f"set data.{setting} to one of them"
            raise InputError(where, f"a column {name}", ", ".join(table.names) or "none", todo)
    free = [name for name in table.names if name not in (text, label, split, *others)]
    if split is None:
        names = [name for name in free if name.casefold() in SPLITS and name not in table.faults]
        split = next((name for name in names if _are_parts(table, name, where, parts)), None)
        free = [name for name in free if name != split]
    if label is None:
        label = _only(free, LABELS, where, "label")
        free = [name for name in free if name != label]
    if text is None:
        text = _only(free, TEXTS, where, "text") or (free[0] if len(free) == 1 else None)
    if text is None:
        todo = "name the columns with --set data.text_column=NAME and --set data.label_column=NAME"
        raise InputError(where, "a column of texts", ", ".join(table.names) or "no columns", todo)
    return Columns(text, label, split)


def _are_parts(table: Table, name: str, where: object, parts: Mapping[str, Any]) -> bool:
    """Whether a column names parts in every row. Raises `InputError` where it does in some of them only."""
    values = {str(value or "").lower(): row for (row, _), value in zip(table.rows, table.column(name), strict=True)}
    others = sorted(values.keys() - parts.keys())
    if others and len(others) < len(values):
        expected = f"train, val or test in every row of `{name}`, or in none"
        todo = "correct it, or give the column another name, which is not read"
        raise InputError(f"{where} row {values[others[0]]}", expected, repr(others[0]), todo)
    return not others


def _only(names: Sequence[str], usual: Sequence[str], where: object, kind: str) -> str | None:
    several = [name for name in names if name.casefold() in usual]
    if len(several) > 1:
        todo = f"choose with --set data.{kind}_column=NAME"
        raise InputError(where, f"one column of {kind}s", " and ".join(several), todo)
    return several[0] if several else None
