"""`crosspath demo`."""

from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Json
from crosspath.cli.output import print_json, print_line, print_table


def demo(
    *,
    auxiliary: Literal["sounds", "solids"] = "sounds",
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    out: Path = Path("runs/demo"),
    json: Json = False,
) -> None:
    """Run the whole story, small and offline: grow an auxiliary, train with and without its pathway, merge, compare.

    Example: `crosspath demo --auxiliary solids`

    The target reads handwritten digits and has few labels; the auxiliary has only seen generated data of another
    modality. Three arms (`none`, `pathway`, `random`) have the same budget. Takes minutes on two cores; writes a run
    folder for every run, and `report.html`.

    Parameters
    ----------
    auxiliary
        What the auxiliary model grows on.
    seeds
        Repetitions of every arm; each redraws initial weights, order, labels and the random control.
    out
        A new or empty folder, or one of an earlier demo, whose results are replaced.
    json
        Print one JSON object on stdout.
    """
    from crosspath.study.demo import demo as run_demo
    from crosspath.study.demo import equality_line

    found = run_demo(out, auxiliary=auxiliary, seeds=seeds)
    if json:
        print_json(found)
        return
    _print_rows(found)
    print_line(equality_line(found["equality"]))
    print_line(found["report"])


SHORTER = {"accuracy, %": "accuracy\n%", "difference": "diff.", "seeds needed": "seeds\nneeded"}
"""Column names that let the table fit a terminal of 80 columns; the auxiliary stands in its title."""


def _print_rows(found: dict[str, Any]) -> None:
    from crosspath.study.table import CAPTION, COLUMNS, Row, cells

    rows = [Row(**row) for row in found["rows"]]
    shown = [number for number, column in enumerate(COLUMNS) if column != "auxiliary"]
    title = f"{found['target']}, {found['labels_per_class']} labels a class; auxiliary: {found['auxiliary']}"
    columns = [SHORTER.get(COLUMNS[number], COLUMNS[number]) for number in shown]
    print_table(columns, [[cells(row)[number] for number in shown] for row in rows], title)
    for row in rows:
        if row.verdict is not None:
            print_line(f"{row.arm}: {row.verdict} ({row.reason})")
    print_line(fill(f"{CAPTION} Few seeds decide little: this is a demonstration.", width=80))
