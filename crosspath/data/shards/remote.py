"""Remote files (https, s3, gs, hf and others), read in parts through fsspec.

A failed request is repeated. If the connection stays down the run ends with an error; the file never counts as damaged,
since the samples of a run must not depend on the network.
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
"""Before the second, third and fourth attempt."""
CHANGING_FIELDS = ("url",)
"""Fields of a file's description that change although the file does not, such as the target of a redirect."""

Answer = TypeVar("Answer")


def is_address(name: str) -> bool:
    """Whether a name is a URL."""
    return "://" in name


def name_of(address: str) -> str:
    """The path of a URL, without host, user and query."""
    return urlsplit(address).path.lstrip("/")


def beside(address: str, name: str) -> str:
    """The URL of another file in the same folder."""
    parts = urlsplit(address)
    return parts._replace(path=parts.path.rpartition("/")[0] + "/" + name).geturl()


def stamp_of(address: str) -> str:
    """Size and a digest of the server's description of a file. Raises `InputError`, as all of these functions do."""

    def read() -> str:
        store, path = _open_store(address)
        fields = {key: value for key, value in store.info(path).items() if key not in CHANGING_FIELDS}
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()
        return f"{fields.get('size')}-{digest[:16]}"

    return _with_retries(address, read)


def read_part(address: str, start: int, stop: int) -> bytes:
    """The bytes [start, stop) of a file."""

    def read() -> bytes:
        store, path = _open_store(address)
        content: bytes = store.cat_file(path, start=start, end=stop)
        if len(content) > stop - start:
            raise ValueError("the server does not send parts of files")
        if len(content) < stop - start:
            raise EOFError(f"received {len(content)} of {stop - start} bytes")
        return content

    return _with_retries(address, read)


def read_complete(address: str) -> bytes | None:
    """All bytes of a file, or None if there is none."""

    def read() -> bytes | None:
        store, path = _open_store(address)
        if not store.exists(path):
            return None
        content: bytes = store.cat_file(path)
        return content

    return _with_retries(address, read)


def read_through(address: str, reader: Callable[[BinaryIO], Answer]) -> Answer:
    """The result of `reader` on a seekable file; it is called again after a broken connection."""

    def read() -> Answer:
        store, path = _open_store(address)
        with store.open(path, "rb") as file:
            return reader(file)

    return _with_retries(address, read)


def _open_store(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    store, path = url_to_fs(address)
    return store, path


def _with_retries(address: str, read: Callable[[], Answer]) -> Answer:
    for wait in (*WAITS_S, None):
        try:
            return read()
        except (InputError, DamageError):  # raised by the reader about the content
            raise
        except FileNotFoundError:
            raise InputError(address, "a file", "none", "check the URL") from None
        except (ImportError, ValueError) as error:
            todo = "install the missing package, or copy the files to a disk"
            raise InputError(address, "a URL that can be read in parts", str(error), todo) from None
        except Exception as error:  # each protocol raises its own errors
            if wait is None:
                reason = f"{type(error).__name__}: {error}".replace("\n", " ")
                todo = "check the connection; resume the run with --resume"
                raise InputError(address, "an answer", reason, todo) from None
            time.sleep(wait)
    raise AssertionError("unreachable")
