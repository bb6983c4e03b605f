"""What a verb prints: tables for people, or exactly one JSON object, on stdout."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line."""
    print_line(json.dumps(value, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table below its title, which is never wrapped; the first column is text, the others stand to the right."""
    from rich.console import Console
    from rich.table import Table

    if title is not None:
        print_line(title)
    table = Table()
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stdout, markup=False, highlight=False).print(table)


def print_line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def print_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """The metrics of a run's held-out parts side by side; a part that was not read has no column."""
    parts = [part for part in ("validation", "test") if metrics[part]]
    rows = [(name, *(f"{metrics[part][name]:.4f}" for part in parts)) for name in metrics[parts[-1]]]
    print_table(("metric", *parts), rows)


def print_plan(planned: Mapping[str, Any]) -> None:
    """What `--dry-run` says: the resolved recipe, then sizes; what depends on the data is said to."""
    import yaml

    print_line(yaml.safe_dump(planned["recipe"], sort_keys=False, allow_unicode=True).rstrip())
    rows = [(name, _amount(name, value)) for name, value in planned.items() if name != "recipe"]
    print_table(("", "value"), rows)


def _amount(name: str, value: object) -> str:
    if value is None:
        return "from the data"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**30:.2f} GiB"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
