import sys

import pytest
import torch

from benchmarks.memory import LiveBytes, in_new_process, peak_increment_mib


def test_live_bytes_count_shared_memory_once_and_freed_memory_no_more() -> None:
    counter = LiveBytes()
    with counter:
        first = torch.ones(1000)
        view = first[:10]
        second = first * 2
        del second
        third = first * 3
    assert counter.now == 8000
    assert counter.peak == 8000
    assert len(view) == len(third) / 100


def two_peaks() -> tuple[float, float]:
    """Of 64 MiB, then of 16. In a process of its own: a worker that has freed as much would take it from there."""
    return peak_increment_mib(lambda: torch.ones(64 << 18).sum()), peak_increment_mib(
        lambda: torch.ones(16 << 18).sum()
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_of_each_piece_of_work_is_its_own() -> None:
    large, small = in_new_process(two_peaks)
    assert 60 <= large <= 80
    assert 12 <= small <= 30


def test_a_new_process_returns_the_value() -> None:
    assert in_new_process(max, 3, 5) == 5
