"""The search of each arm's learning rate: the same number of trials for every arm, read on the validation part."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from crosspath.study.definition import Study
from crosspath.study.jobs import Step
from crosspath.study.plan import Cell, Job, final_jobs, search_jobs
from crosspath.study.table import score
from crosspath.training.result import Result, read_result


def search_then_train(cell: Cell, study: Study) -> Step:
    """The search of one cell, followed by its final runs at the best rate."""

    def final_step(trials: tuple[Result, ...]) -> Step:
        rate = best_rate(cell, trials, study.search.seeds)
        return Step(final_jobs(cell, rate, study.seed_list), lambda _: None)

    return Step(search_jobs(cell, study.search.seeds), final_step)


def final_jobs_of(runs: Path, cell: Cell, study: Study) -> tuple[Job, ...]:
    """The final runs of a cell whose search is finished."""
    trials = [read_result(runs / job.folder) for job in search_jobs(cell, study.search.seeds)]
    return final_jobs(cell, best_rate(cell, trials, study.search.seeds), study.seed_list)


def best_rate(cell: Cell, trials: Sequence[Result], seeds: int) -> float:
    """The rate with the highest mean score on the validation part; of equal ones the smallest."""
    if len(cell.rates) == 1:
        return cell.rates[0]
    means = mean_scores(cell, trials, seeds)
    return max(sorted(means), key=lambda rate: means[rate])


def mean_scores(cell: Cell, trials: Sequence[Result], seeds: int) -> dict[float, float]:
    """{rate: mean score of its trials on the validation part}."""
    scores = [score(trial, "validation") for trial in trials]
    return {rate: fmean(scores[i * seeds : (i + 1) * seeds]) for i, rate in enumerate(cell.rates)}
