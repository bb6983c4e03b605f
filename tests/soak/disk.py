"""A disk that is full: at the n-th operation of a run, for each n; and a real small one of every size."""

import ctypes
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crosspath.cli.main import main
from tests.soak import runs
from tests.soak.operations import MAKING, Operations, fail
from tests.soak.outcome import Budget, Outcome
from tests.soak.processes import Ending, in_fork

NEW_USER, NEW_MOUNTS, PRIVATE, REMOUNT = 0x10000000, 0x00020000, 0x44000, 32
PAGE_KIB = 4
AMPLE_KIB = 65536


def run(budget: Budget) -> Outcome:
    """A share of all operations, then of all sizes of a small disk; a seed draws which."""
    outcome = Outcome("disk")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        home = runs.prepare(Path(folder))
        commands: dict[str, Callable[[Path], list[str]]] = {
            "train": runs.train_command,
            "merge": lambda out: ["merge", "whole", str(out)],
        }
        draw = random.Random(f"disk {budget.seed}")
        places = [(name, number) for name in commands for number in range(1, operations_of(home, commands[name]) + 1)]
        outcome.figures |= {f"operations of {name}": sum(kind == name for kind, _ in places) for name in commands}
        draw.shuffle(places)
        half = Budget(budget.tries, budget.left / 2)
        for name, number in places[: budget.tries]:
            if half.left < 0:
                break
            outcome.tried[f"operations of {name}"] += 1
            try_operation(home, name, commands[name], number, outcome)
        try_sizes(home, draw, budget, outcome)
    return outcome


def operations_of(home: Path, words: Callable[[Path], list[str]]) -> int:
    """How many operations a command has that need room."""
    out = home / "counted"

    def call() -> int:
        os.chdir(home)
        runs.read_from_memory()
        operations = Operations(out, None, fail, MAKING)
        code = main(words(out))
        (home / "count").write_text(str(operations.count))
        return code

    ended = in_fork(call)
    assert ended.code == 0, ended.stderr
    shutil.rmtree(out)
    return int((home / "count").read_text())


def try_operation(home: Path, name: str, words: Callable[[Path], list[str]], number: int, outcome: Outcome) -> None:
    """The disk is full from one operation on; then there is room again."""
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)

    def call() -> int:
        os.chdir(home)
        runs.read_from_memory()
        Operations(out, number, fail, MAKING)
        return main(words(out))

    ended = in_fork(call)
    fault = fault_of_full(ended, out)
    if not fault:
        again = runs.command(home, words(out))
        if name == "train":
            fault = runs.fault_of_end(home, out, again)
        elif again.code != 0:
            fault = f"it does not succeed once there is room: {again.stderr[-1500:]}"
    if fault:
        outcome.faults.append(f"{name}, operation {number}: {fault}")


def fault_of_full(ended: Ending, out: Path) -> str:
    """What is wrong with the end of a command for which there was no room."""
    if ended.code == 0:
        return runs.fault_between(out)
    if ended.code != 2 or "Traceback" in ended.stderr:
        return f"code {ended.code}: {ended.stderr[-1500:]}"
    if "space" not in ended.last_line:
        return f"no word of the disk: {ended.last_line}"
    return runs.fault_between(out)


def try_sizes(home: Path, draw: random.Random, budget: Budget, outcome: Outcome) -> None:
    """Runs on disks of a few pages to just too few, each in a mount of its own."""
    used = sum(-(-file.stat().st_size // 4096) * PAGE_KIB for file in (home / "whole").rglob("*") if file.is_file())
    sizes = list(range(PAGE_KIB, 3 * used, PAGE_KIB))
    draw.shuffle(sizes)
    for number, size in enumerate(sizes[: budget.tries]):
        if budget.left < 0:
            return
        ended = in_fork(lambda size=size: on_small_disk(home, size))
        if number == 0 and ended.code == UNMOUNTED:
            outcome.skipped.append("this system mounts no tmpfs for us: disks of real sizes are left out")
            return
        outcome.tried["sizes of a disk"] += 1
        if ended.code != 0:
            outcome.faults.append(f"a disk of {size} KiB: {ended.stderr[-2000:]}")


UNMOUNTED = 9


def on_small_disk(home: Path, kib: int) -> int:
    """In a forked process: 0 where the run ends in one line, and resumes once the disk is larger."""
    place = home / "disk"
    place.mkdir(exist_ok=True)
    with small_disk(place, kib) as resize:
        if resize is None:
            return UNMOUNTED
        out = place / "run"
        fault = fault_of_full(runs.command(home, runs.train_command(out)), out)
        if not fault:
            resize(AMPLE_KIB)
            fault = runs.fault_of_end(home, out, runs.command(home, runs.train_command(out)))
    if fault:
        os.write(2, fault.encode())
    return int(bool(fault))


@contextmanager
def small_disk(place: Path, kib: int) -> Iterator[Callable[[int], None] | None]:
    """A tmpfs of this size at `place`, for this process alone, and what resizes it; None where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    flags = NEW_MOUNTS if user == 0 else NEW_MOUNTS | NEW_USER
    if not hasattr(libc, "unshare") or libc.unshare(flags) != 0:
        yield None
        return
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    libc.mount(b"none", b"/", None, PRIVATE, None)

    def mount(size: int, flags: int) -> bool:
        return bool(libc.mount(b"tmpfs", str(place).encode(), b"tmpfs", flags, f"size={size}k".encode()) == 0)

    def resize(size: int) -> None:
        mount(size, REMOUNT)

    yield resize if mount(kib, 0) else None
