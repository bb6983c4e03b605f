"""Do intervals over seeds and test samples promise what they say? Simulated races of equal arms and of a better one."""

import numpy as np
import pytest

from benchmarks.simulated_races import simulate
from crosspath.study.crossed import compare_crossed, compare_on_samples, race_seeds
from crosspath.study.statistics import PairedDifference


@pytest.mark.parametrize(("test", "races"), [(50, 400), (300, 200), (3000, 40)])
@pytest.mark.parametrize("redrawn", [True, False])
def test_races_of_equal_arms_seldom_declare_a_leader(test: int, races: int, redrawn: bool) -> None:
    shares = simulate(races, test=test, seeds=race_seeds(test), gain=0.0, redrawn=redrawn)
    assert shares.helps <= 0.05 + 2 * (0.05 * 0.95 / races) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("test", [50, 300, 3000])
@pytest.mark.parametrize("redrawn", [True, False])
def test_two_thousand_races_of_equal_arms_declare_at_most_five_percent(test: int, redrawn: bool) -> None:
    assert simulate(2000, test=test, seeds=race_seeds(test), gain=0.0, redrawn=redrawn).helps <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("test", [300, 3000])
def test_two_thousand_races_find_five_points_with_the_seeds_that_try_uses(test: int) -> None:
    assert simulate(2000, test=test, seeds=race_seeds(test), gain=0.05, redrawn=True).helps >= 0.8


def test_five_points_are_found_with_the_seeds_that_try_uses() -> None:
    assert simulate(100, test=300, seeds=race_seeds(300), gain=0.05, redrawn=True).helps >= 0.75


def test_a_named_test_part_is_a_sample_too() -> None:
    """Over seeds alone, the same 50 samples in every seed find differences between equal arms."""
    shares = simulate(300, test=50, seeds=12, gain=0.0, redrawn=False)
    assert shares.alone > 0.1
    assert shares.helps <= 0.05


def test_more_seeds_for_smaller_test_parts() -> None:
    assert [race_seeds(count) for count in (50, 150, 300, 3000)] == [12, 20, 12, 6]


def test_the_variance_is_that_of_two_way_clusters() -> None:
    rng = np.random.default_rng(0)
    differences, seeds = rng.integers(-1, 2, 40).astype(float), np.repeat(np.arange(4), 10)
    samples = np.tile(np.arange(10), 4)
    answer = compare_crossed(differences, seeds, samples)
    rest = differences.reshape(4, 10) - differences.mean()
    over_seeds = (rest.sum(1) ** 2).sum() / 40**2 * 4 / 3
    over_samples = (rest.sum(0) ** 2).sum() / 40**2 * 10 / 9
    beyond = max(0.0, over_samples - (rest**2).sum() / 40**2)
    variance = over_seeds + beyond
    freedom = variance**2 / (over_seeds**2 / 3 + beyond**2 / 9)
    from scipy.stats import t as student

    assert answer.difference == pytest.approx(differences.mean())
    assert answer.high is not None
    assert answer.high - answer.difference == pytest.approx(student.ppf(0.975, freedom) * variance**0.5)


@pytest.mark.parametrize(("own", "of_seed", "found"), [(0.5, 0.05, False), (0.1, 0.2, True)])
def test_more_seeds_find_what_a_named_test_part_can_show(own: float, of_seed: float, found: bool) -> None:
    samples, gain, rng = 200, 0.05, np.random.default_rng(0)
    of_samples = rng.normal(0, own, samples)
    of_samples += gain - of_samples.mean()

    def compare(seeds: int) -> PairedDifference:
        differences = of_samples + rng.normal(0, of_seed, (seeds, 1)) + rng.normal(0, 0.1, (seeds, samples))
        return compare_crossed(
            differences.ravel(), np.repeat(np.arange(seeds), samples), np.tile(np.arange(samples), seeds)
        )

    few = compare(20)
    assert few.verdict == "no evidence"
    assert (few.seeds_needed is not None) == found
    shares = [compare(few.seeds_needed or 400).verdict == "helps" for _ in range(20)]
    assert np.mean(shares) >= 0.7 if found else not any(shares)


def test_samples_are_those_of_names_and_both_arms_have_the_same() -> None:
    ours = [{"a": True, "b": True, "c": False}, {"b": True, "c": True, "d": False}, {"a": True, "c": False, "d": True}]
    none = [{**seed, "c": False, "b": False} if "b" in seed else {**seed, "c": False} for seed in ours]
    answer = compare_on_samples(ours, none)
    assert answer.difference == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    with pytest.raises(ValueError, match="same test samples"):
        compare_on_samples(ours, [{"a": True}, *none[1:]])
    with pytest.raises(ValueError, match="at least one seed"):
        compare_on_samples([], [])


@pytest.mark.parametrize("seeds", [2, 4])
def test_without_spread_there_is_no_interval(seeds: int) -> None:
    answer = compare_on_samples([{"a": True}] * seeds, [{"a": False}] * seeds)
    assert (answer.verdict, answer.low, answer.difference) == ("no evidence", None, 1.0)
