"""Forked processes that run one command, and what became of them."""

import gc
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ending:
    """How a process ended."""

    code: int
    """Its exit code; minus the signal's number where one ended it."""
    stderr: str
    """What it wrote to stderr."""
    seconds: float

    @property
    def last_line(self) -> str:
        """The last line that is not empty."""
        return next((line for line in reversed(self.stderr.splitlines()) if line.strip()), "")


def in_fork(call: Callable[[], int], kill_after: float | None = None) -> Ending:
    """`call()` in a forked process, whose exit code it returns; killed after some seconds, if it still runs."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        pid = os.fork()
        if pid == 0:
            _carry_out(call, stderr.fileno())
        if kill_after is not None:
            while time.monotonic() < start + kill_after and os.waitid(os.P_PID, pid, _LOOK) is None:
                time.sleep(0.002)
            if os.waitid(os.P_PID, pid, _LOOK) is None:
                os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        stderr.seek(0)
        return Ending(os.waitstatus_to_exitcode(status), stderr.read(), time.monotonic() - start)


_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT
"""Whether a process has ended, without taking its exit code."""


def _carry_out(call: Callable[[], int], stderr: int) -> None:
    """The life of a forked process, which never returns."""
    code = 1
    # Garbage of the process that forked stays: what its threads own, such as a process group, cannot be freed here.
    gc.freeze()
    try:
        os.dup2(stderr, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False)
        code = call()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def contents(folder: Path, names: tuple[str, ...]) -> dict[str, bytes | None]:
    """The bytes of some files; None where one is missing."""
    return {name: (folder / name).read_bytes() if (folder / name).is_file() else None for name in names}
