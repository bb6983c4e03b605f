"""Files that are complete or absent: written under a temporary name, flushed to disk and renamed."""

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from crosspath.errors import InputError

WINDOWS = os.name == "nt"
WRITING = ".writing-"
"""What the names of temporary folders begin with."""
TEMPORARY_NAME = re.compile(r"\.(.+)\.\d+\.writing")
"""The names of temporary files, as `replacing` gives them."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise `InputError` where the system refuses to write to `folder` (no permission, no space)."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        todo = "make room or give permission, or choose another folder"
        raise InputError(folder, "a folder that can be written", found, todo) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to; flushed and renamed when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.writing")
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            flush(temporary)
            open_to_readers(temporary)
            temporary.replace(path)
            flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def name_behind(file: Path) -> str:
    """The name that a file has, or will have if a process was killed while it wrote it."""
    match = TEMPORARY_NAME.fullmatch(file.name)
    return file.name if match is None else match[1]


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A temporary folder; its files are flushed and moved into `folder` when the block ends without an error."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=WRITING, dir=folder))
        try:
            yield temporary
            files = sorted(temporary.iterdir())
            for file in files:
                flush(file)
            for file in files:
                open_to_readers(file)
                file.replace(folder / file.name)
            flush(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder` and below it."""
    for path in [*folder.rglob(".*.writing"), *folder.rglob(".*.tmp"), *folder.rglob(f"{WRITING}*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def open_to_readers(path: Path) -> None:
    """Give a file the permissions of the user's other new files; safetensors makes files for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def flush(path: Path) -> None:
    """Wait until the file or folder is on the disk. Windows opens no folder, and flushes only what may be written."""
    if WINDOWS and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write text, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def new_folder(path: Path, option: str, beside: Collection[str] = ()) -> None:
    """Raise `InputError` unless `path` is an empty folder but for files named `beside` and what a killed process left
    half-written, or missing and can be made and written to.
    """
    if path.exists() and not (path.is_dir() and all(_is_nothing(file, beside) for file in path.iterdir())):
        found = "one with files in it" if path.is_dir() else "a file"
        raise InputError(path, "a new or empty folder", found, f"choose another {option}")
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        found = f"{nearest}, " + ("which cannot be written" if nearest.is_dir() else "which is a file")
        raise InputError(path, "a folder that can be made", found, f"choose another {option}")


def _is_nothing(file: Path, beside: Collection[str]) -> bool:
    return file.name in beside or file.name.startswith(WRITING)


def is_file(path: Path) -> bool:
    """Whether a path is a file; False for a name that is too long, or that holds a NUL."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
