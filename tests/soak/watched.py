"""Run cases one after the other in a process that is watched: time, memory, and whether it lives."""

import multiprocessing
import os
import resource
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from crosspath.errors import InputError

WHOLE = -1
"""The number of the case whose file is unchanged."""
HANGS_AFTER = 60.0
"""Seconds without an end, after which the process is killed: the machine may be busy with other work."""
MOST_MEMORY = 6 << 30
"""Bytes of address space beyond what the process has at first; what asks for more gets a MemoryError."""


@dataclass(frozen=True)
class Case:
    """How one case went."""

    number: int
    fault: str = ""
    """Empty where it was read or refused."""
    refused: bool = False
    seconds: float = 0.0
    """Of the processor: the clock of the wall also counts other people's work."""
    mib: float = 0.0
    """The largest growth of memory while it ran."""


def watch(run: Callable[[int], None], numbers: range) -> Iterator[Case]:
    """`run(number)` for each number, in a process of its own that is started again where a case ends it."""
    numbers_left = numbers
    while numbers_left:
        ours, theirs = multiprocessing.Pipe()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _work(run, numbers_left, theirs)
        theirs.close()
        number = numbers_left.start
        try:
            while number < numbers_left.stop:
                if not ours.poll(HANGS_AFTER):
                    yield Case(number, f"no end within {HANGS_AFTER:.0f} s")
                    number += 1
                    break
                yield Case(number, *ours.recv())
                number += 1
        except EOFError:
            yield Case(number, "the process died")
            number += 1
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            ours.close()
        numbers_left = range(number, numbers_left.stop)


def _work(run: Callable[[int], None], numbers: range, pipe: Connection) -> None:
    """The life of a forked process, which never returns."""
    try:
        size = _memory("VmSize")
        if size:
            resource.setrlimit(resource.RLIMIT_AS, (int(size * 1024) + MOST_MEMORY,) * 2)
        with _quiet():
            with suppress(BaseException):
                run(WHOLE)  # whatever is imported late, is imported now
            for number in numbers:
                pipe.send(_measured(run, number))
    finally:
        os._exit(0)


def _measured(run: Callable[[int], None], number: int) -> tuple[str, bool, float, float]:
    fault, refused = "", False
    _forget_peak()
    before, start = _memory("VmRSS"), time.process_time()
    try:
        run(number)
    except InputError as error:
        refused = True
        if "\n" in str(error):
            fault = f"a message of several lines: {str(error)[:300]!r}"
    except BaseException:
        fault = traceback.format_exc(limit=-6)
    seconds = time.process_time() - start
    return fault, refused, seconds, (_memory("VmHWM") - before) / 1024


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what libraries print or warn of."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _memory(entry: str) -> float:
    """KiB of an entry of Linux's own account; 0 on other systems."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{entry}:"))
    return float(line.split()[1])


def _forget_peak() -> None:
    """From now on VmHWM is the peak of what follows."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
