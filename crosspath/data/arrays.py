"""Arrays in `.npy` files, read from several threads."""

from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError

HEADERS = Lock()
"""numpy parses headers with `ast`, which can fail when several threads of Python 3.11 use it (CPython issue 106905)."""


def load_array(source: Path | IO[bytes]) -> NDArray[Any]:
    """The array of a `.npy` file, never a pickle. Raises `DamageError`."""
    try:
        with HEADERS:
            array = np.load(source, allow_pickle=False)
    except Exception as error:  # a damaged header raises many types
        raise DamageError(f"the array cannot be read ({error})".replace("\n", " ")) from None
    if not isinstance(array, np.ndarray):
        raise DamageError("expected one array, found an archive of several")
    return array
