"""Many items are decoded in their order, by threads where one item takes long enough."""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from crosspath.data import decoding
from crosspath.data.decoding import HANDOVER_S, TRIALS, decode_in
from crosspath.data.items import without_collector


class Clock:
    """A clock that moves as the items say, on a busy machine too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_of: Callable[[int], float]) -> None:
        self.now, self.seconds_of = 0.0, seconds_of
        self.threads: set[int] = set()
        monkeypatch.setattr(decoding, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def decode(self, number: int) -> int:
        """Takes the item's seconds."""
        self.now += self.seconds_of(number)
        self.threads.add(threading.get_ident())
        return -number


@pytest.mark.parametrize("seconds", [0.9 * HANDOVER_S, 1.1 * HANDOVER_S])
@pytest.mark.parametrize("count", [0, 1, TRIALS, 20])
def test_threads_serve_slow_items_alone_and_results_come_in_order(
    seconds: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, lambda number: seconds)
    with ThreadPoolExecutor(3) as pool:
        assert list(decode_in(pool, clock.decode, range(count))) == [-number for number in range(count)]
    others = clock.threads - {threading.get_ident()}
    assert bool(others) == (seconds > HANDOVER_S and count > TRIALS)


def test_a_slow_first_item_does_not_start_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports the libraries of its format."""
    clock = Clock(monkeypatch, lambda number: 0.0 if number else 1.0)
    with ThreadPoolExecutor(3) as pool:
        assert list(decode_in(pool, clock.decode, range(10))) == [-number for number in range(10)]
    assert clock.threads == {threading.get_ident()}


def leave_with_an_error() -> None:
    with without_collector():
        assert not gc.isenabled()
        raise KeyError


@pytest.mark.parametrize("active", [True, False])
def test_the_collector_is_as_before_afterwards(active: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if active else gc.disable)()
        with pytest.raises(KeyError):
            leave_with_an_error()
        assert gc.isenabled() == active
    finally:
        (gc.enable if before else gc.disable)()
