"""Run a study in parts of some minutes, on one machine after another, and join them.

    python studies/gpu/parts.py run STUDY.yaml --part 3 --of 33 --data DATA --out runs/part-3
    python studies/gpu/parts.py join STUDY.yaml runs/part-* --out runs/whole

A part is every n-th arm of the study, with its search. It begins no run that would end after `--minutes`; the same
command goes on, and exits with 0 once the part is complete (3 before). `join` copies finished runs, and writes tables
and report once all are there.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosspath.errors import InputError
from crosspath.files import read_json_as, write_json
from crosspath.study.cells import Cell, Job
from crosspath.study.definition import Study, read_study
from crosspath.study.folder import AUXILIARIES, DEFINITION, RUNS, claim_folder, differences
from crosspath.study.jobs import DIVERGENCE, Place
from crosspath.study.plan import Origins, auxiliaries_of, comparisons
from crosspath.study.pools import Pool, local_pool
from crosspath.study.results import StudyResults, write_results
from crosspath.study.search import read_choice, search_then_train
from crosspath.study.steps import run_steps
from crosspath.training.result import RESULT, Result

EXIT_UNFINISHED = 3
"""Exit code of a part that has runs left."""
ENDS = (RESULT, DIVERGENCE)


class TimeUpError(Exception):
    """A further run would end too late."""


@dataclass
class TimedPool:
    """A pool that begins no run which, as long as the longest so far, would end after the deadline."""

    pool: Pool
    deadline: float
    """On `time.monotonic`."""
    longest: float = 0.0
    began: dict[Path, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.pool.size

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        has_result = any((place.runs / job.folder / name).is_file() for name in ENDS)
        if not has_result and time.monotonic() + self.longest > self.deadline:
            raise TimeUpError
        start = time.monotonic()
        future = self.pool.submit(job, place)
        if not has_result:
            future.add_done_callback(lambda _: self._note(time.monotonic() - start))
        return future

    def _note(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)


def cells_of(study: Study, origins: Origins) -> list[Cell]:
    """Every arm of a study, once, in the order of its file."""
    every = comparisons(study, origins)
    return list(dict.fromkeys(cell for one in every for cell in (one.none, *one.others)))


def run_part(
    study: Study,
    part: int,
    of: int,
    *,
    out: Path,
    data: Path | None = None,
    minutes: float = 8.0,
    pool: Callable[[], AbstractContextManager[Pool]] = lambda: local_pool(1),
) -> bool:
    """Carry out what is missing of part `part` (from 1) of `of`; whether all of it is finished.

    Raises
    ------
    InputError
        For a part that does not exist, and as `run_study`.
    """
    origins = auxiliaries_of(study)
    cells = cells_of(study, origins)
    if not 1 <= part <= of or of > len(cells):
        expected = f"a part from 1 to --of, and at most {len(cells)} parts, one an arm"
        raise InputError("--part", expected, f"{part} of {of}", "choose other numbers")
    deadline = time.monotonic() + 60 * minutes
    with claim_folder(out, study):
        write_json(out / AUXILIARIES, {name: list(origin) for name, origin in origins.items()})
        place = Place(runs=(out / RUNS).resolve(), data_root=data, auxiliaries=dict(study.auxiliaries), threads=1)
        steps = tuple(search_then_train(cell, study, place.runs) for cell in cells[part - 1 :: of])
        try:
            with pool() as workers:
                run_steps(steps, TimedPool(workers, deadline), place, _report)
        except TimeUpError:
            return False
    return True


def join(study: Study, parts: Sequence[Path], *, out: Path) -> StudyResults | None:
    """Copy the finished runs of all parts into `out`; tables and report once none is missing, else None.

    Raises
    ------
    InputError
        For a folder of another study, and parts with different results for one run or different auxiliaries.
    """
    for part in parts:
        _refuse_other(part, study)
    origins = dict(read_json_as(parts[0] / AUXILIARIES, dict[str, tuple[str, str | None]]))
    _refuse_mixed(parts)
    with claim_folder(out, study):
        runs = out / RUNS
        ends = {end: runs / end.parent.relative_to(part / RUNS) for part in parts for end in _result_files(part)}
        _refuse_different(ends)
        write_json(out / AUXILIARIES, {name: list(origin) for name, origin in origins.items()})
        for end, folder in ends.items():
            if not (folder / end.name).is_file():
                _copy(end.parent, folder)
        for cell in cells_of(study, origins):
            choice = read_choice(runs, cell)
            jobs = () if choice is None else choice.final_jobs(cell, study.seed_list)
            if not jobs or not all((runs / job.folder / RESULT).is_file() for job in jobs):
                return None
        return write_results(out, f"python studies/gpu/parts.py join {study.name}.yaml")


def _result_files(folder: Path) -> Iterator[Path]:
    """The results of a folder, and the records of trials that diverged."""
    for name in ENDS:
        yield from sorted((folder / RUNS).glob(f"**/{name}"))


def _refuse_other(part: Path, study: Study) -> None:
    """Raise `InputError` for a folder whose study differs, but for where its auxiliaries lay."""
    if not (part / DEFINITION).is_file():
        raise InputError(part, "the folder of a part", f"no {DEFINITION} in it", "name the --out of `parts.py run`")
    changes = differences(read_study(part / DEFINITION), study)
    own = {name: pair for name, pair in changes.items() if not name.startswith("auxiliaries.")}
    if own:
        found = ", ".join(f"{name} {json.dumps(old)}, here {json.dumps(new)}" for name, (old, new) in own.items())
        raise InputError(part, "a part of this study", found, "join the parts of one study file")


def _refuse_different(ends: Mapping[Path, Path]) -> None:
    """Raise `InputError` where two parts, or a part and the joined folder, have different results for one run."""
    first: dict[Path, Path] = {}
    for end, folder in ends.items():
        other = first.setdefault(folder / end.name, folder / end.name if (folder / end.name).is_file() else end)
        if _metrics(end) != _metrics(other):
            found = f"other metrics than in {other.parent}"
            raise InputError(end.parent, "one result for one run", found, "remove one of the two and repeat")


def _metrics(end: Path) -> Any:
    return json.loads(end.read_text(encoding="utf-8")).get("metrics") if end.name == RESULT else None


def _copy(run: Path, folder: Path) -> None:
    """Copy one run, completely or not at all."""
    partial = folder.with_name(f"{folder.name}.partial")
    for old in (folder, partial):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(run, partial)
    partial.rename(folder)


def _refuse_mixed(parts: Sequence[Path]) -> None:
    """Raise `InputError` where two parts had different weights under the name of one auxiliary."""
    first: dict[str, tuple[str, Path]] = {}
    for path in (path for part in parts for path in sorted((part / RUNS).glob(f"**/pathway-*/**/{RESULT}"))):
        for name, origin in json.loads(path.read_text(encoding="utf-8"))["auxiliaries"].items():
            digest, other = first.setdefault(name, (origin["sha256"], path.parent))
            if origin["sha256"] != digest:
                found, todo = f"others in {path.parent} than in {other}", "run one of the parts anew with the other's"
                raise InputError(f"auxiliary {name}", "the same weights in all parts", found, todo)


def _report(job: Job, result: Result | None) -> None:
    print(f"{job.label}: {'diverged' if result is None else f'{result.duration_s:.0f} s'}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a part or join them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run, joining = commands.add_parser("run"), commands.add_parser("join")
    for command in (run, joining):
        command.add_argument("study", type=Path, help="the study's file")
        command.add_argument("--out", type=Path, required=True)
    run.add_argument("--part", type=int, required=True, help="from 1")
    run.add_argument("--of", type=int, required=True, help="number of parts")
    run.add_argument("--data", type=Path, help="folder with one sub-folder per data set")
    run.add_argument("--minutes", type=float, default=8.0, help="no run begins that would end later")
    run.add_argument("--workers", type=int, default=4, help="runs at a time, which share the GPU")
    joining.add_argument("parts", nargs="+", type=Path, help="folders of parts")
    options = parser.parse_args(arguments)
    try:
        study = read_study(options.study)
        if options.command == "join":
            results = join(study, options.parts, out=options.out)
            print(results or "runs are missing: finish all parts, and join them again")
            return 0 if results else EXIT_UNFINISHED
        is_complete = run_part(
            study,
            options.part,
            options.of,
            out=options.out,
            data=options.data,
            minutes=options.minutes,
            pool=lambda: local_pool(options.workers),
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print("the part is complete" if is_complete else "runs are left: repeat the command")
    return 0 if is_complete else EXIT_UNFINISHED


if __name__ == "__main__":
    sys.exit(main())
