"""One writer per folder: a lock that the operating system releases when its process ends, however it ends."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from crosspath.errors import InputError
from crosspath.files import new_folder, sweep, writing

LOCK, OWNER = ".lock", ".lock.json"
"""The lock, and which process holds it. An unfinished folder keeps the first; a finished one has neither."""
LOCK_FILES = (LOCK, OWNER)
GRACE_S = 2.0
"""Workers of a killed process outlive it by a moment; a lock is waited for that long."""


@contextmanager
def claim(folder: Path, option: str = "--out") -> Iterator[None]:
    """Create `folder` if necessary, and keep other processes from writing to it while the block runs.

    Raises
    ------
    InputError
        For a folder that another process holds, with that process's number and machine.
    """
    with _hold(folder / LOCK, folder / OWNER, folder, option):
        yield


@contextmanager
def claim_file(path: Path, option: str) -> Iterator[None]:
    """As `claim`, for one new file: a lock beside it, which is removed when the block ends.

    Raises
    ------
    InputError
        Also for a file that has come to exist.
    """
    lock = path.with_name(f".{path.name}{LOCK}")
    with _hold(lock, lock.with_suffix(".json"), path, option):
        try:
            if path.exists():
                raise InputError(path, "a new file", "one that exists", f"choose another {option}")
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
                lock.unlink()


@contextmanager
def claim_new(folder: Path, option: str) -> Iterator[None]:
    """As `claim`, for a folder that is still new or empty, and that is complete when the block ends.

    After an error it is empty again, so that the same command can be repeated once there is room on the disk.
    """
    with claim(folder, option):
        new_folder(folder, option, beside=LOCK_FILES)
        sweep(folder)
        try:
            yield
        except BaseException:
            for path in folder.iterdir():
                if path.name not in LOCK_FILES:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
        finally:
            remove_lock(folder)


@contextmanager
def _hold(lock_file: Path, owner: Path, place: Path, option: str) -> Iterator[None]:
    with writing(lock_file.parent):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(lock_file).acquire(timeout=GRACE_S)
        except Timeout:
            raise _in_use_error(place, owner, option) from None
    with lock:
        with writing(lock_file.parent):
            owner.write_text(json.dumps({"process": os.getpid(), "machine": socket.gethostname()}), encoding="utf-8")
        try:
            yield
        finally:
            owner.unlink(missing_ok=True)


def refuse_used(folder: Path, option: str = "--out") -> None:
    """Raise `InputError` for a folder that another process holds; nothing is created."""
    if (folder / LOCK).is_file() and os.access(folder / LOCK, os.W_OK):
        try:
            FileLock(folder / LOCK).acquire(timeout=GRACE_S).lock.release()
        except Timeout:
            raise _in_use_error(folder, folder / OWNER, option) from None


def remove_lock(folder: Path) -> None:
    """Remove the lock of a finished folder: whoever still waits for it finds a folder that nobody writes to."""
    with suppress(OSError):  # Windows removes no open file; there the lock goes when it is released
        (folder / LOCK).unlink()


def _in_use_error(place: Path, owner_file: Path, option: str) -> InputError:
    try:
        owner = json.loads(owner_file.read_text(encoding="utf-8"))
        found = f"one in use by process {int(owner['process'])} on {owner['machine']}"
    except (OSError, ValueError, KeyError, TypeError):
        found = "one in use"
    todo = f"wait until it ends, or choose another {option}"
    return InputError(place, "a place that no other process writes to", found, todo)
