"""The tables of the published pages, number by number, from the values in `results.json`; for `check.py`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from number_forms import METRICS, forms_of
from recompute import Row, saving_of, statistics_of

MARKED_TABLE = re.compile(r"<!-- table: ([\w,-]+) (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
NUMBERS = (
    re.compile(r"[+−]\d+\.\d+ \([+−]\d+\.\d+ to [+−]\d+\.\d+\)"),
    re.compile(r"\d+\.\d+ ± \d+\.\d+"),
    re.compile(r"(?<![\d.+−])\d+\.\d+ \(\d+\.\d+ to \d+\.\d+\)"),
)
"""A difference with its interval, a mean with its standard deviation, a label-saving factor with its interval."""
SAME = ("target", "labels_per_class", "variant")
"""What two rows of one comparison share."""


def wrong_numbers(pages: Sequence[Path], rows: Sequence[Row]) -> Iterator[tuple[str, str | None]]:
    """(place, None) of every such number in a marked table that follows from the values of its studies, and (place,
    what is printed) of every other."""
    choices: dict[str, set[str]] = {}
    for study in {row["study"] for row in rows}:
        choices[study] = set(numbers_of([row for row in rows if row["study"] == study]))
    for page in pages:
        for studies, kind, table in MARKED_TABLE.findall(page.read_text(encoding="utf-8")):
            texts = set().union(*(choices.get(study, set()) for study in studies.split(",")))
            for line in table.splitlines()[2:]:
                for number in (number for form in NUMBERS for number in form.findall(line)):
                    name = " ".join(cell.strip(" `") for cell in line.split("|")[1:3])
                    yield f"{page.name} {kind} of {studies}, {name}", None if number in texts else number


def numbers_of(rows: Sequence[Row]) -> Iterator[str]:
    """All that a table may print of one study: means, differences from `none` and of `pathway` from each arm, and label
    factors, each with what stands beside it."""
    for row in rows:
        metric = row["metric"]
        yield from forms_of(statistics_of(row["values"], None, metric), METRICS[metric][0], metric) or ()
        for other in (other for other in rows if all(row[key] == other[key] for key in SAME)):
            if other["arm"] in ("none", "scratch") or row["arm"] == "pathway":
                yield from differences(row, other)
        curve = {
            other["labels_per_class"]: other["values"]
            for other in rows
            if other["arm"] == "none" and (other["target"], other["variant"]) == (row["target"], row["variant"])
        }
        if len(curve) > 1 and row["arm"] != "none":
            saving = saving_of(row, row["values"], curve)
            if saving["low"] is not None:
                yield f"{saving['factor']:.2f} ({saving['low']:.2f} to {saving['high']:.2f})"


def differences(row: Row, other: Row) -> Iterator[str]:
    """The difference of two rows with its interval."""
    numbers: Mapping[str, Any] = statistics_of(row["values"], other["values"], row["metric"])
    for difference in forms_of(dict(numbers), "difference", row["metric"]) or ():
        for interval in forms_of(dict(numbers), "95 % interval", row["metric"]) or ():
            yield f"{difference} ({interval})"
