"""The folder of a `try`: what was asked, what was decided and when, and how much time has gone.

Decisions that depend on a clock are written as they are made and read again by a resumed race, which therefore ends as
an uninterrupted one; time that an interrupted one spent still counts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, as_kind, read_json, read_json_as, write_json
from crosspath.locks import LOCK_FILES, claim, remove_lock

DEFINITION, DECISIONS, CLOCK, ANSWER = "try.json", "decisions.json", "clock.json", "answer.json"
BUDGET, COSTS, PLAN = "budget_s", "costs", "plan"
"""One of the definition, two of the decisions."""
FREE = ("workers",)
"""Of the definition: a resumed race may have others, which change how long it takes and no run."""
NO_RESUME = "the race cannot be resumed without it: name another folder with --out"
RUNS, MODEL, REPORT = "runs", "model", "report.html"
TICK_S = 1.0
"""Between two notes of the time: a process that is killed loses that much."""


Kind = TypeVar("Kind")


@dataclass(frozen=True)
class _Clock:
    """The content of `clock.json`."""

    seconds: float


@dataclass
class RaceFolder:
    """The folder, while this process alone writes to it."""

    path: Path
    decisions: dict[str, Any]
    earlier: float
    """Seconds that interrupted processes spent."""
    start: float
    notes: tuple[str, ...] = ()
    """What is unlike in the process before."""

    def clock(self) -> float:
        """Seconds spent so far, on the clock of the wall."""
        return self.earlier + time.perf_counter() - self.start

    def decide(self, name: str, kind: type[Kind], decision: Callable[[], Any]) -> Kind:
        """The decision of this name: that which was made before, or else a new one, written before it is followed.

        Raises `InputError` for one that is not of this kind, in a damaged file.
        """
        if name not in self.decisions:
            self.decisions[name] = decision()
            write_json(self.path / DECISIONS, {"format_version": FORMAT_VERSION, **self.decisions})
        return as_kind(self.decisions[name], kind, f"{self.path / DECISIONS}, {name!r}", NO_RESUME)


@contextmanager
def open_race(path: Path, definition: Mapping[str, Any]) -> Iterator[RaceFolder]:
    """The folder of a new or interrupted `try`; its clock runs inside the block. A `try` that is refused before it has
    decided anything leaves no folder behind.

    Raises
    ------
    InputError
        For a folder with other files, one of another `try`, and one that another process uses.
    """
    check_folder(path, definition)
    with _claim_or_leave_nothing(path):
        before = read_json(path / DEFINITION, NO_RESUME) if (path / DEFINITION).is_file() else definition
        notes = tuple(
            f"{name} were {before.get(name)} and are {definition[name]}: runs stay the same, and take longer or shorter"
            for name in FREE
            if name in definition and before.get(name) != definition[name]
        )
        write_json(path / DEFINITION, dict(definition))
        decisions = _read_decisions(path)
        todo = 'write into it the seconds that were spent, such as {"seconds": 600}'
        earlier = read_json_as(path / CLOCK, _Clock, todo).seconds if (path / CLOCK).is_file() else 0.0
        folder = RaceFolder(path=path, decisions=decisions, earlier=earlier, start=time.perf_counter(), notes=notes)
        with _ticking(folder):
            yield folder


@contextmanager
def _claim_or_leave_nothing(path: Path) -> Iterator[None]:
    """`claim`; after a refusal, what this process has noted in an empty folder goes, and the folder if it was new."""
    is_new = not path.exists()
    is_empty = is_new or not any(path.iterdir())
    goes = False
    try:
        with claim(path):
            try:
                yield
            except InputError:
                goes = is_empty and all(entry.name in (DEFINITION, CLOCK, *LOCK_FILES) for entry in path.iterdir())
                if goes:
                    with suppress(OSError):  # nothing hides the refusal
                        for name in (DEFINITION, CLOCK):
                            (path / name).unlink(missing_ok=True)
                        remove_lock(path)
                raise
    finally:
        if goes and is_new:
            with suppress(OSError):
                path.rmdir()


def check_folder(path: Path, definition: Mapping[str, Any]) -> None:
    """Raise `InputError` for a folder with other files, or of a `try` of something else."""
    if path.exists() and not path.is_dir():
        raise InputError(path, "a folder", "a file", "name another with --out")
    if not (path / DEFINITION).is_file():
        if path.exists() and any(entry.name not in LOCK_FILES for entry in path.iterdir()):
            raise InputError(path, "a new folder, or that of a try", "other files", "name another with --out")
        return
    before = read_json(path / DEFINITION, NO_RESUME)
    changes = [
        f"{name} {before.get(name)!r}, now {value!r}"
        for name, value in definition.items()
        if before.get(name) != value and name not in FREE and not (name == BUDGET and not _has_plan(path))
    ]
    if changes:
        raise InputError(path, "the same try", ", ".join(changes), "name another folder with --out")


def _has_plan(path: Path) -> bool:
    """Whether a plan was made: until then another budget changes nothing, and a refused one can be raised."""
    return PLAN in _read_decisions(path)


def _read_decisions(path: Path) -> dict[str, Any]:
    """The decisions made so far. Raises `InputError` for a damaged file, or one of another version."""
    if not (path / DECISIONS).is_file():
        return {}
    decisions = read_json(path / DECISIONS, NO_RESUME)
    version = decisions.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise InputError(path / DECISIONS, f"format_version {FORMAT_VERSION}", repr(version), NO_RESUME)
    return decisions


@contextmanager
def _ticking(folder: RaceFolder) -> Iterator[None]:
    """Note the time every `TICK_S`, so that a process that is killed has its time counted."""
    stop = threading.Event()

    def note() -> None:
        write_json(folder.path / CLOCK, {"seconds": round(folder.clock(), 1)})

    def run() -> None:
        while not stop.wait(TICK_S):
            note()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        note()
