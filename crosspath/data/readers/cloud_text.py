"""Point clouds in text files: a point on each row, x y z and more.

Values are separated by blanks, tabs, semicolons or commas, each with or without blanks around it. Where something else
separates them, a comma may stand for the decimal point. Whatever could be read in two ways is refused.
"""

import re
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.counts import quantity
from crosspath.data.items import DamageError
from crosspath.data.readers.cloud_arrays import MOST_COLUMNS, xyz_rows
from crosspath.data.text_files import THOUSANDS, number_in

NUMBERS = tuple("+-.0123456789")
"""First characters of a text file without a heading."""
COMMENTS = ("#", "//", "%")
"""Beginnings of rows that hold no point."""
AXES = ("x", "y", "z")
BLANKS = re.compile(r"[ \t]+")
UNITS = re.compile(r"[ \t]*[(\[][^()\[\]]*[)\]]")
"""`(m)` behind the name of a column."""
LEADING_ZERO = re.compile(r"[+-]?0\d+|-0")
"""A whole number that nobody writes, but the digits behind a decimal comma may be."""
Row = tuple[int, str]


def read_text_cloud(path: Path) -> NDArray[np.float64]:
    """The coordinates (P, 3) of a text file.

    Rows that begin with `#`, `//` or `%` are comments; a first row with one whole number states how many points follow;
    a heading, also one in a comment, that names x, y and z says which columns they are, in any order and with units in
    brackets behind them.

    Raises
    ------
    DamageError
        With the row, for values that are not finite numbers, rows of unequal length and ambiguous commas; for another
        encoding than UTF-8 or UTF-16 with a byte order mark; and for more or fewer points than stated.
    """
    values, names = read_text_columns(path, xyz=True)
    # A heading says that rows are points, however few.
    return xyz_rows(values) if names is None else values[:, [names.index(axis) for axis in AXES]]


def read_text_columns(path: Path, *, xyz: bool = False) -> tuple[NDArray[np.float64], list[str] | None]:
    """All columns (P, C) of such a file, and their names in lower case where a heading gives them. Where `xyz` says
    that no more are needed, columns behind the coordinates may be missing. Raises `DamageError` as `read_text_cloud`.
    """
    text = _decode(path.read_bytes())
    quick = _read_plain(text, xyz=xyz)
    if quick is not None:
        return quick, None
    names, comments, count, rows = _headings(text)
    if not rows:
        raise DamageError("it has no points")
    values = _parse(rows)
    names = names or _heading_among(comments, values.shape[1])
    if count is not None and count != len(values):
        raise DamageError(f"it states {count} points and has {len(values)}")
    if names is not None and len(names) != values.shape[1] and not (xyz and tuple(names[:3]) == AXES):
        raise DamageError(f"its heading names {quantity(len(names), 'column')}, its rows have {values.shape[1]}")
    return values, names


def _decode(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise DamageError(f"it is no complete UTF-16 ({error})") from None
    if b"\0" in content:
        raise DamageError("it has zero bytes: save it in UTF-8")
    return content.decode("utf-8-sig", errors="replace")


def _read_plain(text: str, *, xyz: bool) -> NDArray[np.float64] | None:
    """The values of rows of numbers and blanks, ten times faster than row by row; None where a row is anything else."""
    # Of other characters some are blanks to numpy, such as the narrow one that separates thousands.
    if not text.startswith(NUMBERS) or "," in text or ";" in text or not text.isascii():
        return None
    lines = text.rstrip().splitlines()
    columns = len(lines[0].partition("#")[0].split())
    # Told to read the first three, numpy does not compare the rows.
    if columns < 3 or {len(line.partition("#")[0].split()) for line in lines} - {0} != {columns}:
        return None
    try:
        few = xyz and columns <= MOST_COLUMNS and len(lines) > MOST_COLUMNS
        values = np.loadtxt(StringIO(text), usecols=(0, 1, 2) if few else None, ndmin=2)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _headings(text: str) -> tuple[list[str] | None, list[list[str]], int | None, list[Row]]:
    """(names of the columns, x, y and z among them; words of comments, which may be names too; stated number of points;
    rows of numbers).
    """
    heading, count = None, None
    comments: list[list[str]] = []
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        row = line.strip(" \t\r")
        if not row:
            continue
        comment = row.startswith(COMMENTS)
        if not rows and (comment or row[0].isalpha() or row[0] == '"'):
            names = [name.strip('"').lower() for name in re.split(r"[ \t;,]+", UNITS.sub("", row.lstrip("#/% ")))]
            places = [place for place, name in enumerate(names) if name in AXES]
            # In a comment the three may also be words of a sentence, but not one behind the other.
            if _names_each_axis(names) and (not comment or places[-1] - places[0] == 2):
                heading = names
                continue
            comments.append(names)
        if comment:
            continue
        if not rows and count is None and row.isascii() and row.isdecimal():
            count = int(row)
            continue
        rows.append((number, row.partition("#")[0].rstrip()))
    return heading, comments, count, rows


def _names_each_axis(names: list[str]) -> bool:
    return all(names.count(axis) == 1 for axis in AXES)


def _heading_among(comments: list[list[str]], columns: int) -> list[str] | None:
    """The comment that has a word for each column, and names x, y and z. Raises `DamageError` for one that names two of
    them, or one of them twice: which columns the coordinates are, it does not say.
    """
    for names in comments:
        if len(names) != columns or not all(name[:1].isalpha() for name in names):
            continue
        if _names_each_axis(names):
            return names
        if sum(name in AXES for name in names) > 1:
            todo = "name each of x, y and z once, or remove the comment if they come first"
            raise DamageError(f"its comment names the columns {', '.join(names)}: {todo}")
    return None


def _parse(rows: list[Row]) -> NDArray[np.float64]:
    """The values (P, C) of rows of text."""
    values: list[list[float]] = []
    open_commas = decimal_commas = False
    first_separator = ""
    for number, row in rows:
        separator, fields = _fields(number, row)
        first_separator = first_separator or separator
        if separator != first_separator:
            raise DamageError(f"row {number}: another separator than in the rows above: {row[:40]!r}")
        commas = [field for field in fields if "," in field]
        if any("." in field or field.count(",") > 1 for field in commas):
            raise DamageError(f"row {number}: thousands separators or mixed separators in {row[:40]!r}")
        decimal_commas |= any(not THOUSANDS.fullmatch(field) for field in commas)
        open_commas |= bool(commas)
        try:
            values.append([number_in(field.replace(",", ".")) for field in fields])
        except ValueError:
            raise DamageError(f"row {number}: expected numbers, found {row[:40]!r}") from None
        if not np.isfinite(values[-1][:3]).all():
            raise DamageError(f"row {number}: not finite: {row[:40]!r}")
        if len(fields) < 3:
            raise DamageError(f"row {number}: expected x y z, found {row[:40]!r}")
        if len(fields) != len(values[0]):
            raise DamageError(
                f"row {number}: expected {quantity(len(values[0]), 'value')} as above, found {row[:40]!r}"
            )
    if open_commas and not decimal_commas:
        raise DamageError(f"row {rows[0][0]}: commas could separate thousands or decimals in {rows[0][1][:40]!r}")
    return np.array(values)


def _fields(number: int, row: str) -> tuple[str, list[str]]:
    """(separator, values of a row, as text); a comma that is left in a value is a decimal comma."""
    separator = ";" if ";" in row else "," if "," in row else " "
    if separator == " ":
        return separator, BLANKS.split(row)
    pieces = [piece.strip(" \t") for piece in row.split(separator)]
    if not pieces[-1]:  # some writers end each row with a separator
        pieces.pop()
    if separator == "," and any(BLANKS.search(piece) for piece in pieces):
        # Blanks stand between values without a comma: the commas are inside values.
        return " ", BLANKS.split(row)
    two_commas = re.search(r",[ \t]", row) and re.search(r",[^ \t]", row)
    if separator == "," and "." not in row and (two_commas or any(map(LEADING_ZERO.fullmatch, pieces))):
        raise DamageError(f"row {number}: commas both between and inside values in {row[:40]!r}")
    return separator, pieces
