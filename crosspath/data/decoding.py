"""Decodes many items in their order, in several threads where that is faster."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, TypeVar

from numpy.typing import NDArray

from crosspath.data.items import DamageError, Item, Reader

CHUNK = 256
"""Items decoded at a time."""
TRIALS = 2
"""Items of a chunk that are decoded first, to see how long one takes."""
HANDOVER_S = 1e-3
"""Seconds from which on threads are worth it: for less, they cost more than they give, since they wait for each other.
A picture of 32 pixels takes 0.2 ms, one of 224 pixels 3 ms."""
REPORT_S = 0.1
"""Seconds between two progress reports."""

T = TypeVar("T")
R = TypeVar("R")
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
            for count, result in enumerate(zip(chunk, decode_in(pool, attempt, chunk), strict=True), start + 1):
                if progress is not None and (count == len(items) or time.monotonic() - last_report >= REPORT_S):
                    progress(count, len(items))
                    last_report = time.monotonic()
                yield result


def decode_in(pool: ThreadPoolExecutor, decode: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """`decode` of each item, in their order: in the pool's threads, unless an item takes less than `HANDOVER_S`."""
    results, fastest = [], float("inf")
    for item in items[:TRIALS]:  # the first of all imports libraries
        start = time.perf_counter()
        results.append(decode(item))
        fastest = min(fastest, time.perf_counter() - start)
    rest = items[TRIALS:]
    return chain(results, map(decode, rest) if fastest < HANDOVER_S else pool.map(decode, rest))
