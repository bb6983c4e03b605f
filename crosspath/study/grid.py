"""Which learning rates the search of an arm tries, and which it chooses: one rule for every arm."""

from collections.abc import Mapping
from dataclasses import dataclass

Means = Mapping[float, float | None]
"""{rate: mean score of its trials on the validation part; None where one of them diverged}."""
DIGITS = 12
"""Means that agree to so many digits are equal: their difference is one of rounding."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The rates of a search."""

    rates: tuple[float, ...]
    """Those that are tried at first. A single one is used without a search."""
    seeds: int = 1
    """Trials of each rate."""
    factor: float | None = None
    """The ratio of neighbours, where further rates may follow around the middle of three; None for a list."""
    widenings: int = 0
    """Rates that may follow, at most."""

    def further(self, means: Means) -> float | None:
        """The next rate to try, beyond the edge at which the best one lies; None where the search ends."""
        if self.factor is None or len(means) - len(self.rates) >= self.widenings:
            return None
        best = self.best(means)
        if not self.is_edge(best, means):
            return None
        middle = self.rates[1]
        upwards = best == max(means)
        steps = sum(rate > middle if upwards else rate < middle for rate in means) + 1
        return middle * self.factor ** (steps if upwards else -steps)

    def best(self, means: Means) -> float:
        """The rate with the highest mean. A rate at which a trial diverged is the worst. Of equal ones the smallest,
        which for a search that may widen is the smallest inside the edges, if there is one.
        """
        if self.factor is None:
            return max(sorted(means), key=lambda rate: _rank(means[rate]))
        highest = max(_rank(value, DIGITS) for value in means.values())
        equal = [rate for rate in sorted(means) if _rank(means[rate], DIGITS) == highest]
        if means[equal[0]] is None:  # all diverged
            return equal[0]
        return next((rate for rate in equal if not self.is_edge(rate, means)), equal[0])

    def is_edge(self, rate: float, means: Means) -> bool:
        """Whether a rate is the lowest or the highest of those tried, so that a better one may lie beyond it."""
        return len(means) > 1 and rate in (min(means), max(means))


def _rank(mean: float | None, digits: int | None = None) -> float:
    if mean is None:
        return float("-inf")
    return mean if digits is None else round(mean, digits)


def first_rates(middle: float, factor: float) -> tuple[float, float, float]:
    """The first rates of a search that may widen."""
    return middle / factor, middle, middle * factor
