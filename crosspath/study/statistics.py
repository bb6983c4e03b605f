"""Did it help, or was it chance? Paired differences over seeds, their interval and the verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from crosspath.counts import quantity

Verdict = Literal["helps", "no evidence", "hurts"]

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
"""With fewer, the interval is too wide to be useful."""
NO_SPREAD = "every seed shows the same difference, so the spread is unknown"
POWER_FACTOR = 7.85
"""(z(0.975) + z(0.8))²: two-sided 5 % and a power of 80 %."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """One arm against `none`, seed by seed. Differences are in the units of the values."""

    difference: float
    """Mean of the differences."""
    low: float | None
    """95 % interval of the mean, from the t distribution with n - 1 degrees of freedom."""
    high: float | None
    p: float | None
    """Two-sided, of the paired t test."""
    verdict: Verdict
    reason: str
    seeds_needed: int | None
    """Seeds for 80 % power, if the true effect and spread equal the observed ones; None without either, and where the
    test samples are too few for any number of seeds."""


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); the latter is None for a single value."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def compare_paired(values: Sequence[float], baseline: Sequence[float], more_is_better: bool = True) -> PairedDifference:
    """The paired t test (Student 1908) of `values` against `baseline`, where entry i of both has seed i. The verdict
    goes by what is better; the difference is that of the values.

    Fewer than three seeds, or identical differences, give `no evidence` and no interval.

    Raises
    ------
    ValueError
        If the two differ in length or are empty.
    """
    differences = [value - base for value, base in zip(values, baseline, strict=True)]
    if not differences:
        raise ValueError("expected at least one pair of values, found none")
    mean, spread = mean_and_sd(differences)
    count = len(differences)
    # Differences of rounding alone are no spread.
    smallest = 1e-12 * max(1.0, *(abs(value) for value in (*values, *baseline)))
    if count < FEWEST_SEEDS or spread is None or spread <= smallest:
        reason = too_few(count) if count < FEWEST_SEEDS else NO_SPREAD
        least = seeds_needed(mean, spread) if spread is not None and spread > smallest else None
        return without_interval(mean, reason, least)

    return t_test(
        mean,
        spread / math.sqrt(count),
        count - 1,
        of="the difference",
        needed=seeds_needed(mean, spread),
        more_is_better=more_is_better,
    )


def t_test(
    mean: float, error: float, freedom: float, *, of: str, needed: int | None, more_is_better: bool = True
) -> PairedDifference:
    """The 95 % interval and two-sided p of a mean difference, from its standard error and degrees of freedom.

    `of` says in the reason what the interval is of; `needed` are the seeds of `PairedDifference.seeds_needed`.
    """
    from scipy.stats import t as student

    half = float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    p = float(2 * student.sf(abs(mean) / error, freedom))
    verdict: Verdict = "no evidence" if p >= 1 - CONFIDENCE else "helps" if (mean > 0) == more_is_better else "hurts"
    return PairedDifference(
        difference=mean,
        low=mean - half,
        high=mean + half,
        p=p,
        verdict=verdict,
        reason=f"the 95 % interval of {of} {'includes' if verdict == 'no evidence' else 'excludes'} zero",
        seeds_needed=needed,
    )


def without_interval(mean: float, reason: str, needed: int | None = None) -> PairedDifference:
    """A difference that no test can judge."""
    return PairedDifference(
        difference=mean, low=None, high=None, p=None, verdict="no evidence", reason=reason, seeds_needed=needed
    )


def seeds_needed(difference: float, sd: float) -> int | None:
    """Seeds for 80 % power at two-sided 5 %: 7.85·(sd/δ)² + 2, rounded up; None without a difference.

    The normal approximation of the paired t test, with 2 for the t distribution's wider tails.
    """
    if abs(difference) < 1e-9 * sd or difference == 0:  # zero but for rounding
        return None
    return math.ceil(POWER_FACTOR * (sd / difference) ** 2 + 2)


def false_discovery(values: Sequence[float]) -> list[float]:
    """p-values adjusted within a family (Benjamini and Hochberg 1995): of those below 0.05, at most 5 % are expected to
    be false."""
    from scipy.stats import false_discovery_control

    return [float(value) for value in false_discovery_control(values)]


def too_few(seeds: int) -> str:
    """Why so many seeds give no verdict."""
    return f"{quantity(seeds, 'seed')}; at least {FEWEST_SEEDS} are needed"
