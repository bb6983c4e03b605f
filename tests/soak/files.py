"""Mutated files over every reader: read or refused in one line, in time, within memory."""

import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.soak.corpora import KINDS
from tests.soak.folders import FOLDERS
from tests.soak.mutations import mutated, mutated_values
from tests.soak.outcome import Budget, Outcome
from tests.soak.watched import WHOLE, Case, watch

SLOWEST = 2.0
"""Seconds of the processor that a small file may take."""
LARGEST = 1024.0
"""MiB that a small file may ask for: twice `limits.BYTES`, the most that one sample may be."""
STRUCTURED = (".json", ".yaml", " planned", " reported", " merged", " again")
"""Ends of the names of kinds whose values are changed too, beside their bytes."""
ROUND, SLOW_ROUND = 25, 3
"""Cases of one kind before it is the next one's turn; of kinds that take long, fewer."""
SLOW_KINDS = tuple(name for name in FOLDERS if name.startswith(("stopped", "study", "certified certificate")))
"""Their readers train a step, draw a report, or compute outputs."""

ALL_KINDS = {**FOLDERS, **{name: kind for name, kind in KINDS.items() if name not in FOLDERS}}


def content_of(name: str, whole: bytes, case: int) -> bytes:
    """The changed file of a case: it follows from the kind and the number alone."""
    choose = random.Random(f"{name} {case}")
    if name.endswith(STRUCTURED) and choose.random() < 0.7:
        return mutated_values(whole, choose)
    return mutated(whole, choose)


def try_kind(name: str, cases: range) -> list[Case]:
    """Some cases of one kind, in a watched process."""
    write, read = ALL_KINDS[name]
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        path = folder / name
        write(path)
        whole = path.read_bytes()
        return list(watch(_reader(name, path, whole, read), cases))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reader(name: str, path: Path, whole: bytes, read: Callable[[Path], object]) -> Callable[[int], None]:
    def run(case: int) -> None:
        path.write_bytes(whole if case == WHOLE else content_of(name, whole, case))
        read(path)

    return run


def run(budget: Budget, kinds: Sequence[str] = tuple(ALL_KINDS)) -> Outcome:
    """A share of every kind in turn, until the tries or the time are used up."""
    outcome = Outcome("files")
    first, left = budget.seed, budget.tries
    slowest, largest = ("", 0.0), ("", 0.0)
    while left > 0 and budget.left > 0:
        for name in kinds:
            count = min(SLOW_ROUND if name in SLOW_KINDS else ROUND, left)
            if count <= 0 or budget.left <= 0:
                break
            left -= count
            for case in try_kind(name, range(first, first + count)):
                how = f"python -m tests.soak.run files --kinds '{name}' --seed {case.number} --tries 1"
                outcome.tried["files"] += 1
                outcome.tried["refused"] += case.refused
                outcome.tried["read"] += not case.refused and not case.fault
                fault = case.fault
                if not fault and case.seconds > SLOWEST:
                    fault = f"{case.seconds:.1f} s"
                if not fault and case.mib > LARGEST:
                    fault = f"{case.mib:.0f} MiB"
                if fault:
                    outcome.faults.append(f"{name} {case.number}: {fault}\n{how}")
                slowest = max(slowest, (name, case.seconds), key=lambda pair: pair[1])
                largest = max(largest, (name, case.mib), key=lambda pair: pair[1])
        first += ROUND
    outcome.figures[f"s, the slowest ({slowest[0]})"] = round(slowest[1], 2)
    outcome.figures[f"MiB, the largest ({largest[0]})"] = round(largest[1])
    return outcome
