"""Files at addresses (https, s3, gs, hf and others), read through fsspec, a part at a time.

A part that does not come is asked for again. A connection that stays away is an error that ends the run, never a
damaged file to be left out: what a run sees must not depend on the network's mood.
"""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from crosspath.data.items import DamageError
from crosspath.errors import InputError

WAITS_S = (1.0, 4.0, 16.0)
"""Before the second, third and fourth try."""
PASSING_MARKS = ("url",)
"""What a server says of a file that changes although the file does not: where it sent this request on to."""

Answer = TypeVar("Answer")


def is_address(name: str) -> bool:
    """Whether this names something elsewhere."""
    return "://" in name


def name_of(address: str) -> str:
    """The path of an address, without who serves it and with what permission."""
    return urlsplit(address).path.lstrip("/")


def beside(address: str, name: str) -> str:
    """The address of another file in the same place."""
    parts = urlsplit(address)
    return parts._replace(path=parts.path.rpartition("/")[0] + "/" + name).geturl()


def stamp_of(address: str) -> str:
    """Size and a digest of what the server says of a file. Raises `InputError`, as all of these do."""

    def read() -> str:
        store, path = _located(address)
        known = {key: value for key, value in store.info(path).items() if key not in PASSING_MARKS}
        digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()
        return f"{known.get('size')}-{digest[:16]}"

    return _answered(address, read)


def read_part(address: str, start: int, stop: int) -> bytes:
    """The bytes [start, stop)."""

    def read() -> bytes:
        store, path = _located(address)
        content: bytes = store.cat_file(path, start=start, end=stop)
        if len(content) > stop - start:
            raise ValueError("the server sends whole files only, not parts of them")
        if len(content) < stop - start:
            raise EOFError(f"{len(content)} of {stop - start} bytes came")
        return content

    return _answered(address, read)


def read_whole(address: str) -> bytes | None:
    """All bytes; None where there is no such file."""

    def read() -> bytes | None:
        store, path = _located(address)
        if not store.exists(path):
            return None
        content: bytes = store.cat_file(path)
        return content

    return _answered(address, read)


def read_through(address: str, reader: Callable[[BinaryIO], Answer]) -> Answer:
    """What `reader` makes of a file in which it may seek; it starts again where the connection breaks."""

    def read() -> Answer:
        store, path = _located(address)
        with store.open(path, "rb") as file:
            return reader(file)

    return _answered(address, read)


def _located(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    store, path = url_to_fs(address)
    return store, path


def _answered(address: str, read: Callable[[], Answer]) -> Answer:
    for wait in (*WAITS_S, None):
        try:
            return read()
        except (InputError, DamageError):  # said by a reader of what came
            raise
        except FileNotFoundError:
            raise InputError(address, "a file", "none", "check the address") from None
        except (ImportError, ValueError) as error:
            todo = "install what is missing, or copy the files to a disk"
            raise InputError(address, "an address that can be read in parts", str(error), todo) from None
        except Exception as error:  # each protocol has errors of its own
            if wait is None:
                found = f"{type(error).__name__}: {error}".replace("\n", " ")
                todo = "check the connection; a run goes on with --resume"
                raise InputError(address, "an answer", found, todo) from None
            time.sleep(wait)
    raise AssertionError("unreachable")
