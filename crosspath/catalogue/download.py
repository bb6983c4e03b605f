"""Downloads one file: resumes it, retries after a broken connection, and verifies its size and sha256.

An unfinished file is named `NAME.part`; `NAME.part.json` holds the validator (ETag or date) of its version. A part that
turns out to be wrong is removed, and the next attempt starts from the beginning.
"""

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
from crosspath.files import sha256_of_file

TIMEOUT_S = 60.0
"""A connection without data for this long counts as broken."""
ATTEMPTS = 5
"""Consecutive attempts without new data after which a download fails."""
LONGEST_WAIT_S = 30.0
CHUNK = 1 << 20
RETRY_CODES = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which the request is repeated."""

Progress = Callable[[int, int | None], None]
"""Called with (bytes received, bytes in total or None)."""
Notice = Callable[[str], None]
"""Called with a line for the user."""


@dataclass(frozen=True)
class DownloadedFile:
    """A complete file."""

    path: Path
    size: int
    sha256: str
    verified: bool
    """Whether `sha256` was compared with a published one."""


class _BrokenError(Exception):
    """The connection broke or the server was busy; the part received so far is valid."""


def download(
    address: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> DownloadedFile:
    """The file at `address` as `target`; an existing one is only verified.

    Parameters
    ----------
    wait
        Called with the seconds to wait before the next attempt.

    Raises
    ------
    InputError
        For an HTTP error, a connection that stays broken, content that differs from `sha256` or `size` (it is
        removed), and a full disk.
    """
    part = target.with_name(f"{target.name}.part")
    if not target.exists():
        _fetch(address, part, size, progress, notice, wait)
    path = target if target.exists() else part
    length, digest = path.stat().st_size, sha256_of_file(path)
    wrong_size = size is not None and length != size
    if wrong_size or sha256 not in (None, digest):
        _remove(part)
        target.unlink(missing_ok=True)
        todo = "the download is removed; try again, and if this repeats, the publisher has changed the file"
        if wrong_size:
            raise InputError(address, f"{size:,} bytes", f"{length:,}", todo)
        raise InputError(address, f"sha256 {sha256}", digest, todo)
    if path is part:
        part.replace(target)
        _remove(part)
    return DownloadedFile(target, length, digest, sha256 is not None)


def _fetch(
    address: str,
    part: Path,
    size: int | None,
    progress: Progress | None,
    notice: Notice | None,
    wait: Callable[[float], None],
) -> None:
    """Completes `part`, repeating the request as long as it makes progress."""
    furthest, failures = _length(part), 0
    while True:
        try:
            _continue(address, part, size, progress)
            return
        except _BrokenError as error:
            length = _length(part)
            failures = 1 if length > furthest else failures + 1
            furthest = max(furthest, length)
            if failures == ATTEMPTS:
                todo = "check the connection and try again: the download resumes"
                raise InputError(address, "the complete file", f"{length:,} bytes, then {error}", todo) from None
            pause = min(2.0 ** (failures - 1), LONGEST_WAIT_S)
            if notice is not None:
                notice(f"{address}: {error}; retrying in {pause:.0f} s")
            wait(pause)


def _continue(address: str, part: Path, size: int | None, progress: Progress | None) -> None:
    """One request for the rest of `part`, or for the complete file if the version of the part is unknown."""
    validator = _stored_validator(part, address)
    offset = _length(part) if validator is not None else 0
    headers = {"User-Agent": "crosspath", "Accept-Encoding": "identity"}
    if offset and validator is not None:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    try:
        with urlopen(Request(address, headers=headers), timeout=TIMEOUT_S) as response:
            _receive(response, address, part, offset, validator, size, progress)
    except HTTPError as error:
        _handle_status(error, address, part, offset)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            todo = "try from another network, or download it with a browser"
            raise InputError(address, "a server with a valid certificate", reason.verify_message, todo) from None
        raise _BrokenError(f"the connection broke ({reason or type(error).__name__})") from None


def _receive(
    response: HTTPResponse,
    address: str,
    part: Path,
    offset: int,
    validator: str | None,
    size: int | None,
    progress: Progress | None,
) -> None:
    """Appends the body of a partial answer to `part`, or replaces `part` by a complete answer."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    new_validator = _validator(response)
    if response.status == 206:
        start, total = _range(response.headers.get("Content-Range", ""))
        if start != offset or new_validator not in (None, validator):
            _remove(part)
            raise _BrokenError("the server sent a part from another position or version")
    else:
        offset = 0
    if size is not None and total not in (None, size):
        _remove(part)
        todo = "the publisher has changed it: see `crosspath data show` for its page"
        raise InputError(address, f"a file of {size:,} bytes", f"one of {total:,}", todo)
    remaining = (total or size or 0) - offset
    free = shutil.disk_usage(part.parent).free
    if remaining > free:
        todo = "free some space, or choose another disk with --data DIR"
        raise InputError(part.parent, f"{remaining:,} bytes of free space", f"{free:,}", todo)
    with _writing(part):
        # In this order: the validator of a new version is never stored with bytes of an old one.
        file = part.open("ab" if offset else "wb")
        fields = {"address": address, "mark": new_validator or validator}
        _notes(part).write_text(json.dumps(fields), encoding="utf-8")
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
        _remove(part)
    if total not in (None, offset):
        raise _BrokenError(f"the connection ended at byte {offset:,} of {total:,}")


def _handle_status(error: HTTPError, address: str, part: Path, offset: int) -> None:
    """Handles an HTTP error: the part may be complete, the request worth repeating, or the address wrong."""
    with error:
        if error.code == 416:
            # Nothing follows the part: it is complete, or belongs to a longer version.
            if error.headers.get("Content-Range", "").endswith(f"/{offset}"):
                return
            _remove(part)
            raise _BrokenError("the file on the server is shorter than the part on disk")
        if error.code in RETRY_CODES:
            raise _BrokenError(f"the server answered {error.code} {error.reason}")
        todo = "see `crosspath data show` for the publisher's page"
        raise InputError(address, "a file at this address", f"{error.code} {error.reason}", todo)


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Turns errors of the disk into `InputError`, to tell them from errors of the connection."""
    try:
        yield
    except OSError as error:
        todo = "free some space, or choose another folder with --data DIR"
        raise InputError(part.parent, "a writable folder", error.strerror or str(error), todo) from None


def _range(header: str) -> tuple[int, int | None]:
    """First byte and total length of `bytes FIRST-LAST/LENGTH` (RFC 9110, 14.4); (-1, None) for any other text."""
    unit, _, rest = header.partition(" ")
    span, _, length = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        return -1, None
    return int(first), int(length) if length.isdecimal() else None


def _validator(response: HTTPResponse) -> str | None:
    """Identifies a version of the file: a strong ETag, else the date of its last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _stored_validator(part: Path, address: str) -> str | None:
    """The validator of the version that `part` belongs to; None if unknown or of another address."""
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
        return notes["mark"] if notes["address"] == address and isinstance(notes["mark"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
