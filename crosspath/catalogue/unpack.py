"""Unpacks a downloaded archive: only plain files and folders, below one folder."""

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
"""Command lines of programs that unpack rar, for which Python has no library."""

NO_SPACE = "free some space, or choose another folder with --data DIR"


def unpack(archive: Path, into: Path) -> None:
    """Unpacks a `.zip`, a `.rar` or, with any other suffix, a tar (also compressed) into the folder `into`.

    Raises
    ------
    InputError
        For an archive that is damaged or of another kind, members outside `into`, links and devices, a full disk, and
        a rar without a program to unpack it.
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
        reason = f"a damaged one ({' '.join(str(error).split())})"
        raise InputError(archive, "a complete archive", reason, "remove it and download it again") from None
    except OSError as error:
        raise InputError(into, "a writable folder", error.strerror or str(error), NO_SPACE) from None


def _unpack_zip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        for member in members:
            kind = member.external_attr >> 28  # the upper bits of a Unix mode; 0 where none is stored
            _refuse_unsafe(archive, member.filename, kind in (0, 0o4, 0o10))
        size = sum(member.file_size for member in members)
        free = shutil.disk_usage(into).free
        if size > free:
            raise InputError(into, f"{size:,} bytes of free space", f"{free:,}", NO_SPACE)
        for member in members:
            file.extract(member, into)


def _unpack_tar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as file:
        for member in file:
            _refuse_unsafe(archive, member.name, member.isfile() or member.isdir())
            file.extract(member, into, filter="data")


def _unpack_rar(archive: Path, into: Path) -> None:
    """With the first available program; each of them keeps members below the target folder."""
    tool = next((name for name in RAR_TOOLS if shutil.which(name)), None)
    if tool is None:
        todo = "install one and try again: the download stays"
        raise InputError(archive, f"a program that unpacks rar ({', '.join(RAR_TOOLS)})", "none", todo)
    command = [word.format(archive=archive, into=into) for word in RAR_TOOLS[tool]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        message = (result.stderr.strip() or result.stdout.strip() or f"code {result.returncode}").splitlines()[-1]
        raise InputError(archive, "a complete rar archive", f"{tool}: {message}", "remove it and download it again")
    for path in into.rglob("*"):
        _refuse_unsafe(archive, path.relative_to(into).as_posix(), not path.is_symlink())


def _refuse_unsafe(archive: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts
    if outside or not plain:
        member = f"{name!r}, which {'points outside' if outside else 'is a link or a device'}"
        raise InputError(archive, "files and folders below one folder", member, "do not use this archive")
