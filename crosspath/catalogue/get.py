"""Get a known set: download its archives, unpack them, arrange the folder, and put it in place in one step."""

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
"""Below the data root: what is not finished. On the same disk, so that the last step is a rename."""
RECORD = "SOURCE.json"
"""In the finished folder: where it came from, with checksums."""

Progress = Callable[[str, int, int | None], None]
"""Told (what is being done, units done, units in all where known)."""


def get(known: PublishedSet, root: Path, progress: Progress, notice: Notice) -> dict[str, Any]:
    """Put the set's folder below `root`; one that is there already and lacks nothing is left as it is.

    An interrupted download goes on where it stopped when this is called again. Returns what is recorded of the set's
    source: its archives with address, size, sha256, and whether the sha256 was known before (`verified`).

    Raises
    ------
    InputError
        For a set that can only be had by its publisher's steps, an incomplete folder in the way, another process that
        gets the same set, and as `download`, `unpack` and `arrange` do.
    """
    from filelock import FileLock, Timeout

    folder = root / known.folder
    if not known.archives:
        todo = f"take the steps of `crosspath data show {known.name}`"
        raise InputError(
            known.name, "a set that can be downloaded without asking", "one that its owners hand out", todo
        )
    if folder.exists():
        return _present(known, folder)
    work = root / WORK / known.name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / "lock", timeout=0):
            archives = [_archive(archive, work, progress, notice) for archive in known.archives]
            record = {"set": known.name, "licence": known.licence, "terms": known.terms, "archives": archives}
            _place(known, work, folder, record, progress)
    except Timeout:
        raise InputError(work, "no other download of this set", "one at work", "wait for it to end") from None
    except OSError as error:
        todo = "name a folder that can be written with --data DIR"
        raise InputError(root, "a folder to write to", error.strerror or str(error), todo) from None
    shutil.rmtree(work, ignore_errors=True)
    return record


def _present(known: PublishedSet, folder: Path) -> dict[str, Any]:
    missing = known.missing(folder)
    if missing:
        found = f"one without {', '.join(piece.pattern for piece in missing)}"
        raise InputError(folder, f"a whole {known.name} or no folder", found, "move it away and try again")
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record
    except (OSError, ValueError):
        return {"set": known.name, "licence": known.licence, "terms": known.terms, "archives": []}


def _archive(archive: Archive, work: Path, progress: Progress, notice: Notice) -> dict[str, Any]:
    found = download(
        archive.address,
        work / archive.name,
        sha256=archive.sha256,
        size=archive.size,
        progress=lambda done, total: progress(f"downloading {archive.name}", done, total),
        notice=notice,
    )
    return {"address": archive.address, "size": found.size, "sha256": found.sha256, "verified": found.verified}


def _place(known: PublishedSet, work: Path, folder: Path, record: dict[str, Any], progress: Progress) -> None:
    """Unpack and arrange under temporary names, then rename. The archives stay until that is done."""
    unpacked, arranged = work / "unpacked", work / "arranged"
    for left in (unpacked, arranged):  # by a process that was ended
        shutil.rmtree(left, ignore_errors=True)
    try:
        for archive in known.archives:
            progress(f"unpacking {archive.name}", 0, None)
            unpack(work / archive.name, unpacked)
        arranged.mkdir()
        arrange(known.name, unpacked, arranged, lambda done, total: progress("arranging", done, total))
        missing = known.missing(arranged)
        if missing:
            lacks = ", ".join(piece.pattern for piece in missing)
            raise InputError(known.name, lacks, "none in the archive", "get it by hand: `crosspath data show`")
        (arranged / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        arranged.rename(folder)
    finally:
        for left in (unpacked, arranged):
            shutil.rmtree(left, ignore_errors=True)
