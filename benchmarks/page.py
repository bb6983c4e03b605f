"""docs/benchmarks.md, written from the JSON files in benchmarks/results/: `python -m benchmarks.page`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.parts import PARTS
from benchmarks.tables import Interval, markdown, table_of, text

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

INTRODUCTION = """\
# Benchmarks

`make bench` measures all of this in its short form, in about ten minutes on two cores; `--long` adds sizes and rounds.
Each section names its command, its machine, and how noisy that machine was.

Times depend on the machine: compare ratios, not milliseconds. Every round runs each variant once, mostly in a new
random order; a ratio is the median over rounds of the ratio within a round, so that a slow moment meets both sides.
`1.05 [1.03, 1.07]` is a median with its 95 % interval by order statistics. *Noise* is one piece of work measured
against itself in the same way, before and after the part.
"""
NEXT = "Next: [what a pathway costs, and why](method.md), or [several devices](scaling.md)."


def read_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """{part: its result}, of the parts that have been measured, in the order of `PARTS`."""
    files = {name: folder / f"{name}.json" for name in PARTS}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for result in results.values() for line in _section(result)), NEXT, ""])


def _section(result: Mapping[str, Any]) -> Iterable[str]:
    yield from (f"## {result['title']}", "", result["question"], "", conditions(result), "")
    for entry in result["tables"]:
        yield from (markdown(table_of(entry)), "")


def conditions(result: Mapping[str, Any]) -> str:
    """The command that made a result, its machine and the noise, as Markdown."""
    machine, noise, loads = result["machine"], result["noise"], result["load"]
    libraries = f"Python {machine['python']}, torch {machine['torch']}, timm {machine['timm']}"
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    itself = " and ".join(text(Interval(**entry["ratio_to_itself"])) for entry in noise)
    spread = " and ".join(f"{100 * entry['spread']:.0f} %" for entry in noise)
    load = "" if None in loads else f"; load {' to '.join(f'{value:.1f}' for value in loads)}"
    return (
        f"`{result['command']}` ({result['seconds']:.0f} s) on {machine['processor']}, {machine['cores']} cores, "
        f"{threads}; {libraries}. Noise before and after: {itself}; times spread by {spread}{load}."
    )


if __name__ == "__main__":
    PAGE.write_text(page(read_results()), encoding="utf-8")
