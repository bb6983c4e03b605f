"""Plain lists of a published set's files, one a line: what every reader of such lists asks of them."""

from pathlib import Path

from crosspath.errors import InputError


def numbered_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """(row as an editor counts it, text) of every line that is not blank.

    Raises
    ------
    InputError
        For a list that is missing, empty or not UTF-8; `expected` says what should stand in it.
    """
    if not path.is_file():
        raise InputError(path, expected, "none", "check the data folder")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"{expected}, in UTF-8", str(error), "save it as such") from None
    lines = [(row, line.strip()) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(path, expected, "an empty file", "get it again")
    return lines


def refuse_repeated(seen: dict[str, str], name: str, where: str) -> None:
    """Remember where a sample was named; a second time is an error, within a list and across the lists of a set."""
    if name in seen:
        # A file in two parts would be judged on what it was trained on.
        raise InputError(where, "every file once", f"{name}, named in {seen[name]} too", "remove one of the rows")
    seen[name] = where
