"""The `.ts` format of the UEA and UCR archives: a header of `@` lines, then one case a line.

Values are separated by commas, channels by colons, and the class stands behind the last colon; `?` is a missing value.
Source: the format's description at https://www.aeon-toolkit.org, "Data file formats".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosspath.data.label_cells import MISSING
from crosspath.data.readers.series_values import Floats
from crosspath.data.text_files import lines_of, number_in, read_text
from crosspath.errors import InputError

EXPECTED = "a .ts file of the UEA and UCR archives"


@dataclass(frozen=True)
class Case:
    """One series of a file."""

    row: int
    """As an editor counts it."""
    values_CT: Floats  # noqa: N815
    label: str | None


@dataclass(frozen=True)
class TsFile:
    """What a file holds."""

    classes: tuple[str, ...]
    """As the header lists them; empty for a set without labels."""
    cases: tuple[Case, ...]
    numbers: bool = False
    """Whether the label of a case is a number (`@targetLabel true`), of a set of regression."""


def read_ts(path: Path, encoding: str | None = None) -> TsFile:
    """All cases of a file.

    Raises
    ------
    InputError
        With the row, for a header or a case that breaks the format, values that are no numbers, channels that the
        header does not announce, and a class that it does not list; for series with time stamps.
    """
    header: dict[str, str] = {}
    lines = lines_of(read_text(path, EXPECTED, encoding, "data.encoding"))
    body = 0
    for number, (row, line) in enumerate(lines):
        text = line.strip()
        if text.startswith("#"):
            continue
        if not text.startswith("@"):
            raise InputError(f"{path} row {row}", "@data before the first case", text[:60], f"is it {EXPECTED}?")
        tag, _, value = text[1:].partition(" ")
        if tag.lower() == "data":
            body = number + 1
            break
        header[tag.lower()] = value.strip()
    if not body:
        raise InputError(path, EXPECTED, "no @data", "check the file")
    classes, numbers = _classes(path, header), header.get("targetlabel", "false").lower().startswith("true")
    cases = tuple(
        _case(f"{path} row {row}", row, line.strip(), header, classes, numbers)
        for row, line in lines[body:]
        if not line.lstrip().startswith("#")
    )
    if not cases:
        raise InputError(path, "a case on each line after @data", "none", "check the file")
    channels = len(cases[0].values_CT)
    for case in cases:
        if len(case.values_CT) != channels:
            found = f"{len(case.values_CT)}, and {channels} in row {cases[0].row}"
            raise InputError(f"{path} row {case.row}", "as many channels as before", found, "correct the case")
    return TsFile(classes, cases, numbers)


def _classes(path: Path, header: Mapping[str, str]) -> tuple[str, ...]:
    if header.get("timestamps", "false").lower() == "true":
        todo = "write the values alone, evenly spaced in time, with @timeStamps false; or use csv with a time column"
        raise InputError(path, "values without time stamps", "@timeStamps true", todo)
    flag, *names = header.get("classlabel", "false").split()
    if flag.lower() not in ("true", "false"):
        raise InputError(path, "@classLabel true or false", f"@classLabel {flag}", "correct the header")
    if flag.lower() == "true" and not names:
        raise InputError(path, "@classLabel true with the classes behind it", "no class", "correct the header")
    return tuple(names) if flag.lower() == "true" else ()


def _case(where: str, row: int, text: str, header: Mapping[str, str], classes: tuple[str, ...], numbers: bool) -> Case:
    if "(" in text:
        todo = "write the values alone, evenly spaced in time; or use csv with a time column"
        raise InputError(where, "values without time stamps", text[:40], todo)
    *parts, last = text.split(":")
    label = last.strip() if classes or numbers else None
    if label is None:
        parts.append(last)
    if label is not None and classes and label not in classes:
        raise InputError(where, f"a class of @classLabel ({', '.join(classes)})", repr(label), "correct the case")
    if not parts:
        raise InputError(where, "values, a colon and the class", text[:60], "correct the case")
    count = "1" if header.get("univariate", "").lower() == "true" else header.get("dimensions")
    if count is not None and count != str(len(parts)):
        raise InputError(where, f"{count} channels, as the header says", str(len(parts)), "correct the case")
    channels = [_values(where, number, part) for number, part in enumerate(parts, 1)]
    lengths = {len(channel_T) for channel_T in channels}
    if len(lengths) > 1:
        found = f"{min(lengths)} to {max(lengths)} values"
        raise InputError(where, "as many values in each channel", found, "complete the shorter ones with ?")
    length = header.get("serieslength") if header.get("equallength", "").lower() == "true" else None
    if length is not None and length != str(len(channels[0])):
        found = str(len(channels[0]))
        raise InputError(where, f"{length} values, as the header says", found, "correct the case or @equalLength")
    return Case(row, np.stack(channels), label)


def _values(where: str, channel: int, part: str) -> Floats:
    texts = [text.strip() for text in part.split(",")]
    try:
        values = np.array([np.nan if _is_missing(text) else number_in(text) for text in texts])
    except ValueError:
        wrong = next(text for text in texts if not _is_missing(text) and not _is_number(text))
        found = repr(wrong[:40]) if wrong else "nothing between two commas"
        raise InputError(where, f"numbers, or ? for a missing one, in channel {channel}", found, "correct it") from None
    if np.isinf(values).any():
        raise InputError(where, f"finite numbers in channel {channel}", "infinity", "write ? for a missing value")
    return values


def _is_missing(text: str) -> bool:
    return text != "" and text.casefold() in MISSING


def _is_number(text: str) -> bool:
    try:
        number_in(text)
    except ValueError:
        return False
    return True
