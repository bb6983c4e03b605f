"""Unpack a downloaded archive: plain files and folders below one folder, and nothing else."""

import shutil
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from crosspath.errors import InputError

RAR_TOOLS = {
    "unrar": ("unrar", "x", "-idq", "-y", "{archive}", "{into}/"),
    "7z": ("7z", "x", "-bd", "-y", "-o{into}", "{archive}"),
    "bsdtar": ("bsdtar", "-x", "-f", "{archive}", "-C", "{into}"),
}
"""Programs that unpack rar, for which Python has no library of its own, and how they are called."""

NO_ROOM = "make room, or name another folder with --data DIR"


def unpack(archive: Path, into: Path) -> None:
    """Everything in a zip, a rar or, whatever its suffix, a tar (also compressed), below the folder `into`.

    Raises
    ------
    InputError
        For an archive that is damaged or of another kind, members that would land outside `into` or are links or
        devices, a disk without room, and a rar where no program can unpack it.
    """
    into.mkdir(parents=True, exist_ok=True)
    try:
        if archive.suffix.lower() == ".rar":
            _unpack_rar(archive, into)
        elif archive.suffix.lower() == ".zip":
            _unpack_zip(archive, into)
        else:
            _unpack_tar(archive, into)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, RuntimeError) as error:
        found = f"a damaged one ({' '.join(str(error).split())})"
        raise InputError(archive, "a whole archive", found, "remove it and get it again") from None
    except OSError as error:
        raise InputError(into, "a folder to unpack into", error.strerror or str(error), NO_ROOM) from None


def _unpack_zip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            kind = member.external_attr >> 28  # the upper bits of a Unix mode; 0 where none is stored
            _refuse_unsafe(archive, member.filename, kind in (0, 0o4, 0o10))
        size = sum(member.file_size for member in members)
        free = shutil.disk_usage(into).free
        if size > free:
            raise InputError(
                into, f"room for {size:,} bytes", f"{free:,}", "make room, or name another with --data DIR"
            )
        for member in members:
            opened.extract(member, into)


def _unpack_tar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as opened:
        for member in opened:
            _refuse_unsafe(archive, member.name, member.isfile() or member.isdir())
            opened.extract(member, into, filter="data")


def _unpack_rar(archive: Path, into: Path) -> None:
    """With the first program found; each of them keeps members below the folder it is given."""
    tool = next((name for name in RAR_TOOLS if shutil.which(name)), None)
    if tool is None:
        todo = "install one and try again: the download is kept"
        raise InputError(archive, f"a program that unpacks rar ({', '.join(RAR_TOOLS)})", "none", todo)
    command = [word.format(archive=archive, into=into) for word in RAR_TOOLS[tool]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"code {done.returncode}").splitlines()[-1]
        raise InputError(archive, "a whole rar archive", f"{tool}: {said}", "remove it and get it again")
    for path in into.rglob("*"):
        _refuse_unsafe(archive, path.relative_to(into).as_posix(), not path.is_symlink())


def _refuse_unsafe(archive: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts
    if outside or not plain:
        found = f"{name!r}, which {'points outside' if outside else 'is a link or a device'}"
        raise InputError(archive, "files and folders below one folder", found, "do not use this archive")
