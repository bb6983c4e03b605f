"""`crosspath study` and `crosspath report`, and the tables that both and `crosspath compare` print."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspath.cli.options import DataRoot, Json
from crosspath.cli.output import print_json, print_line, print_paragraph, print_table

if TYPE_CHECKING:
    from crosspath.study.rows import Row


def study(
    file: Path,
    /,
    *,
    data: DataRoot = None,
    out: Path | None = None,
    workers: int = 1,
    threads: int = 1,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Run a study: targets × auxiliaries × arms × seeds, as its file defines them.

    Example: `crosspath study studies/twelve-directions.yaml --data DIR --workers 2`

    Finished runs are not repeated: the same command resumes a stopped study.

    Parameters
    ----------
    file
        The definition of the study (`.yaml`).
    out
        Folder of the study; default: `runs/` and the study's name.
    workers
        Number of runs at a time, each in its own process.
    threads
        Number of threads per run.
    ray
        Address of a Ray cluster that carries out the runs instead, such as `auto`.
    """
    import sys

    from crosspath.study.study import run_study

    results = run_study(
        file, out=out, data=data, workers=workers, threads=threads, ray=ray, command=command_line(sys.argv)
    )
    if json:
        print_json(results)
        return
    print_results(results)


def report(folder: Path, /, *, json: Json = False) -> None:
    """Rewrite the tables and the report of a study, a comparison or a demo from its result files.

    Example: `crosspath report runs/twelve-directions`

    Parameters
    ----------
    folder
        The folder of the study, comparison or demo.
    """
    from crosspath.study.demo_plan import COMPARISON, SUMMARY
    from crosspath.study.results import write_results

    results = write_results(folder / COMPARISON if (folder / SUMMARY).is_file() else folder)
    if json:
        print_json(results)
        return
    print_results(results)


def print_results(results: Mapping[str, Any]) -> None:
    """Print the tables of a study or comparison, its answer, the next step, and where the report is."""
    print_rows(results["rows"])
    answer = results["answer"]
    print_paragraph(answer["sentence"])
    print_paragraph(f"next: {answer['next_step']}")
    if answer["command"] is not None:
        print_line(f"  {answer['command']}")
    print_line(f"report: {results['report']}")


SHORT_COLUMNS = {"difference": "diff.", "seeds needed": "seeds\nneeded"}
"""Column names that fit a comparison into a terminal of 80 columns."""


def print_comparison(rows: "Sequence[Row]", title: str, *, auxiliary: bool = True) -> None:
    """Print one table; the auxiliary, unless left out, stands in the title, or below each arm if there are several."""
    from crosspath.study.reports.table import cells, columns_of

    headings = columns_of(rows)
    columns = [SHORT_COLUMNS.get(column, column.replace(", %", "\n%")) for column in headings if column != "auxiliary"]
    names = list(dict.fromkeys(row.auxiliary for row in rows if row.auxiliary)) if auxiliary else []
    lines = []
    for row in rows:
        values = dict(zip(headings, cells(row), strict=True))
        name = values.pop("auxiliary")
        if len(names) > 1 and name:
            values["arm"] += f"\n{name}"
        lines.append(tuple(values.values()))
    print_table(columns, lines, f"{title}, auxiliary {names[0]}" if len(names) == 1 else title)


def print_rows(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of `results.json`, one table per comparison."""
    from crosspath.metrics import METRICS
    from crosspath.study.reports.row_words import direction
    from crosspath.study.reports.table import detectable_text, group_rows, notes_on
    from crosspath.study.rows import Row

    for title, rows in group_rows([Row.from_json(entry) for entry in entries]).items():
        print_comparison(rows, title)
        for row in rows:
            if row.verdict == "no evidence" and row.unsettled is None:
                print_line(f"{direction(row)}: {row.reason}")
            if row.detectable is not None:
                size = f"{detectable_text(row)} {METRICS[row.metric].unit_of_differences}".strip()
                print_line(f"{direction(row)}: a true difference of {size} would be detected in 80 % of cases")
        for note in notes_on(rows):
            print_line(note)


def command_line(arguments: Sequence[str]) -> str:
    """The command of this process, with only the last part of absolute paths."""
    parts = [Path(part).name if Path(part).is_absolute() else part for part in arguments[1:]]
    return shlex.join(["crosspath", *parts])
