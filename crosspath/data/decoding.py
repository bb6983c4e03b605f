"""Decodes many items in several threads, in their order."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from crosspath.data.items import DamageError, Item, Reader

CHUNK = 256
"""Items decoded at a time."""
REPORT_S = 0.1
"""Seconds between two progress reports."""

Progress = Callable[[int, int], None]
"""Called with (items done, items in total)."""


def decode_items(
    reader: Reader, items: Sequence[Item], progress: Progress | None
) -> Iterator[tuple[Item, NDArray[Any] | str]]:
    """(item, sample) for each item; for a damaged file (item, reason)."""
    with reader.open_decoder() as decode, ThreadPoolExecutor() as pool:

        def attempt(item: Item) -> NDArray[Any] | str:
            try:
                return decode(item)
            except DamageError as damage:
                return str(damage)
            except OSError as error:
                return f"it cannot be read ({error.strerror or error})"

        last_report = time.monotonic()
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            for done, result in enumerate(zip(chunk, pool.map(attempt, chunk), strict=True), start + 1):
                if progress is not None and (done == len(items) or time.monotonic() - last_report >= REPORT_S):
                    progress(done, len(items))
                    last_report = time.monotonic()
                yield result
