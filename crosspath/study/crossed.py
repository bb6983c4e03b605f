"""Differences over seeds and test samples together: a test part is a sample too.

Each seed has its own model and its own test part; the same sample may lie in the test parts of several seeds, or, where
a set names its test part, of all of them. An interval over seeds alone takes those samples for the whole world: with 50
of them in every seed, it finds a difference between equal arms in up to a quarter of the cases
(`benchmarks/simulated_races.py`).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crosspath.study.statistics import (
    FEWEST_SEEDS,
    NO_SPREAD,
    POWER_FACTOR,
    PairedDifference,
    seeds_needed,
    t_test,
    too_few,
    without_interval,
)

FEWEST_RACE_SEEDS, MOST_RACE_SEEDS = 6, 20
SMALL_TEST, SMALL_TEST_SEEDS = 100, 12
"""Below so many test samples no number of seeds finds 5 points. More seeds would only find again what the leader was
chosen for: the samples of a small folder that decided the race come back in redrawn test parts."""


def race_seeds(test_samples: int) -> int:
    """Seeds that find a true difference of 5 points in 80 % of races, where arms of one seed differ by chance with a
    standard deviation of 3 points beside the chance of a test part of this size. Smaller test parts than
    `SMALL_TEST` find less.

    A fit to simulated races, in which `test_samples` are redrawn for every seed (`benchmarks/simulated_races.py`).
    """
    if test_samples < SMALL_TEST:
        return SMALL_TEST_SEEDS
    return min(MOST_RACE_SEEDS, max(FEWEST_RACE_SEEDS, math.ceil(3 + 2500 / test_samples)))


def compare_on_samples(
    values: Sequence[Mapping[str, bool]], baseline: Sequence[Mapping[str, bool]]
) -> PairedDifference:
    """The mean difference in accuracy of two arms, with an interval that covers seeds and test samples.

    Parameters
    ----------
    values, baseline
        For each seed {test sample: whether the arm's prediction is correct}; both arms have the same samples.

    Returns
    -------
    Differences are fractions. Fewer than three seeds, or no differing prediction, give `no evidence` and no interval.

    Raises
    ------
    ValueError
        If seeds or samples of the two differ, or there are none.
    """
    differences = []
    for ours, theirs in zip(values, baseline, strict=True):
        if not ours or ours.keys() != theirs.keys():
            raise ValueError("expected the same test samples for both arms")
        differences.append({sample: float(ours[sample]) - float(theirs[sample]) for sample in ours})
    if not differences:
        raise ValueError("expected at least one seed, found none")
    place = {sample: index for index, sample in enumerate(sorted({sample for seed in differences for sample in seed}))}
    seeds_N = np.repeat(np.arange(len(differences)), [len(seed) for seed in differences])
    samples_N = np.array([place[sample] for seed in differences for sample in seed])
    return compare_crossed(np.array([value for seed in differences for value in seed.values()]), seeds_N, samples_N)


def compare_crossed(
    differences_N: NDArray[np.float64], seeds_N: NDArray[np.int64], samples_N: NDArray[np.int64]
) -> PairedDifference:
    """`compare_on_samples` of differences by seed and sample, both numbered from 0.

    The variance of the mean is that of two-way clusters (Cameron, Gelbach and Miller 2011): over seeds, plus that over
    samples, less that of single cells, which both hold. The interval is that of the t distribution, with degrees of
    freedom after Satterthwaite.
    """
    weights_N = 1 / (np.bincount(seeds_N)[seeds_N] * (seeds_N.max() + 1))
    mean = float(weights_N @ differences_N)
    parts_N = weights_N * (differences_N - mean)
    sums_S, sums_I = np.bincount(seeds_N, parts_N), np.bincount(samples_N, parts_N)
    seeds, samples = len(sums_S), int((np.bincount(samples_N) > 0).sum())
    if seeds < FEWEST_SEEDS or not parts_N.any():
        return without_interval(mean, too_few(seeds) if seeds < FEWEST_SEEDS else NO_SPREAD)
    over_seeds = float((sums_S**2).sum()) * seeds / (seeds - 1)
    over_samples = float((sums_I**2).sum()) * samples / max(1, samples - 1)
    beyond = max(0.0, over_samples - float((parts_N**2).sum()))
    variance = over_seeds + beyond
    if variance < 1e-24:  # nothing but rounding
        return without_interval(mean, NO_SPREAD)
    freedom = variance**2 / (over_seeds**2 / (seeds - 1) + beyond**2 / max(1, samples - 1))

    # More seeds leave the share of the samples as it is, and have to find what it leaves of the difference.
    rest = mean**2 - POWER_FACTOR * beyond
    return t_test(
        mean,
        math.sqrt(variance),
        freedom,
        of="the difference, over seeds and test samples,",
        needed=seeds_needed(math.sqrt(rest), math.sqrt(over_seeds * seeds)) if rest > 0 else None,
    )
