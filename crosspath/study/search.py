"""The search of each arm's learning rate, and of its weight decay: by one rule for every arm, on the validation part.

`_search` reads as the story of a search. It is told from the start each time, from the files of finished trials alone,
until one is missing: so a study that was stopped goes on alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

from crosspath.errors import InputError
from crosspath.metrics import METRICS, metric_of
from crosspath.study.cells import Cell, Job, final_jobs, trials_of
from crosspath.study.definition import Study
from crosspath.study.grid import DIGITS, Means, rank
from crosspath.study.jobs import DIVERGENCE
from crosspath.study.rows import goodness
from crosspath.study.steps import Step
from crosspath.training.result import RESULT, read_result

Scores = Mapping[float, tuple[float, ...] | None]
"""{rate: score of each of its trials, more is better; None where one diverged}."""
Reader = Callable[[tuple[Job, ...]], list[float | None]]
"""The scores of trials; None for one that diverged."""
OWN = 1.0
"""The recipe's own weight decay, as a multiple of it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the search of one arm ended."""

    rate: float
    means: Means
    """{rate: mean validation score}, ascending, of the rates that were tried at full length; None where one diverged;
    empty where a single rate was given."""
    at_edge: bool
    """Whether the best rate is the lowest or the highest of these, or the best weight decay the largest: a better one
    may lie beyond, so that the choice settles nothing."""
    metric: str = "accuracy"
    """Whose means these are."""
    edge: str | None = None
    """Where the edge is, in words."""
    scores: Scores
    """{rate: scores of its trials, by seed}, of the same rates."""
    shorter: Mapping[int, Means]
    """{epochs: {rate: mean}} of the rounds before."""
    weight_decay: float | None = None
    """The best one; None for the recipe's own."""
    weight_decays: Means
    """{weight decay: mean} at the best rate; empty where none was searched."""

    @property
    def grid(self) -> dict[str, list[float] | list[float | None]] | None:
        """The rates and their mean validation scores, as plain data; None where a single rate was given."""
        return {"rates": list(self.means), "validation": list(self.means.values())} if self.means else None

    def final_jobs(self, cell: Cell, seeds: tuple[int, ...]) -> tuple[Job, ...]:
        """The reported runs."""
        return final_jobs(cell, self.rate, seeds, self.weight_decay)


def search_then_train(cell: Cell, study: Study, runs: Path) -> Step:
    """What is missing of the search of one cell, followed by its final runs with what it chose."""
    trials, _ = _progress(runs, cell)

    def then(_: object) -> Step:
        now, choice = _progress(runs, cell)
        if choice is None:
            assert len(now) > len(trials), "trials ended without a record"
            return search_then_train(cell, study, runs)
        return Step(choice.final_jobs(cell, study.seed_list), lambda _: None)

    return Step(trials, then)


def read_choice(runs: Path, cell: Cell) -> Choice | None:
    """What the finished trials of a cell choose; None while one of them is missing."""
    return _progress(runs, cell)[1]


def search_trials(runs: Path, cell: Cell) -> tuple[Job, ...]:
    """The trials of a cell as far as its finished ones tell: more may follow."""
    return _progress(runs, cell)[0]


def final_jobs_of(runs: Path, cell: Cell, study: Study) -> tuple[Job, ...]:
    """The final runs of a cell whose search is finished."""
    choice = read_choice(runs, cell)
    assert choice is not None
    return choice.final_jobs(cell, study.seed_list)


class _MissingTrialError(Exception):
    """A trial has not finished."""


def _progress(runs: Path, cell: Cell) -> tuple[tuple[Job, ...], Choice | None]:
    """The trials that are known to be needed, and the choice; None while one of them is missing."""
    trials: list[Job] = []

    def read(jobs: tuple[Job, ...]) -> list[float | None]:
        trials.extend(jobs)
        scores: list[float | None] = []
        for job in jobs:
            result = runs / job.folder / RESULT
            if result.is_file():
                scores.append(_score(result.parent, result.stat().st_mtime_ns))
            elif (result.parent / DIVERGENCE).is_file():
                scores.append(None)
            else:
                raise _MissingTrialError
        return scores

    try:
        choice = _search(cell, read, lambda: _metric_of(runs, tuple(trials)))
    except _MissingTrialError:
        return tuple(trials), None
    return tuple(trials), choice


@cache
def _score(folder: Path, _mtime: int) -> float:
    """The score of a finished trial, read once: a search is told again after each of its trials."""
    return goodness(read_result(folder), "validation")


def _search(cell: Cell, read: Reader, metric: Callable[[], str]) -> Choice:
    """The search of one cell. Raises `InputError` where every rate diverged."""
    grid, rates = cell.grid, cell.grid.rates
    shorter: dict[int, Means] = {}
    scores: Scores = {}
    best, edge = rates[0], None
    own_epochs, own = _epochs_and_decay(cell)
    for epochs in grid.lengths(own_epochs) if len(rates) > 1 else ():
        scores = _round(cell, read, rates, None if epochs == own_epochs else epochs)
        means = _means(scores)
        best = grid.best(means)
        if means[best] is None:
            raise _divergence_error(cell, means)
        if epochs != own_epochs:
            shorter[epochs] = means
            rates = grid.keep(means)
        elif grid.is_edge(best, means):
            edge = f"rate of {cell.arm.name}, {best:g}, is the {'lowest' if best == min(means) else 'highest'}"
            edge += f" of {len(means)} tried"
    decays = _weight_decays(cell, read, best, scores) if grid.weight_decays else {}
    decay = _best_decay(decays, own) if decays else own
    decay_edge = None
    if decays and decay == max(decays):
        decay_edge = f"weight decay of {cell.arm.name}, {decay:g}, is the largest of {len(decays)} tried"
    name = metric()
    sign = METRICS[name].sign
    edges = [words for words in (edge, decay_edge) if words is not None]
    return Choice(
        rate=best,
        means=_with_sign(_means(scores), sign),
        scores=scores,
        shorter={epochs: _with_sign(means, sign) for epochs, means in shorter.items()},
        at_edge=bool(edges),
        edge="; ".join(f"the best {words}: a better one may follow" for words in edges) or None,
        metric=name,
        weight_decay=None if decay == own else decay,
        weight_decays=_with_sign(decays, sign),
    )


def _round(cell: Cell, read: Reader, rates: tuple[float, ...], epochs: int | None) -> Scores:
    """Rates of one length, and those that follow beyond the edge."""
    scores = _by_value(rates, read(trials_of(cell, rates, epochs)))
    while (further := cell.grid.further(_means(scores), len(rates))) is not None:
        scores = scores | _by_value((further,), read(trials_of(cell, (further,), epochs)))
    return dict(sorted(scores.items()))


def _weight_decays(cell: Cell, read: Reader, rate: float, scores: Scores) -> Means:
    """Weight decays at the best rate, and those that follow while the largest is the best. `scores` are those of the
    rates, which were tried with the recipe's own.
    """
    _, own = _epochs_and_decay(cell)
    multiples = cell.grid.weight_decays
    of_own = scores[rate] if rate in scores else _by_value((own,), read(trials_of(cell, (rate,))))[own]
    others = tuple(one * own for one in multiples if one != OWN)
    trials = [trials_of(cell, (rate,), weight_decay=decay) for decay in others]
    means = _means({own: of_own, **_by_value(others, read(tuple(job for jobs in trials for job in jobs)))})
    while len(means) - len(multiples) < cell.grid.widenings:
        if _best_decay(means, own) != max(means):
            break
        decay = max(means) * cell.grid.factor
        means |= _means(_by_value((decay,), read(trials_of(cell, (rate,), weight_decay=decay))))
    return dict(sorted(means.items()))


def _best_decay(means: Means, own: float) -> float:
    """The weight decay with the highest mean; of equal ones the recipe's own, then the smallest."""
    return max(sorted(means, key=lambda decay: (decay != own, decay)), key=lambda decay: rank(means[decay], DIGITS))


@cache
def _epochs_and_decay(cell: Cell) -> tuple[int, float]:
    """Epochs and weight decay of a cell's recipe."""
    recipe = cell.recipe(cell.grid.rates[0], 0, search=False)
    return recipe.train.epochs, recipe.optimizer.weight_decay


def _by_value(values: tuple[float, ...], scores: list[float | None]) -> dict[float, tuple[float, ...] | None]:
    """{value: scores of its trials} from those of all trials in a row."""
    seeds = len(scores) // max(1, len(values))
    groups = {value: scores[index * seeds : (index + 1) * seeds] for index, value in enumerate(values)}
    result: dict[float, tuple[float, ...] | None] = {}
    for value, group in groups.items():
        finite = tuple(score for score in group if score is not None)
        result[value] = finite if len(finite) == seeds else None
    return result


def _means(scores: Scores) -> dict[float, float | None]:
    return {value: None if trials is None else fmean(trials) for value, trials in scores.items()}


def _with_sign(means: Means, sign: int) -> Means:
    """Means of scores as those of the metric."""
    return {value: None if mean is None else sign * mean for value, mean in means.items()}


def _metric_of(runs: Path, trials: tuple[Job, ...]) -> str:
    folder = next((runs / job.folder for job in trials if (runs / job.folder / RESULT).is_file()), None)
    return "accuracy" if folder is None else metric_of(read_result(folder).metrics["validation"])


def _divergence_error(cell: Cell, means: Means) -> InputError:
    rates = ", ".join(f"{rate:g}" for rate in means)
    todo = "search lower rates, with another --out"
    return InputError(f"the search of {cell.label}", "a rate at which training stays finite", f"none of {rates}", todo)
