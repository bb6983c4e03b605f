"""`crosspath demo`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Json
from crosspath.cli.output import equality_line, print_json, print_line, print_next, print_paragraph


def demo(
    *,
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 5,
    out: Path = Path("runs/demo"),
    json: Json = False,
) -> None:
    """Run a complete example on a CPU, offline: train two auxiliaries, compare a target with and without them, merge.

    Example: `crosspath demo`

    The target classifies generated sounds with few labels. One auxiliary has learned from the same sounds without
    labels, and helps; the other from handwritten digits, and does not. The report says how much, and why. All arms have
    the same budget. The demo takes minutes on two cores, and writes a run folder for every run, and a report.

    Parameters
    ----------
    seeds
        Number of seeds; each redraws initial weights, order, labels and the random control.
    out
        A new or empty folder, or that of an earlier demo, whose results are replaced.
    """
    from crosspath.cli.study import print_results
    from crosspath.study.demo import demo as run_demo

    summary = run_demo(out, seeds=seeds)
    if json:
        print_json(summary)
        return
    print_paragraph(summary["about"])
    for entry in summary["merges"]:
        print_line(f"{entry['target']}: {equality_line(entry['bitwise'], entry['max_difference'])}")
    print_results(summary)
    print_next("crosspath", "data", "check", "FOLDER")
