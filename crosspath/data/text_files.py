"""Text that users and publishers write: its encoding, and its lines as an editor counts them."""

import codecs
import io
import re
from pathlib import Path
from typing import Any

from crosspath.errors import InputError
from crosspath.limits import BYTES

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and the codecs that read them."""
UTF_16_SHARE = 4
"""A text in Latin letters has a NUL byte in every two in UTF-16; with more than one in four it may be such a text."""
ARCHIVES = {b"PK\x03\x04": "a zip, as .xlsx files are", b"\x1f\x8b": "a gzip", b"\xd0\xcf\x11\xe0": "an .xls file"}
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""1,234 is 1.234 or 1234."""


def read_text(path: Path, expected: str, encoding: str | None = None, setting: str | None = None) -> str:
    """The text of a file: in `encoding`, else as its byte order mark says, else in UTF-8.

    `setting` is the dotted name under which a user sets the encoding. Which of the many 8-bit encodings a file has
    cannot be told from its bytes, so it is not guessed.

    Raises
    ------
    InputError
        For a file that is missing or binary, an unknown encoding, one that the byte order mark contradicts, and, with
        the row, bytes of another encoding.
    """
    if not path.is_file():
        raise InputError(path, expected, "none", "check the data folder")
    reason = BYTES.excess(path.stat().st_size)
    if reason is not None:
        raise InputError(path, expected, reason, "check the file")
    return decode_text(path.read_bytes(), str(path), expected, encoding, setting)


def decode_text(
    content: bytes, where: str, expected: str, encoding: str | None = None, setting: str | None = None
) -> str:
    """As `read_text`, of content that was read already."""
    for mark, kind in ARCHIVES.items():
        if content.startswith(mark):
            raise InputError(where, expected, kind, "unpack it, or export the table as CSV in UTF-8")
    mark, marked_codec = next(((mark, codec) for mark, codec in MARKS if content.startswith(mark)), (b"", "utf-8"))
    codec = encoding or marked_codec
    start = content.find(0)
    try:
        if mark and mark.decode(codec, errors="replace") not in ("", "\ufeff"):
            found = f"the byte order mark of {marked_codec.removesuffix('-sig').upper()}"
            todo = f"save it in {codec.upper()}, or all files in UTF-8 and leave {setting or 'the encoding'} out"
            raise InputError(where, f"{expected} in {codec.upper()}", found, todo)
        text = content.decode(codec)
    except LookupError:
        todo = "name one of Python's, such as utf-8, utf-16-le or cp1252"
        raise InputError(setting or where, "a text encoding", repr(encoding), todo) from None
    except UnicodeDecodeError as error:
        if start < 0:
            start = error.start
    else:
        if "\0" not in text:
            return text.removeprefix("\ufeff")
    todo = "save it in UTF-8"
    if content.count(0) > len(content) // UTF_16_SHARE:
        likely = "utf-16-le" if start % 2 else "utf-16-be"
    else:
        likely = "cp1252" if encoding is None else "utf-8"
        todo = todo if content[start] else "remove it"
    if setting is not None and todo != "remove it":
        todo += f", or try --set {setting}={likely}"
    row = content[:start].count(b"\n") + 1
    raise InputError(f"{where} row {row}", f"{expected} in {codec.upper()}", f"byte 0x{content[start]:02x}", todo)


def number_in(cell: Any) -> float:
    """The number in a cell, as `float` reads it; but 1_000 and digits of other scripts are none. Raises `ValueError` or
    `TypeError`."""
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else cell
    if isinstance(text, str) and ("_" in text or not text.strip().isascii()):
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


def lines_of(text: str) -> list[tuple[int, str]]:
    r"""(line number as an editor counts it, line) of every line that is not blank; \n, \r\n and \r end a line."""
    lines = enumerate(io.StringIO(text, newline=None), 1)
    return [(number, line.rstrip("\n")) for number, line in lines if line.strip()]


def numbered_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """(line number as an editor counts it, text without spaces around it) of every line that is not blank.

    Raises
    ------
    InputError
        For a list that is missing, empty or not UTF-8; `expected` says what it should hold.
    """
    lines = [(row, line.strip()) for row, line in lines_of(read_text(path, expected))]
    if not lines:
        raise InputError(path, expected, "an empty file", "download it again")
    return lines


def class_names(path: Path, content: bytes | None = None) -> tuple[str, ...]:
    """The names of classes 0, 1, … of a list with one on each line. Blank lines may stand at the end alone.

    `content` are the bytes of a list that was read already.

    Raises
    ------
    InputError
        As `numbered_lines` does; and, with the row, for a blank line, after which numbers would be shifted, and for a
        repeated name.
    """
    expected = "class names, one on each line"
    text = read_text(path, expected) if content is None else decode_text(content, str(path), expected)
    first_rows: dict[str, int] = {}
    for number, (row, line) in enumerate(lines_of(text)):
        name = line.strip()
        if row != number + 1:
            todo = "remove the blank line or name the class: the place of a line is the number of its class"
            raise InputError(f"{path} row {number + 1}", "a class name", "a blank line", todo)
        if name in first_rows:
            found = f"{name}, also in row {first_rows[name]}"
            raise InputError(f"{path} row {row}", "every class once", found, "correct it")
        first_rows[name] = row
    if not first_rows:
        raise InputError(path, expected, "an empty file", "download it again")
    return tuple(first_rows)
