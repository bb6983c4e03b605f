"""The tables that every part returns: plain data for JSON, the terminal and the page."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table as RichTable


@dataclass(frozen=True)
class Interval:
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float


Cell = str | int | float | Interval | None


@dataclass(frozen=True)
class Table:
    """One table: `columns` state the units, a row has a cell for each column, None where nothing was measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), f"{self.title}: {row}"

    def to_json(self) -> dict[str, Any]:
        """Plain nested data."""
        return asdict(self)


def table_of(entry: Mapping[str, Any]) -> Table:
    """The table that `to_json` gave."""
    rows = tuple(
        tuple(Interval(**cell) if isinstance(cell, Mapping) else cell for cell in row) for row in entry["rows"]
    )
    return Table(entry["title"], tuple(entry["columns"]), rows, tuple(entry["notes"]))


def text(cell: Cell) -> str:
    """A cell as it is printed: numbers with three or four digits that mean something."""
    if cell is None:
        return ""
    if isinstance(cell, Interval):
        return f"{text(cell.median)} [{text(cell.low)}, {text(cell.high)}]"
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else cell
    if cell == 0 or not math.isfinite(cell):
        return f"{cell:g}"
    if abs(cell) < 0.1:
        return f"{cell:.3g}"
    return f"{cell:,.{max(0, min(3, 3 - math.floor(math.log10(abs(cell)))))}f}"


def markdown(table: Table) -> str:
    """The table, its title and its notes in Markdown."""
    rows = [table.columns, ("---",) * len(table.columns), *(tuple(map(text, row)) for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", *lines, *([""] if notes else []), *notes])


def rich_table(table: Table) -> RichTable:
    """The table for a terminal."""
    result = RichTable(title=table.title, title_justify="left", caption="\n".join(table.notes), caption_justify="left")
    for index, column in enumerate(table.columns):
        numeric = all(not isinstance(row[index], str) for row in table.rows)
        result.add_column(column, justify="right" if numeric else "left")
    for row in table.rows:
        result.add_row(*map(text, row))
    return result
