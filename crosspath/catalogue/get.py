"""Downloads a published set: its archives are downloaded, unpacked and arranged, and the finished folder is renamed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosspath.catalogue.arrange import arrange
from crosspath.catalogue.download import Notice, download
from crosspath.catalogue.published_set import Archive, PublishedSet
from crosspath.catalogue.unpack import unpack
from crosspath.errors import InputError

WORK = ".crosspath-downloads"
"""Folder of unfinished work below the data root, on the same disk so that the last step is a rename."""
RECORD = "SOURCE.json"
"""File in the finished folder with addresses and checksums of its archives."""

Progress = Callable[[str, int, int | None], None]
"""Called with (step, units done, units in total or None)."""


def get(entry: PublishedSet, root: Path, progress: Progress, notice: Notice) -> dict[str, Any]:
    """Creates the set's folder below `root`; a complete one is left unchanged.

    An interrupted download resumes when this is called again. Returns the record of the set's source: its archives with
    address, size, sha256, and whether the sha256 was compared with a published one (`verified`).

    Raises
    ------
    InputError
        For a set that its publisher hands out only on request, an existing incomplete folder, another process that
        downloads the same set, and as `download`, `unpack` and `arrange` do.
    """
    from filelock import FileLock, Timeout

    folder = root / entry.folder
    if not entry.archives:
        todo = f"take the steps of `crosspath data show {entry.name}`"
        raise InputError(entry.name, "a set with a public download", "one that its owners hand out on request", todo)
    if folder.exists():
        return _present(entry, folder)
    work = root / WORK / entry.name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / "lock", timeout=0):
            archives = [_archive(archive, work, progress, notice) for archive in entry.archives]
            record = {"set": entry.name, "licence": entry.licence, "terms": entry.terms, "archives": archives}
            _place(entry, work, folder, record, progress)
    except Timeout:
        raise InputError(work, "no other download of this set", "one in progress", "wait until it ends") from None
    except OSError as error:
        todo = "choose another folder with --data DIR"
        raise InputError(root, "a writable folder", error.strerror or str(error), todo) from None
    shutil.rmtree(work, ignore_errors=True)
    return record


def _present(entry: PublishedSet, folder: Path) -> dict[str, Any]:
    missing = entry.missing(folder)
    if missing:
        actual = f"one without {', '.join(piece.pattern for piece in missing)}"
        raise InputError(folder, f"a complete {entry.name} or no folder", actual, "move it away and try again")
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record
    except (OSError, ValueError):
        return {"set": entry.name, "licence": entry.licence, "terms": entry.terms, "archives": []}


def _archive(archive: Archive, work: Path, progress: Progress, notice: Notice) -> dict[str, Any]:
    file = download(
        archive.address,
        work / archive.name,
        sha256=archive.sha256,
        size=archive.size,
        progress=lambda count, total: progress(f"downloading {archive.name}", count, total),
        notice=notice,
    )
    return {"address": archive.address, "size": file.size, "sha256": file.sha256, "verified": file.verified}


def _place(entry: PublishedSet, work: Path, folder: Path, record: dict[str, Any], progress: Progress) -> None:
    """Unpacks and arranges under temporary names, then renames. The archives stay until then."""
    content, result = work / "unpacked", work / "arranged"
    for temporary in (content, result):  # of a process that was killed
        shutil.rmtree(temporary, ignore_errors=True)
    try:
        for archive in entry.archives:
            progress(f"unpacking {archive.name}", 0, None)
            unpack(work / archive.name, content)
        result.mkdir()
        arrange(entry.name, content, result, lambda count, total: progress("arranging", count, total))
        missing = entry.missing(result)
        if missing:
            patterns = ", ".join(piece.pattern for piece in missing)
            todo = "download it by hand: `crosspath data show` lists the steps"
            raise InputError(entry.name, patterns, "none in the archive", todo)
        (result / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        result.rename(folder)
    finally:
        for temporary in (content, result):
            shutil.rmtree(temporary, ignore_errors=True)
