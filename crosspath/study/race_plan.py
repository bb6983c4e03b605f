"""The plan of a race: how long every round trains, how many seeds confirm its leader, and what all of it costs."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosspath.errors import InputError
from crosspath.study.crossed import race_seeds
from crosspath.study.ways import Way

RATES = (0.5, 1.0, 2.0)
"""Learning rates of the first round, as multiples of the recipe's own; each later round drops the worst one."""
GROWTH = 3
"""Each round trains so many times as long as the one before, the ways that read validation worst left out."""
FOLDS = 5
"""Folds of the labelled samples, where a validation part would be a handful of files."""
ROUND_FOLDS = 3
"""Of these folds, that a round holds out, one after the other."""
ENOUGH_VALIDATION = 150
"""Validation samples that are read as they are: at 50 %, their standard error is 4 points."""
SHARE = 0.85
"""Of the budget that is planned; the rest is for runs that take longer than measured."""
AUXILIARY_SHARE = 0.2
"""Of the budget, at most, for pretraining auxiliaries."""
LONGEST = 8
"""Times the recipe's own number of epochs, beyond which a race does not go."""
FEWEST_EPOCHS = 6
SPARE_MINUTES = 0.5
"""Above the smallest budget, in the one that a refusal names: for reading the data once more."""
FEWEST_SEEDS = 5
LONGER = 3
"""Times as many epochs, at most, that `none` gets to have as much time as the leader."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What runs of one kind cost, in seconds of one process."""

    fixed: float
    """Of every run: data, model, reading the validation part, saving."""
    epoch: float

    def of(self, epochs: int) -> float:
        """One run of so many epochs."""
        return self.fixed + epochs * self.epoch


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
    """Of the whole, on all processes."""

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Plan":
        """A plan from `to_json`."""
        return cls(**{**entry, "rounds": tuple(Round(**one) for one in entry["rounds"])})


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Measured on this machine before anything is planned."""

    of_ways: Mapping[str, Cost]
    """{way: its training}."""
    masked: Cost
    """Masked modelling of the target's own files."""
    auxiliaries: Mapping[str, Cost]
    """{auxiliary: its pretraining}, of those that are pretrained."""

    def pretraining_epochs(self, way: Way, epochs: int, most: int) -> int:
        """Epochs of masked modelling that take as long as `epochs` of training."""
        return max(1, min(most, round(epochs * self.of_ways[way.name].epoch / self.masked.epoch)))

    def of_run(self, way: Way, epochs: int, most: int) -> float:
        """One run of a way, with the masked modelling that it begins with."""
        own = self.of_ways[way.name].of(epochs)
        return own + self.masked.of(self.pretraining_epochs(way, epochs, most)) if way.pretrains else own

    def to_json(self) -> dict[str, Any]:
        """The costs as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Costs":
        """Costs from `to_json`."""
        return cls(
            of_ways={name: Cost(**cost) for name, cost in entry["of_ways"].items()},
            masked=Cost(**entry["masked"]),
            auxiliaries={name: Cost(**cost) for name, cost in entry["auxiliaries"].items()},
        )


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
    spent: float = 0.0,
) -> Plan:
    """The plan that uses the budget best. Seeds are given up first, then folds, then epochs.

    Parameters
    ----------
    seconds
        What is left of the budget, times the number of processes.
    folds
        Runs of each way and rate in a round, at most.
    test
        Samples of the test part.
    recipe_epochs, pretraining_epochs
        Of the target's recipes.
    auxiliary_epochs
        {auxiliary: epochs of its recipe}, of those that are pretrained.
    processes, spent
        Runs at a time, and seconds on the clock so far: for the budget that a refusal names.

    Raises
    ------
    InputError
        For a budget that is too small for the shortest race.
    """
    planned = SHARE * seconds
    epochs_of, pretraining = _auxiliary_epochs(costs, auxiliary_epochs, AUXILIARY_SHARE * planned)
    wanted = race_seeds(test)
    choices = [(wanted, folds), *((seeds, folds) for seeds in range(wanted - 1, FEWEST_SEEDS - 1, -1))]
    choices += [(FEWEST_SEEDS, fewer) for fewer in range(folds - 1, 0, -1)]

    def cost(epochs: int, seeds: int, folds: int) -> float:
        return pretraining + race_seconds(ways, costs, epochs, seeds, folds, pretraining_epochs, pretraining)

    def longest(seeds: int, folds: int) -> int:
        lengths = range(1, LONGEST * recipe_epochs + 1)
        return bisect_right(lengths, planned, key=lambda length: cost(length, seeds, folds))

    found = next((choice for choice in choices if longest(*choice) >= recipe_epochs), choices[-1])
    epochs = longest(*found)
    if epochs < FEWEST_EPOCHS:
        needed = cost(FEWEST_EPOCHS, *choices[-1]) / SHARE
        enough = f"{math.ceil((needed / processes + spent) / 60 + SPARE_MINUTES)}m"
        asked = f"{(seconds / processes + spent) / 60:.1f} minutes, of which measuring took {spent / 60:.1f}"
        fewer = ", or name fewer auxiliaries" if any(way.auxiliary for way in ways) else ""
        raise InputError("--budget", f"{enough} or more on this machine", asked, f"write --budget {enough}{fewer}")
    seeds, folds = found
    return Plan(
        rounds=rounds_of(epochs, len(ways)),
        folds=folds,
        seeds=seeds,
        seeds_wanted=wanted,
        auxiliary_epochs=epochs_of,
        seconds=cost(epochs, seeds, folds),
    )


def race_seconds(
    ways: Sequence[Way], costs: Costs, epochs: int, seeds: int, folds: int, most: int, pretraining: float
) -> float:
    """Seconds of one process for all rounds and the fresh seeds, if the ways that take longest are those that stay."""
    total = 0.0
    for one in rounds_of(epochs, len(ways)):
        total += round_seconds(ways, costs, one, folds, most)
    fresh, search = fresh_seconds(ways, costs, epochs, most, pretraining)
    return total + folds * search + seeds * fresh


def round_seconds(ways: Sequence[Way], costs: Costs, one: Round, folds: int, most: int) -> float:
    """Seconds of one process for a round of the longest ways."""
    runs = sorted((costs.of_run(way, one.epochs, most) for way in ways[1:]), reverse=True)
    return folds * one.rates * (costs.of_run(ways[0], one.epochs, most) + sum(runs[: one.ways - 1]))


def fresh_seconds(ways: Sequence[Way], costs: Costs, epochs: int, most: int, pretraining: float) -> tuple[float, float]:
    """(seconds of a fresh seed with the longest leader, of the run that shows whether a longer `none` is better)."""
    none = ways[0]
    finals = [
        (
            costs.of_run(way, epochs, most) * (1 if way.control is None else 2),
            none_epochs(way, costs, epochs, most, pretraining if way.auxiliary else 0.0),
        )
        for way in ways[1:]
    ]
    fresh = max(run + costs.of_run(none, longer, most) for run, longer in finals)
    search = max(costs.of_run(none, longer, most) if longer > epochs else 0.0 for _, longer in finals)
    return fresh, search


def none_epochs(leader: Way, costs: Costs, epochs: int, most: int, pretraining: float) -> int:
    """Epochs in which `none` takes as long as the leader with all that it begins with, at most `LONGER` times its own.

    `pretraining` are the seconds that went into its auxiliary.
    """
    seconds = costs.of_run(leader, epochs, most) + pretraining
    none = costs.of_ways["none"]
    return max(epochs, min(LONGER * epochs, math.floor((seconds - none.fixed) / none.epoch)))


def _auxiliary_epochs(costs: Costs, most: Mapping[str, int], seconds: float) -> tuple[dict[str, int], float]:
    """({auxiliary: epochs}, seconds of all): each gets an equal share, and no more than its recipe asks for."""
    epochs: dict[str, int] = {}
    total = 0.0
    for name, cost in costs.auxiliaries.items():
        epochs[name] = max(1, min(most[name], math.floor((seconds / len(costs.auxiliaries) - cost.fixed) / cost.epoch)))
        total += cost.of(epochs[name])
    return epochs, total
