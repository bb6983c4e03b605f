"""Which learning rates the search of an arm tries, and which it chooses: one rule for every arm."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Means = Mapping[float, float | None]
"""{rate: mean score of its trials on the validation part, more is better; None where one of them diverged}."""
DIGITS = 12
"""Means that agree to so many digits are equal: their difference is one of rounding."""
GROWTH = 3
"""Each round of a search or race trains so many times as long as the one before."""
FEWEST_RATES = 3
"""The fewest rates a shorter round passes on; with fewer, the best could not have a neighbour on each side."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The rates of a search."""

    rates: tuple[float, ...]
    """Those that are tried at first. A single one is used without a search."""
    seeds: int = 1
    """Trials of each rate."""
    middle: float | None = None
    """One of the rates, around which further ones may follow at each power of `factor`; None for a list."""
    factor: float = 2.0
    """The ratio of neighbours."""
    widenings: int = 0
    """Rates that may follow in each round, and weight decays, at most."""
    halving: int = 0
    """Shorter rounds before the one with the recipe's own number of epochs."""
    weight_decays: tuple[float, ...] = ()
    """Tried at the best rate, as multiples of the recipe's own; empty for its own alone."""

    def lengths(self, epochs: int) -> list[int]:
        """Epochs of each round; the last is the recipe's own number."""
        shorter = [max(1, epochs // GROWTH**number) for number in range(self.halving, 0, -1)]
        return [*dict.fromkeys(length for length in shorter if length < epochs), epochs]

    @property
    def may_grow(self) -> bool:
        """Whether the search may need more trials than those it begins with."""
        return bool(self.weight_decays) or (len(self.rates) > 1 and (self.middle is not None or self.halving > 0))

    def further(self, means: Means, first: int) -> float | None:
        """The next rate of a round that began with `first` rates, beyond the edge at which the best one lies; None
        where the round ends.
        """
        best = self.best(means)
        if self.middle is None or len(means) - first >= self.widenings or not self.is_edge(best, means):
            return None
        return self._rate(self._step(best) + (1 if best == max(means) else -1))

    def best(self, means: Means) -> float:
        """The rate with the highest mean. A rate at which a trial diverged is the worst. Of equal ones the smallest,
        which for a search that may widen is the smallest inside the edges, if there is one.
        """
        if self.middle is None:
            return best_rates(means, 1)[0]
        highest = max(rank(value, DIGITS) for value in means.values())
        equal = [rate for rate in sorted(means) if rank(means[rate], DIGITS) == highest]
        if means[equal[0]] is None:  # all diverged
            return equal[0]
        return next((rate for rate in equal if not self.is_edge(rate, means)), equal[0])

    def is_edge(self, rate: float, means: Means) -> bool:
        """Whether a rate is the lowest or the highest of those tried, so that a better one may lie beyond it."""
        return len(means) > 1 and rate in (min(means), max(means))

    def keep(self, means: Means) -> tuple[float, ...]:
        """The rates of the next round: the better half, and what lies between them where neighbours follow."""
        better = best_rates(means, max(FEWEST_RATES, math.ceil(len(means) / 2)))
        if self.middle is None:
            return tuple(better)
        return tuple(self._rate(step) for step in range(self._step(better[0]), self._step(better[-1]) + 1))

    def _step(self, rate: float) -> int:
        assert self.middle is not None
        return round(math.log(rate / self.middle) / math.log(self.factor))

    def _rate(self, step: int) -> float:
        assert self.middle is not None
        return self.middle * self.factor**step


def best_rates(means: Means, count: int) -> list[float]:
    """The best rates, in ascending order; of equal ones the smallest."""
    return sorted(sorted(sorted(means), key=lambda rate: rank(means[rate]), reverse=True)[:count])


def rank(mean: float | None, digits: int | None = None) -> float:
    """Sorts means, those of `None` last; with `digits`, what agrees to so many is equal."""
    if mean is None:
        return float("-inf")
    return mean if digits is None else round(mean, digits)


def first_rates(middle: float, factor: float) -> tuple[float, float, float]:
    """The first rates of a search that may widen."""
    return middle * factor**-1, middle, middle * factor
