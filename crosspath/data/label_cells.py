"""Labels in the cells of a table: numbers, and several labels a sample in one column or in a column each."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosspath.config.data import DataSection
from crosspath.data.items import Label
from crosspath.data.text_files import number_in
from crosspath.errors import InputError

TRUE, FALSE = frozenset(("1", "1.0", "true", "yes")), frozenset(("0", "0.0", "false", "no"))
"""How tables write that a sample has a label, and that it has not, in lower case."""
MISSING = frozenset(("", "?", "na", "n/a", "nan", "null", "none"))
"""How tables write that there is no value, in lower case."""
ROUNDING = 1e-3
"""Of the spread of a column: numbers are kept in 32 bits, and what that changes may be this much at most."""
LARGEST = float(np.finfo(np.float32).max)
MANY = "write it with a point, and without separators of thousands"


def reads_cells(section: DataSection) -> bool:
    """Whether labels are numbers, or several in a column each: what this module reads of a table."""
    return section.label_kind == "numbers" or (section.several_labels and section.label_columns is not None)


def label_columns(section: DataSection, usual: str) -> tuple[str, ...]:
    """The columns of a table that hold labels; `usual` is the one where none are listed. Raises `InputError` where one
    is listed twice, or none."""
    columns = section.label_columns
    if columns is None or not reads_cells(section):
        return (usual,)
    if not columns or len(set(columns)) != len(columns):
        found = ", ".join(columns) or "none"
        raise InputError("data.label_columns", "the names of columns, each once", found, "correct the list")
    return columns


def cell_labels(
    section: DataSection, cells: Mapping[str, Sequence[Any]], rows: Sequence[int], table: Path
) -> tuple[tuple[str, ...], list[Label]]:
    """(names of the columns, the label of each row) of columns of numbers; or, for several labels, of 0 and 1.

    Raises
    ------
    InputError
        With row and column, for a cell that is missing, no number, not finite or neither 0 nor 1; for a column whose
        numbers lie too close together to be told apart in 32 bits.
    """
    names = tuple(cells)
    if section.label_kind != "numbers":
        marks = {
            name: [_is_marked(cell, name, f"{table} row {row}") for cell, row in zip(cells[name], rows, strict=True)]
            for name in names
        }
        return names, [tuple(n for n, name in enumerate(names) if marks[name][row]) for row in range(len(rows))]
    numbers = {
        name: [number_of(cell, name, f"{table} row {row}") for cell, row in zip(cells[name], rows, strict=True)]
        for name in names
    }
    for name in names:
        _require_precision(numbers[name], f"{table} column {name}")
    return names, list(zip(*numbers.values(), strict=True))


def number_of(cell: Any, name: str, where: str) -> float:
    """The number in a cell of the column `name`. Raises `InputError` where there is none, or one without bounds."""
    expected = f"a number in `{name}`"
    if cell is None or (isinstance(cell, str) and cell.strip().casefold() in MISSING):
        raise InputError(where, expected, "none", "complete or remove the row")
    try:
        number = number_in(cell)
    except (TypeError, ValueError):
        todo = MANY if isinstance(cell, str) and "," in cell else "correct it"
        raise InputError(where, expected, repr(cell)[:60], todo) from None
    if not math.isfinite(number) or abs(number) > LARGEST:
        found = str(cell) if math.isfinite(number) else f"{cell}, which is not finite"
        raise InputError(where, f"{expected} that 32 bits can hold", found, "complete or remove the row")
    return number


def _is_marked(cell: Any, name: str, where: str) -> bool:
    text = str(cell if cell is not None else "").strip().casefold()
    if text not in TRUE | FALSE:
        found = "none" if text in MISSING else repr(cell)[:60]
        raise InputError(where, f"0 or 1 in `{name}`", found, "correct it")
    return text in TRUE


def _require_precision(numbers: Sequence[float], where: str) -> None:
    """Raise `InputError` for numbers far from 0 whose differences are lost in 32 bits, such as seconds since 1970."""
    exact = np.array(numbers, np.float64)
    error, spread = float(np.abs(exact - exact.astype(np.float32)).max()), float(exact.std())
    if error > ROUNDING * spread and spread > 0:
        todo = "subtract a constant from the column, such as its smallest number"
        raise InputError(where, "numbers that 32 bits tell apart", f"{exact.min():.10g} to {exact.max():.10g}", todo)
