"""`crosspath demo`."""

from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Json
from crosspath.cli.output import equality_line, print_json, print_line, print_next


def demo(
    *,
    auxiliary: Literal["sounds", "solids"] = "sounds",
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    out: Path = Path("runs/demo"),
    json: Json = False,
) -> None:
    """Run a complete example on a CPU, offline: train an auxiliary, train with and without its pathway, merge, compare.

    Example: `crosspath demo --auxiliary solids`

    The target classifies handwritten digits from a few labels; the auxiliary is trained on generated data of another
    modality. Three arms (`none`, `pathway`, `random`) have the same budget. The demo takes minutes on two cores, and
    writes a run folder for every run, and `report.html`.

    Parameters
    ----------
    auxiliary
        The generated data on which the auxiliary is trained.
    seeds
        Number of seeds; each redraws initial weights, order, labels and the random control.
    out
        A new or empty folder, or that of an earlier demo, whose results are replaced.
    """
    from crosspath.study.demo import demo as run_demo

    summary = run_demo(out, auxiliary=auxiliary, seeds=seeds)
    if json:
        print_json(summary)
        return
    _print_rows(summary)
    print_line(equality_line(summary["equality"]["bitwise"], summary["equality"]["max_difference"]))
    print_line(summary["report"])
    print_next("crosspath", "data", "check", "FOLDER")


def _print_rows(summary: dict[str, Any]) -> None:
    from crosspath.cli.study import print_comparison
    from crosspath.study.table import CAPTION, Row

    rows = [Row.from_json(entry) for entry in summary["rows"]]
    title = f"{summary['target']}, {summary['labels_per_class']} labels per class; auxiliary: {summary['auxiliary']}"
    print_comparison(rows, title, auxiliary=False)
    for row in rows:
        if row.verdict is not None:
            print_line(f"{row.arm}: {row.verdict} ({row.reason})")
    print_line(fill(f"{CAPTION} A few seeds are too few for a conclusion: this is a demonstration.", width=80))
