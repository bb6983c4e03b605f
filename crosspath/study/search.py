"""The search of each arm's learning rate: by the same rule for every arm, read on the validation part.

What comes next is decided from the files of finished trials alone, so that a study that was stopped goes on alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from crosspath.errors import InputError
from crosspath.metrics import METRICS, metric_of
from crosspath.study.definition import Study
from crosspath.study.grid import Means
from crosspath.study.jobs import DIVERGED, Step
from crosspath.study.plan import Cell, Job, final_jobs, trials_of
from crosspath.study.table import goodness
from crosspath.training.result import RESULT, read_result


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the search of one arm ended."""

    rate: float
    means: Means
    """Of all rates that were tried, ascending; empty where a single rate was given."""
    at_edge: bool
    """Whether the best rate is the lowest or the highest that was tried: a better one may lie beyond."""
    metric: str = "accuracy"
    """Whose means these are."""
    settled: bool = True
    """False at the edge of a search that may widen, once it has been widened as often as it may."""

    @property
    def grid(self) -> dict[str, list[float] | list[float | None]] | None:
        """The rates and their mean validation scores, as plain data; None where a single rate was given."""
        return {"rates": list(self.means), "validation": list(self.means.values())} if self.means else None


def search_then_train(cell: Cell, study: Study, runs: Path) -> Step:
    """What is missing of the search of one cell, followed by its final runs at the best rate."""
    *_, (rates, _) = _rounds(runs, cell)

    def then(_: object) -> Step:
        *_, (now, choice) = _rounds(runs, cell)
        if choice is None:
            assert len(now) > len(rates), "trials ended without a record"
            return search_then_train(cell, study, runs)
        return Step(final_jobs(cell, choice.rate, study.seed_list), lambda _: None)

    return Step(trials_of(cell, rates), then)


def read_choice(runs: Path, cell: Cell) -> Choice | None:
    """The rate that the finished trials of a cell choose; None while one of them is missing."""
    *_, (_, choice) = _rounds(runs, cell)
    return choice


def search_runs(runs: Path, cell: Cell) -> int:
    """The trials of a cell as far as its finished ones tell: more may follow where the best rate is at the edge."""
    *_, (rates, _) = _rounds(runs, cell)
    return len(trials_of(cell, rates))


def final_jobs_of(runs: Path, cell: Cell, study: Study) -> tuple[Job, ...]:
    """The final runs of a cell whose search is finished."""
    choice = read_choice(runs, cell)
    assert choice is not None
    return final_jobs(cell, choice.rate, study.seed_list)


def _rounds(runs: Path, cell: Cell) -> Iterator[tuple[tuple[float, ...], Choice | None]]:
    """(rates, choice) after each widening of a search; the last has no choice while trials are missing."""
    rates = cell.grid.rates
    if len(rates) == 1:
        yield rates, Choice(rate=rates[0], means={}, at_edge=False)
        return
    while True:
        if not all(_is_finished(runs / job.folder) for job in trials_of(cell, rates)):
            yield rates, None
            return
        means = {rate: _mean_score(runs, cell, rate) for rate in rates}
        further = cell.grid.further(means)
        if further is None:
            yield rates, _choose(cell, means, _metric_of(runs, cell, rates))
            return
        rates = (*rates, further)


def _is_finished(folder: Path) -> bool:
    return (folder / RESULT).is_file() or (folder / DIVERGED).is_file()


def _mean_score(runs: Path, cell: Cell, rate: float) -> float | None:
    """The mean over the trials of a rate, turned so that more is better; None where one diverged."""
    folders = [runs / job.folder for job in trials_of(cell, (rate,))]
    if not all((folder / RESULT).is_file() for folder in folders):
        return None
    return fmean(goodness(read_result(folder), "validation") for folder in folders)


def _metric_of(runs: Path, cell: Cell, rates: tuple[float, ...]) -> str:
    folders = [runs / job.folder for job in trials_of(cell, rates)]
    finished = next((folder for folder in folders if (folder / RESULT).is_file()), None)
    return "accuracy" if finished is None else metric_of(read_result(finished).metrics["validation"])


def _choose(cell: Cell, means: Means, metric: str) -> Choice:
    """The choice of a search that has ended. Raises `InputError` where every rate diverged."""
    best = cell.grid.best(means)
    means = dict(sorted(means.items()))
    if means[best] is None:
        rates = ", ".join(f"{rate:g}" for rate in means)
        todo = "search lower rates, with another --out"
        raise InputError(
            f"the search of {cell.label}", "a rate at which training stays finite", f"none of {rates}", todo
        )
    at_edge = cell.grid.is_edge(best, means)
    values = {rate: None if mean is None else METRICS[metric].sign * mean for rate, mean in means.items()}
    settled = not at_edge or cell.grid.factor is None
    return Choice(rate=best, means=values, at_edge=at_edge, metric=metric, settled=settled)
