"""Counts the file operations of a process below one folder, and lets one of them fail or be the last.

Python reports them to audit hooks before they happen; safetensors writes past Python, so its function is wrapped. A
hook cannot be removed again: use these in processes that end.
"""

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
MAKING = frozenset({"os.mkdir", "os.rename", "os.link", "os.symlink"})
"""Operations that need room on a disk."""
REMOVING = frozenset({"os.remove", "os.rmdir", "os.truncate"})
"""Operations that a full disk allows, and at which a process can be killed."""


class Operations:
    """The operations below a folder so far."""

    def __init__(self, folder: Path, at: int | None, act: Callable[[str], None], events: frozenset[str]) -> None:
        self.folder = str(folder.resolve())
        self.at = at
        self.act = act
        self.events = events
        self.count = 0
        sys.addaudithook(self._hear)
        self._wrap()

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and isinstance(path, str | bytes | os.PathLike):
                self._count(os.fsdecode(path))
        elif event in self.events and isinstance(arguments[0], str | bytes | os.PathLike):
            self._count(os.fsdecode(arguments[0]))

    def _wrap(self) -> None:
        write, flush = safetensors.torch.serialize_file, os.fsync

        @functools.wraps(write)
        def serialize_file(tensors: Any, filename: Any, *rest: Any, **named: Any) -> Any:
            self._count(os.fsdecode(filename))
            return write(tensors, filename, *rest, **named)

        @functools.wraps(flush)
        def fsync(handle: int) -> None:
            link = Path(f"/proc/self/fd/{handle}")
            self._count(str(link.readlink()) if link.parent.exists() else self.folder)
            flush(handle)

        safetensors.torch.serialize_file = serialize_file
        os.fsync = fsync

    def _count(self, path: str) -> None:
        if not str(Path(path).absolute()).startswith(self.folder):
            return
        self.count += 1
        if self.at is not None and self.count >= self.at:
            self.act(path)


def fail(path: str) -> None:
    """The disk is full, and stays so."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def die(path: str) -> None:
    """The process ends without a word."""
    os.kill(os.getpid(), signal.SIGKILL)
