"""What a cell of a table of time series holds: a number, a date, a text or nothing."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from crosspath.data.label_cells import MISSING
from crosspath.data.text_files import THOUSANDS, number_in

BASIC_DATE = re.compile(
    r"(19|20)\d\d(0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d([0-5]\d([.,]?\d+)?)?)?)?)?"
)
"""20240128, 20240128103057 and 20240128103057123: ISO's basic form, without T and point; also 202401, which
ISO has not, so that it is refused rather than read as seconds."""
KEPT_ZERO = re.compile(r"[+-]?\d*[.,]\d*0")
"""A number whose writer keeps a trailing 0 after the decimal point, and so writes 0 as 0.0 or longer."""


def is_missing(cell: Any) -> bool:
    """Whether a cell says that there is no value."""
    if isinstance(cell, str):
        return cell.casefold() in MISSING
    return cell is None


def number_of(cell: Any) -> float:
    """The number in a cell. Raises `ValueError` or `TypeError` where there is none."""
    if isinstance(cell, np.ndarray | np.datetime64 | np.timedelta64):
        raise TypeError("numpy makes a number of these, of dates in any unit")
    return number_in(cell)


def is_number(cell: Any) -> bool:
    """Whether a cell holds a number, with a decimal point."""
    try:
        number_of(cell)
    except (ValueError, TypeError):
        return False
    return True


def with_point(cell: Any) -> Any:
    """A cell with a decimal comma, as one with a point."""
    return cell.replace(",", ".") if isinstance(cell, str) and "." not in cell else cell


def is_decimal_comma(cell: Any) -> bool:
    """Whether the comma of a number cannot stand between thousands."""
    return isinstance(cell, str) and "," in cell and not THOUSANDS.fullmatch(cell) and is_number(with_point(cell))


def thousands_among(cells: Iterable[Any], decimal_commas: bool) -> str | None:
    """A number of a column whose comma or point may stand between thousands; `decimal_commas` says whether other
    numbers of the table show that its commas are decimal."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    comma = next((cell for cell in texts if "," in cell and is_number(with_point(cell))), None)
    if comma is None and not decimal_commas:
        return None
    points = [cell for cell in texts if "." in cell and is_number(cell)]
    if comma is not None and (points or not decimal_commas):
        return comma
    return points[0] if points and all(THOUSANDS.fullmatch(cell.replace(".", ",")) for cell in points) else None


def are_dates(cells: Iterable[Any]) -> bool:
    """Whether all cells are dates in digits alone, as `BASIC_DATE`."""
    return all(
        isinstance(cell, str | int | float | np.integer) and BASIC_DATE.fullmatch(text_of(cell)) for cell in cells
    )


def date_text(cell: Any) -> str:
    """A date as ISO writes it: one of digits alone with T and point."""
    text = text_of(cell)
    day, clock, fraction = text[:8], text[8:14], text[14:].lstrip(".,")
    if not clock or BASIC_DATE.fullmatch(text) is None:
        return text
    return f"{day}T{clock}" + (f".{fraction}" if fraction else "")


def are_floats(cells: Iterable[str]) -> bool:
    """Whether whoever wrote the numbers of a column writes no 0 or 1 without a point."""
    present = [cell for cell in cells if not is_missing(cell)]
    return any(map(KEPT_ZERO.fullmatch, present)) and not any(cell.lstrip("+-").isdigit() for cell in present)


def text_of(cell: Any) -> str:
    """A cell of labels, ids, parts or dates as a text; empty where there is none."""
    if cell is None or cell != cell:  # NaN and NaT differ from themselves
        return ""
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    # A parquet column of whole numbers in which one is missing is read as floats.
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)
