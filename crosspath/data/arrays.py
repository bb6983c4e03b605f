"""Arrays in `.npy` files, read from several threads."""

from os import SEEK_END
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, require_within
from crosspath.errors import InputError
from crosspath.limits import BYTES

HEADERS = Lock()
"""numpy parses headers with `ast`, which can fail when several threads of Python 3.11 use it (CPython issue 106905)."""


def load_array(source: Path | IO[bytes]) -> NDArray[Any]:
    """The array of a `.npy` file, never a pickle. Raises `DamageError`, also for more than `limits.BYTES`."""
    try:
        require_within(BYTES, _size(source))
        with HEADERS:
            array = np.load(source, allow_pickle=False)
    except (DamageError, InputError):
        raise
    except Exception as error:  # a damaged header raises many types
        raise DamageError(f"the array cannot be read ({error})".replace("\n", " ")) from None
    if not isinstance(array, np.ndarray):
        raise DamageError("expected one array, found an archive of several")
    return array


def _size(source: Path | IO[bytes]) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    start = source.tell()
    end = source.seek(0, SEEK_END)
    source.seek(start)
    return end - start
