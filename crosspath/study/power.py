"""What a comparison could show: computed from the search, before a reported run has ended."""

import math
from functools import lru_cache
from statistics import fmean

from crosspath.study.cells import Cell
from crosspath.study.definition import Study
from crosspath.study.search import Choice
from crosspath.study.statistics import CONFIDENCE, FEWEST_SEEDS

POWER = 0.8


def power_of(study: Study, cell: Cell, choice: Choice, baseline: Choice) -> tuple[float | None, float | None]:
    """(expected spread, detectable difference) of an arm; None where the study states no spread and the search shows
    none."""
    spread = study.targets[cell.target].spread or study.power.spread or expected_spread(choice, baseline)
    return spread, None if spread is None else detectable_difference(spread, len(study.seed_list))


def detectable_difference(spread: float, seeds: int) -> float | None:
    """The true difference that the paired t test finds in 80 % of cases, two-sided at 5 %; None below three seeds.

    `spread` is the standard deviation of the paired differences; the result is in its unit. From the noncentral t
    distribution with n - 1 degrees of freedom and the noncentrality √n·δ/sd.
    """
    return spread * _in_spreads(seeds) if seeds >= FEWEST_SEEDS else None


@lru_cache
def _in_spreads(seeds: int) -> float:
    from scipy.optimize import brentq
    from scipy.stats import nct
    from scipy.stats import t as student

    critical = float(student.ppf(0.5 + CONFIDENCE / 2, seeds - 1))

    def lacking(difference: float) -> float:
        shift = math.sqrt(seeds) * difference
        # The chance of significance in the wrong direction, below 1e-4 at this power, is left out.
        return float(nct.sf(critical, seeds - 1, shift)) - POWER

    return float(brentq(lacking, 0.0, 10.0))


def expected_spread(choice: Choice, baseline: Choice) -> float | None:
    """The standard deviation of the paired differences of an arm with `none`, from the trials of both searches: at the
    best rate of each and at its neighbours, of which each pair has a mean of its own. None for fewer than two trials a
    rate, and without a search.
    """
    rates, others = sorted(choice.scores), sorted(baseline.scores)
    if choice.rate not in rates or baseline.rate not in others:
        return None
    squares, degrees = 0.0, 0
    for step in (-1, 0, 1):
        at, beside = rates.index(choice.rate) + step, others.index(baseline.rate) + step
        if not (0 <= at < len(rates) and 0 <= beside < len(others)):
            continue
        scores, of_none = choice.scores[rates[at]], baseline.scores[others[beside]]
        if scores is None or of_none is None or len(scores) < 2:
            continue
        differences = [one - other for one, other in zip(scores, of_none, strict=True)]
        mean = fmean(differences)
        squares += sum((difference - mean) ** 2 for difference in differences)
        degrees += len(differences) - 1
    return math.sqrt(squares / degrees) if degrees and squares > 0 else None
