"""Download one file: continued where it stopped, tried again when the connection breaks, finished only when right.

While it grows the file is called `NAME.part`; `NAME.part.json` beside it holds the server's mark (ETag or date) of the
version that it is a part of. A part that turns out to be wrong is removed, so the next try starts afresh.
"""

import hashlib
import json
import os
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from crosspath.errors import InputError

TIMEOUT_S = 60.0
"""Without a byte for this long, a connection counts as broken."""
ATTEMPTS = 5
"""Tries in a row that bring nothing new before a download is given up."""
LONGEST_WAIT_S = 30.0
CHUNK = 1 << 20
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP answers after which another try is worth while."""

Progress = Callable[[int, int | None], None]
"""Told (bytes so far, bytes in all where known)."""
Notice = Callable[[str], None]
"""Told one line for a person."""


@dataclass(frozen=True)
class Downloaded:
    """A whole file and what is known of its content."""

    path: Path
    size: int
    sha256: str
    verified: bool
    """Whether `sha256` was compared with one that was known before."""


class _BrokenError(Exception):
    """The connection broke or the server was busy; what has arrived is kept."""


def download(
    address: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Downloaded:
    """The file at `address` as `target`; one that is there already is only checked.

    Parameters
    ----------
    wait
        Waits that many seconds between two tries.

    Raises
    ------
    InputError
        For an address that answers with an error, a connection that stays broken, bytes that are not those of
        `sha256` or `size` (they are removed), and a disk without room.
    """
    part = target.with_name(f"{target.name}.part")
    if not target.exists():
        _fetch(address, part, size, progress, notice, wait)
    whole = target if target.exists() else part
    length, found = whole.stat().st_size, _sha256(whole)
    wrong_size = size is not None and length != size
    if wrong_size or sha256 not in (None, found):
        _forget(part)
        target.unlink(missing_ok=True)
        todo = "what was downloaded is removed; try again, and if it stays so the publisher has changed the file"
        if wrong_size:
            raise InputError(address, f"{size:,} bytes", f"{length:,}", todo)
        raise InputError(address, f"sha256 {sha256}", found, todo)
    if whole is part:
        part.replace(target)
        _forget(part)
    return Downloaded(target, length, found, sha256 is not None)


def _fetch(
    address: str,
    part: Path,
    size: int | None,
    progress: Progress | None,
    notice: Notice | None,
    wait: Callable[[float], None],
) -> None:
    """Bring `part` to its end, in as many tries as it takes while each brings something new."""
    furthest, failures = _length(part), 0
    while True:
        try:
            _continue(address, part, size, progress)
            return
        except _BrokenError as error:
            reached = _length(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures == ATTEMPTS:
                todo = "check the connection and try again: it goes on where it stopped"
                raise InputError(address, "the whole file", f"{reached:,} bytes, then {error}", todo) from None
            pause = min(2.0 ** (failures - 1), LONGEST_WAIT_S)
            if notice is not None:
                notice(f"{address}: {error}; again in {pause:.0f} s")
            wait(pause)


def _continue(address: str, part: Path, size: int | None, progress: Progress | None) -> None:
    """One request for what is missing of `part`, or for everything where a rest would not fit to it."""
    mark = _mark_of(part, address)
    offset = _length(part) if mark is not None else 0
    headers = {"User-Agent": "crosspath", "Accept-Encoding": "identity"}
    if offset and mark is not None:
        headers |= {"Range": f"bytes={offset}-", "If-Range": mark}
    try:
        with urlopen(Request(address, headers=headers), timeout=TIMEOUT_S) as response:
            _receive(response, address, part, offset, mark, size, progress)
    except HTTPError as error:
        _answered(error, address, part, offset)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            todo = "try from another network, or fetch it with a browser"
            raise InputError(address, "a server with a valid certificate", reason.verify_message, todo) from None
        raise _BrokenError(f"the connection broke ({reason or type(error).__name__})") from None


def _receive(
    response: HTTPResponse,
    address: str,
    part: Path,
    offset: int,
    mark: str | None,
    size: int | None,
    progress: Progress | None,
) -> None:
    """Write the body of an answer behind what `part` holds, or in its place where the server sent everything."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    new_mark = _mark(response)
    if response.status == 206:
        start, total = _range(response.headers.get("Content-Range", ""))
        if start != offset or new_mark not in (None, mark):
            _forget(part)
            raise _BrokenError("the server sent another part, or a part of another version")
    else:
        offset = 0
    if size is not None and total not in (None, size):
        _forget(part)
        todo = "the publisher has changed it: see `crosspath data show` for its page"
        raise InputError(address, f"a file of {size:,} bytes", f"one of {total:,}", todo)
    to_come = (total or size or 0) - offset
    free = shutil.disk_usage(part.parent).free
    if to_come > free:
        todo = "make room, or name another disk with --data DIR"
        raise InputError(part.parent, f"room for {to_come:,} bytes", f"{free:,}", todo)
    with _writing(part):
        # In this order: bytes of an older version never stand under a newer one's mark.
        file = part.open("ab" if offset else "wb")
        _notes(part).write_text(json.dumps({"address": address, "mark": new_mark or mark}), encoding="utf-8")
    with file:
        while block := response.read1(CHUNK):
            with _writing(part):
                file.write(block)
            offset += len(block)
            if progress is not None:
                progress(offset, total)
        with _writing(part):
            file.flush()
            os.fsync(file.fileno())
    if total is not None and offset > total:
        _forget(part)
    if total not in (None, offset):
        raise _BrokenError(f"the connection ended at byte {offset:,} of {total:,}")


def _answered(error: HTTPError, address: str, part: Path, offset: int) -> None:
    """What an HTTP error means: the part is whole, another try is worth while, or the address is wrong."""
    with error:
        if error.code == 416:
            # Nothing lies behind what we have: it is all, or it belongs to a longer version that is gone.
            if error.headers.get("Content-Range", "").endswith(f"/{offset}"):
                return
            _forget(part)
            raise _BrokenError("the file on the server is shorter than what was here")
        if error.code in PASSING:
            raise _BrokenError(f"the server answered {error.code} {error.reason}")
        todo = "see `crosspath data show` for the publisher's page"
        raise InputError(address, "a file at this address", f"{error.code} {error.reason}", todo)


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Tells trouble with the disk from trouble with the connection."""
    try:
        yield
    except OSError as error:
        todo = "make room, or name another folder with --data DIR"
        raise InputError(part.parent, "a folder to write to", error.strerror or str(error), todo) from None


def _range(header: str) -> tuple[int, int | None]:
    """First byte and whole length of `bytes FIRST-LAST/LENGTH` (RFC 9110, 14.4); (-1, None) for anything else."""
    unit, _, rest = header.partition(" ")
    span, _, length = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        return -1, None
    return int(first), int(length) if length.isdecimal() else None


def _mark(response: HTTPResponse) -> str | None:
    """What tells this version of the file from others: a strong ETag, else the date of its last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _mark_of(part: Path, address: str) -> str | None:
    """The mark under which `part` was begun at this address; None where there is none, and it must start afresh."""
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
        return notes["mark"] if notes["address"] == address and isinstance(notes["mark"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
