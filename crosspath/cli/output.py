"""Output of the verbs on stdout: tables and lines, or exactly one JSON object."""

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

from crosspath.escape import to_terminal

BORDER = 3
"""Characters between the texts of two columns."""
FIRST = "0"
"""The rank of the first process, as `torchrun` sets it; any other value is used unchanged."""


def rank_of_process() -> str:
    """The rank that `torchrun` gave this process; the first one's where it runs alone."""
    return os.environ.get("RANK", FIRST)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line; numbers that are not finite, which JSON cannot hold, are null."""
    from crosspath.files import finite

    print_line(json.dumps(finite(value), allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table below its title, which is not wrapped; the first column is aligned left, the others right.

    Lines break between words. Where the terminal is too narrow even for the words, each row is a paragraph instead,
    with one line for each of its cells.
    """
    from rich.console import Console
    from rich.table import Table

    if title is not None:
        print_line(title)
    rows = [[to_terminal(cell) for cell in row] for row in rows]
    console, table = Console(file=sys.stdout, markup=False, highlight=False), Table()
    widths = _column_widths([*zip(columns, *rows, strict=True)], console.width - BORDER * len(columns) - 1)
    if widths is None:
        _print_paragraphs(columns, rows)
        return
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold", width=width)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _column_widths(columns: Sequence[Sequence[str]], available: int) -> list[int] | None:
    """Each column's longest word, and what is left over to the columns that need the least; None where not even the
    words fit.
    """
    lines = [max(len(line) for text in column for line in text.splitlines() or [""]) for column in columns]
    widths = [max(len(word) for text in column for word in text.split() or [""]) for column in columns]
    spare = available - sum(widths)
    if spare < 0:
        return None
    for index in sorted(range(len(columns)), key=lambda index: lines[index] - widths[index]):
        more = min(lines[index] - widths[index], spare)
        widths[index], spare = widths[index] + more, spare - more
    return widths


def _print_paragraphs(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as lines: its first cell, then `column: cell` of every other cell that is not empty."""
    names = [" ".join(column.split()) for column in columns[1:]]
    for first, *others in rows:
        print_line(" ".join(first.split()))
        for name, cell in zip(names, others, strict=True):
            if cell.strip():
                print_line(f"  {name}: {' '.join(cell.split())}" if name else f"  {' '.join(cell.split())}")


def print_line(text: str) -> None:
    """Print one line."""
    sys.stdout.write(to_terminal(text) + "\n")


def print_paragraph(text: str) -> None:
    """Print text, broken between words at the width of the terminal."""
    for line in wrap(text, get_terminal_size().columns, break_long_words=False, break_on_hyphens=False):
        print_line(line)


def print_note(text: str) -> None:
    """Print one line on stderr; of several processes only the first does."""
    if rank_of_process() == FIRST:
        sys.stderr.write(to_terminal(text) + "\n")


def print_next(*words: object) -> None:
    """Print the command that usually follows, as one line on stderr."""
    print_note(f"next: {shlex.join(map(str, words))}")


def print_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Print the metrics of a run's held-out parts side by side; a part without metrics has no column, and one that is
    too small for a metric, such as R² of one sample, an empty cell.
    """
    from crosspath.metrics import plain_text

    parts = [part for part in ("test", "validation") if metrics[part]]
    names = dict.fromkeys(name for part in parts for name in metrics[part])
    parts.reverse()
    rows = [
        (name, *(plain_text(name, metrics[part][name]) if name in metrics[part] else "" for part in parts))
        for name in names
    ]
    print_table(("metric", *parts), rows)


def equality_line(bitwise: bool, max_difference: float | None) -> str:
    """Whether merged and connected outputs are equal, in one line; None is a difference that is not finite."""
    difference = "a value that is not finite" if max_difference is None else f"at most {max_difference:.3g}"
    answer = "bitwise" if bitwise else f"no, by {difference}"
    return f"merged output equals connected output: {answer}"
