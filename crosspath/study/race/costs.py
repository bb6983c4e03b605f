"""What the runs of a race cost, and how long several of them take on the clock."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from heapq import heapreplace
from typing import Any

from crosspath.study.race.ways import Way

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

    def times(self, pace: float) -> "Cost":
        """The cost where everything takes so many times as long."""
        return replace(self, fixed=pace * self.fixed, epoch=pace * self.epoch)


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
        return self.before(way, epochs, most) + self.of_ways[way.name].of(epochs)

    def before(self, way: Way, epochs: int, most: int) -> float:
        """The masked modelling before a run, which runs of one seed with other learning rates share."""
        return self.masked.of(self.pretraining_epochs(way, epochs, most)) if way.pretrains else 0.0

    def times(self, pace: float) -> "Costs":
        """The costs where everything takes so many times as long."""
        return Costs(
            of_ways={name: cost.times(pace) for name, cost in self.of_ways.items()},
            masked=self.masked.times(pace),
            auxiliaries={name: cost.times(pace) for name, cost in self.auxiliaries.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """The costs as plain data."""
        return asdict(self)


def clock_seconds(runs: Iterable[float], processes: int) -> float:
    """Seconds on the clock until all these runs have ended, which so many processes take on in this order."""
    busy = [0.0] * processes
    for run in runs:
        heapreplace(busy, busy[0] + run)
    return max(busy)


def none_epochs(leader: Way, costs: Costs, epochs: int, most: int, pretraining: float) -> int:
    """Epochs in which `none` takes as long as the leader with all that it begins with, at most `LONGER` times its own.

    `pretraining` are the seconds that went into its auxiliary.
    """
    seconds = costs.of_run(leader, epochs, most) + pretraining
    none = costs.of_ways["none"]
    return max(epochs, min(LONGER * epochs, math.floor((seconds - none.fixed) / none.epoch)))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How long the parts of a race take on the clock."""

    costs: Costs
    processes: int
    """Runs at a time."""
    most: int
    """Epochs of masked modelling before a run, at most."""
    auxiliaries: Mapping[str, float]
    """{auxiliary: seconds of its pretraining}, of those that are pretrained."""

    def of_round(self, ways: Sequence[Way], epochs: int, rates: int, folds: int) -> float:
        """A round of these ways."""
        return clock_seconds(self._runs(ways, epochs, rates, folds), self.processes)

    def of_first_round(self, ways: Sequence[Way], epochs: int, rates: int, folds: int) -> float:
        """The first round: auxiliaries are pretrained beside the ways that need none."""
        beside = self._runs([way for way in ways if way.auxiliary not in self.auxiliaries], epochs, rates, folds)
        after = self._runs([way for way in ways if way.auxiliary in self.auxiliaries], epochs, rates, folds)
        together = clock_seconds((*self.auxiliaries.values(), *beside), self.processes)
        return together + clock_seconds(after, self.processes)

    def longest(self, ways: Sequence[Way], count: int, epochs: int) -> list[Way]:
        """`none`, the first of these ways, and those of the others that take longest, `count` ways in all."""
        none, *others = ways
        others.sort(key=lambda way: self.costs.of_run(way, epochs, self.most), reverse=True)
        return [none, *others[: count - 1]]

    def of_fresh(self, ways: Sequence[Way], epochs: int, seeds: int, folds: int) -> float:
        """The confirmation of the leader, that of these ways (`none` comes first) which takes longest."""
        return max(self._fresh(ways[0], leader, epochs, seeds, folds) for leader in ways[1:])

    def _fresh(self, none: Way, leader: Way, epochs: int, seeds: int, folds: int) -> float:
        """The runs that show whether a longer `none` is better, beside the leader's first seeds; then all others."""
        own = self.costs.of_run(leader, epochs, self.most)
        longer = none_epochs(leader, self.costs, epochs, self.most, self.auxiliaries.get(str(leader.auxiliary), 0.0))
        plain = self.costs.of_run(none, longer, self.most)
        arms = [own] if leader.control is None else [own, own]
        first = min(seeds, self.processes)
        search = [plain] * folds if longer > epochs else []
        total = clock_seconds(search + arms * first, self.processes) + clock_seconds([plain] * first, self.processes)
        batches, rest = divmod(seeds - first, self.processes)
        total += batches * clock_seconds([plain, *arms] * self.processes, self.processes)
        return total + (clock_seconds([plain, *arms] * rest, self.processes) if rest else 0.0)

    def _runs(self, ways: Sequence[Way], epochs: int, rates: int, folds: int) -> list[float]:
        runs: list[float] = []
        for way in ways:
            own = self.costs.of_ways[way.name].of(epochs)
            runs += [self.costs.before(way, epochs, self.most) + own, *[own] * (rates - 1)] * folds
        return runs
