"""Paired differences against scipy and against sums by hand; the verdict; the number of seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from crosspath.study.statistics import compare_paired, mean_and_sd, seeds_needed

ARM = [0.812, 0.840, 0.795, 0.833, 0.829]
BASE = [0.790, 0.822, 0.801, 0.809, 0.797]


def test_interval_and_p_are_those_of_scipys_paired_t_test() -> None:
    result = compare_paired(ARM, BASE)
    reference = stats.ttest_rel(ARM, BASE)
    interval = reference.confidence_interval(0.95)
    assert result.p == pytest.approx(reference.pvalue, rel=1e-10)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert result.difference == pytest.approx(np.mean(ARM) - np.mean(BASE), rel=1e-12)


def test_three_seeds_agree_with_the_closed_form() -> None:
    # Differences 1, 2, 3: mean 2, standard deviation 1, t = 2·√3. With two degrees of freedom the t distribution has
    # the closed form P(T > t) = 1/2 - t / (2·√(2 + t²)).
    result = compare_paired([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    t = 2 * math.sqrt(3)
    assert result.p == pytest.approx(2 * (0.5 - t / (2 * math.sqrt(2 + t * t))), rel=1e-10)
    # Its 97.5 % point: t / √(2 + t²) = 0.95.
    half = math.sqrt(2 * 0.95**2 / (1 - 0.95**2)) / math.sqrt(3)
    assert (result.low, result.high) == pytest.approx((2 - half, 2 + half), rel=1e-10)
    assert result.verdict == "no evidence"
    assert result.seeds_needed == math.ceil(7.85 * (1 / 2) ** 2 + 2)


def test_verdicts_follow_the_interval() -> None:
    base = [0.5, 0.6, 0.7]
    up = compare_paired([0.600, 0.701, 0.802], base)
    down = compare_paired(base, [0.600, 0.701, 0.802])
    assert (up.verdict, down.verdict) == ("helps", "hurts")
    assert up.low is not None
    assert up.low > 0
    assert "zero" in up.reason
    unsure = compare_paired([0.6, 0.5, 0.71], base)
    assert unsure.verdict == "no evidence"
    assert "includes zero" in unsure.reason


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_are_no_evidence(seeds: int) -> None:
    result = compare_paired([0.9, 0.95][:seeds], [0.1, 0.1][:seeds])
    assert result.verdict == "no evidence"
    assert (result.low, result.high, result.p) == (None, None, None)
    assert "at least 3" in result.reason
    # Differences 0.8 and 0.85: standard deviation 0.05 / √2, so that the 2 of the t distribution's tails remains.
    assert result.seeds_needed == (None if seeds == 1 else math.ceil(7.85 * (0.05 / math.sqrt(2) / 0.825) ** 2 + 2))


def test_no_spread_is_no_evidence_also_when_only_rounding_differs() -> None:
    result = compare_paired([0.1 + 0.2, 0.5, 0.7], [0.2, 0.4, 0.6])
    assert result.verdict == "no evidence"
    assert result.p is None
    assert result.seeds_needed is None
    assert "same difference" in result.reason


def test_unpaired_or_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        compare_paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="at least one"):
        compare_paired([], [])


def test_standard_deviation_divides_by_n_minus_one() -> None:
    assert mean_and_sd([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1)))
    assert mean_and_sd([1.0]) == (1.0, None)


def test_seeds_needed_give_the_power_they_promise() -> None:
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(-0.5, 0.5) == 10
    for effect in (0.4, 0.8, 1.2):
        count = seeds_needed(effect, 1.0)
        assert count is not None
        # The exact power of the paired t test, from the noncentral t distribution.
        critical = stats.t.ppf(0.975, count - 1)
        power = stats.nct.sf(critical, count - 1, effect * math.sqrt(count))
        assert 0.79 < power < 0.88
