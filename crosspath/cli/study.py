"""`crosspath study` and `crosspath report`, and how the tables of both and of `compare` are printed."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crosspath.cli.options import Data, Json
from crosspath.cli.output import print_json, print_line, print_table
from crosspath.errors import InputError


def study(
    file: Path,
    /,
    *,
    data: Data = None,
    out: Path | None = None,
    workers: int = 1,
    threads: int = 1,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Carry out a study file: targets x auxiliaries x arms x seeds. A stopped study goes on where it stopped.

    Example: `crosspath study studies/twelve-directions.yaml --data DIR --workers 2`

    Parameters
    ----------
    file
        The study (`.yaml`).
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    out
        Its folder; default: `runs/` and the study's name.
    workers
        Runs at a time, each in a process of its own.
    threads
        Of each run.
    ray
        Address of a Ray cluster that carries out the runs instead, such as `auto`.
    json
        Print one JSON object on stdout.
    """
    import sys

    from crosspath.study.study import run_study

    found = run_study(
        file, out=out, data_root=data, workers=workers, threads=threads, ray=ray, command=said_as(sys.argv)
    )
    if json:
        print_json(found)
        return
    print_rows(found)
    print_line(f"written to {found['folder']}")


def report(folder: Path, /, *, json: Json = False) -> None:
    """Write tables and report of a study or comparison again, from its result files only.

    Example: `crosspath report runs/twelve-directions`

    Parameters
    ----------
    folder
        The folder of a study, a comparison or a demo.
    json
        Print one JSON object on stdout.
    """
    from crosspath.study.report import SUMMARY, write_report
    from crosspath.study.study import REPORT, write_results

    if (folder / SUMMARY).is_file():
        written = write_report(folder)
        print_json({"report": str(written)}) if json else print_line(f"written to {written}")
        return
    found = write_results(folder)
    if json:
        print_json(found)
        return
    print_rows(found)
    print_line(f"written to {folder / REPORT}")


def print_rows(found: Mapping[str, Any]) -> None:
    """A table for every comparison."""
    from crosspath.study.table import COLUMNS, Row, cells, heading

    groups: dict[str, list[Row]] = {}
    for entry in found["rows"]:
        row = Row(**{**entry, "seeds": tuple(entry["seeds"]), "values": tuple(entry["values"])})
        groups.setdefault(heading(row), []).append(row)
    for title, rows in groups.items():
        print_table(COLUMNS, [cells(row) for row in rows], title)
        for row in rows:
            if row.verdict == "no evidence":
                print_line(f"{row.arm} {row.auxiliary or ''}: {row.reason}")


def rates_of(text: str | None) -> tuple[float, ...]:
    """The numbers of a list with commas. Raises `InputError` for anything else."""
    try:
        rates = tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        rates = (-1.0,)
    if any(rate <= 0 for rate in rates):
        raise InputError("--rates", "positive numbers with commas", repr(text), "write them as 3e-4,1e-3")
    return rates


def said_as(arguments: Sequence[str]) -> str:
    """The command as it was given; folders of this machine by their last part."""
    shown = [Path(part).name if part.startswith("/") else part for part in arguments[1:]]
    return shlex.join(["crosspath", *shown])
