"""The plan of a race: how long every round trains, how many seeds confirm its leader, and what all of it costs."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosspath.errors import InputError
from crosspath.study.crossed import race_seeds
from crosspath.study.grid import GROWTH
from crosspath.study.race.costs import Costs, Estimate
from crosspath.study.race.ways import Way

RATES = (0.5, 1.0, 2.0)
"""Learning rates of the first round, as multiples of the recipe's own; each later round drops the worst one."""
FOLDS = 5
"""Folds of the labelled samples, where a validation part would be a handful of files."""
ROUND_FOLDS = 3
"""Of these folds, that a round holds out, one after the other."""
ENOUGH_VALIDATION = 150
"""Validation samples that are read as they are: at 50 %, their standard error is 4 points."""
SHARE = 0.85
"""Of the budget that is planned; the rest is for runs that take longer than measured."""
REST_SHARE = 0.92
"""The same for what is left before the last round, when more is known."""
AUXILIARY_SHARE = 0.2
"""Of the budget, at most, for pretraining auxiliaries."""
LONGEST = 8
"""Times the recipe's own number of epochs, beyond which a race does not go."""
FEWEST_EPOCHS = 6
SPARE_MINUTES = 0.5
"""Above the smallest budget, in the one that a refusal names: for reading the data once more."""
FEWEST_PLANNED_SEEDS = 5
"""Fresh seeds that a plan counts on; a race that turns out slow ends with `statistics.FEWEST_SEEDS`."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round of the race."""

    epochs: int
    ways: int
    """That take part, `none` among them."""
    rates: int
    """Of each way."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All decisions that depend on the clock: they are made once, and written before they are followed."""

    rounds: tuple[Round, ...]
    folds: int
    """Runs of every way and rate in a round: folds of the labels, or 1."""
    seeds: int
    seeds_wanted: int
    """Seeds that find 5 points in 80 % of races with a test part of this size."""
    auxiliary_epochs: Mapping[str, int]
    seconds: float
    """Of the whole, on the clock."""

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Last:
    """What is decided before the last round."""

    epochs: int
    seeds: int


def rounds_of(epochs: int, ways: int) -> tuple[Round, ...]:
    """Rounds up to `epochs`: all ways at a ninth with three rates, half of them at a third with two, then three."""
    middle, last = max(2, math.ceil(ways / 2)), min(3, ways)
    return (
        Round(epochs=max(1, epochs // GROWTH**2), ways=ways, rates=3),
        Round(epochs=max(1, epochs // GROWTH), ways=middle, rates=2),
        Round(epochs=epochs, ways=min(last, middle), rates=1),
    )


def make_plan(
    ways: Sequence[Way],
    costs: Costs,
    *,
    seconds: float,
    folds: int,
    test: int,
    recipe_epochs: int,
    pretraining_epochs: int,
    auxiliary_epochs: Mapping[str, int],
    processes: int = 1,
    seconds_so_far: float = 0.0,
) -> Plan:
    """The plan that uses the budget best. Seeds are given up first, then folds, then epochs.

    Parameters
    ----------
    seconds
        What is left of the budget, on the clock.
    folds
        Runs of each way and rate in a round, at most.
    test
        Samples of the test part.
    recipe_epochs, pretraining_epochs
        Of the target's recipes.
    auxiliary_epochs
        {auxiliary: epochs of its recipe}, of those that are pretrained.
    processes, seconds_so_far
        Runs at a time, and seconds on the clock so far, for the budget that a refusal names.

    Raises
    ------
    InputError
        For a budget that is too small for the shortest race.
    """
    limit = SHARE * seconds
    epochs_of = _auxiliary_epochs(costs, auxiliary_epochs, AUXILIARY_SHARE * limit, processes)
    estimate = estimate_of(costs, epochs_of, pretraining_epochs, processes)
    most_seeds = race_seeds(test)
    choices = [*choices_of(most_seeds, folds), *((FEWEST_PLANNED_SEEDS, fewer) for fewer in range(folds - 1, 0, -1))]

    def cost(epochs: int, seeds: int, folds: int) -> float:
        total = sum(round_seconds(estimate, ways, rounds_of(epochs, len(ways)), folds))
        return total + estimate.of_fresh(ways, epochs, seeds, folds)

    epochs, seeds, folds = longest(choices, cost, limit, recipe_epochs)
    if epochs < FEWEST_EPOCHS:
        minimum = cost(FEWEST_EPOCHS, *choices[-1]) / SHARE
        enough = f"{math.ceil((minimum + seconds_so_far) / 60 + SPARE_MINUTES)}m"
        within = ", of which measuring" if seconds > 0 else "; measuring alone"
        budget = f"{(seconds + seconds_so_far) / 60:.1f} minutes{within} took {seconds_so_far / 60:.1f}"
        fewer = ", or name fewer auxiliaries" if any(way.auxiliary for way in ways) else ""
        raise InputError("--budget", f"{enough} or more on this machine", budget, f"write --budget {enough}{fewer}")
    return Plan(
        rounds=rounds_of(epochs, len(ways)),
        folds=folds,
        seeds=seeds,
        seeds_wanted=most_seeds,
        auxiliary_epochs=epochs_of,
        seconds=cost(epochs, seeds, folds),
    )


def plan_rest(
    ways: Sequence[Way], estimate: Estimate, *, seconds: float, folds: int, most_seeds: int, recipe_epochs: int
) -> Last:
    """The last round and the fresh seeds, once it is known which ways reach them and how fast the runs before were."""

    def cost(epochs: int, seeds: int, folds: int) -> float:
        return estimate.of_round(ways, epochs, 1, folds) + estimate.of_fresh(ways, epochs, seeds, folds)

    epochs, seeds, _ = longest(choices_of(most_seeds, folds), cost, REST_SHARE * seconds, recipe_epochs)
    return Last(epochs=epochs, seeds=seeds)


def choices_of(most_seeds: int, folds: int) -> list[tuple[int, int]]:
    """(seeds, folds), the best first: seeds are given up first."""
    return [(seeds, folds) for seeds in range(max(most_seeds, FEWEST_PLANNED_SEEDS), FEWEST_PLANNED_SEEDS - 1, -1)]


def longest(
    choices: Sequence[tuple[int, int]], cost: Callable[[int, int, int], float], seconds: float, recipe_epochs: int
) -> tuple[int, int, int]:
    """(epochs, seeds, folds) of the first choice that has time for the recipe's own number of epochs, or of the last:
    as many epochs as there is time for, 0 where there is none.
    """
    epochs = 0
    for seeds, folds in choices:
        lengths = range(1, LONGEST * recipe_epochs + 1)
        epochs = bisect_right(lengths, seconds, key=lambda length: cost(length, seeds, folds))
        if epochs >= recipe_epochs:
            break
    return epochs, seeds, folds


def estimate_of(costs: Costs, auxiliary_epochs: Mapping[str, int], most: int, processes: int) -> Estimate:
    """What the costs say of a race whose auxiliaries are pretrained for so many epochs."""
    auxiliaries = {name: costs.auxiliaries[name].of(epochs) for name, epochs in auxiliary_epochs.items()}
    return Estimate(costs=costs, processes=processes, most=most, auxiliaries=auxiliaries)


def round_seconds(estimate: Estimate, ways: Sequence[Way], rounds: Sequence[Round], folds: int) -> list[float]:
    """Seconds on the clock of each of these rounds, if the ways that take longest are those that stay."""
    seconds = []
    for number, one in enumerate(rounds):
        of_round = estimate.of_round if number else estimate.of_first_round
        seconds.append(of_round(estimate.longest(ways, one.ways, one.epochs), one.epochs, one.rates, folds))
    return seconds


def _auxiliary_epochs(costs: Costs, most: Mapping[str, int], seconds: float, processes: int) -> dict[str, int]:
    """{auxiliary: epochs}: as many as all of them have time for on the clock, each no more than its recipe asks for."""
    turns = math.ceil(len(costs.auxiliaries) / processes)
    return {
        name: max(1, min(most[name], math.floor((seconds / turns - cost.fixed) / cost.epoch)))
        for name, cost in costs.auxiliaries.items()
    }
