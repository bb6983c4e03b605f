import gc
import random

import pytest

from benchmarks import timing
from benchmarks.tables import Interval
from benchmarks.timing import interleave, median_with_interval, noise, ratio, timer


def test_every_round_runs_each_variant_once_and_in_changing_order() -> None:
    calls: list[str] = []
    variants = {name: (lambda name=name: calls.append(name) or len(calls)) for name in "abc"}
    results = interleave(variants, 20, warm=2)
    assert sorted(calls[:6]) == list("aabbcc")
    rounds = ["".join(calls[start : start + 3]) for start in range(6, len(calls), 3)]
    assert len(rounds) == 20
    assert all(sorted(order) == list("abc") for order in rounds)
    assert len(set(rounds)) > 2
    assert calls[results["b"][0] - 1] == "b"
    assert all(len(values) == 20 for values in results.values())


def test_garbage_is_collected_again_after_an_error() -> None:
    def fail() -> float:
        raise KeyError

    with pytest.raises(KeyError):
        interleave({"a": fail}, 1, warm=0)
    assert gc.isenabled()


def test_the_interval_covers_the_median_of_the_distribution() -> None:
    # 21 values of any distribution: order statistics 6 and 16 cover the median in at least 95 % of the draws.
    draws = random.Random(0)
    counts = 0
    for _ in range(2000):
        interval = median_with_interval([draws.expovariate(1.0) for _ in range(21)])
        counts += interval.low <= 0.6931 <= interval.high
    assert 0.945 <= counts / 2000 <= 0.99
    assert median_with_interval([3.0, 1.0, 2.0]) == Interval(2.0, 1.0, 3.0)


def test_a_ratio_compares_times_of_one_round() -> None:
    slow_moments = [1.0, 1.0, 9.0, 1.0, 4.0, 1.0, 1.0]
    mine = [1.1 * moment for moment in slow_moments]
    assert ratio(mine, slow_moments).high == pytest.approx(1.1)
    with pytest.raises(ValueError, match="zip"):
        ratio(mine, slow_moments[1:])


def test_the_clock_is_the_callers() -> None:
    ticks = iter([5.0, 7.5])
    assert timer(lambda: None, clock=lambda: next(ticks))() == 2.5


def test_noise_is_measured_around_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "NOISE_ROUNDS", 5)
    measured = noise()
    assert measured["ratio_to_itself"]["low"] <= measured["ratio_to_itself"]["high"]
    assert measured["spread"] >= 0
