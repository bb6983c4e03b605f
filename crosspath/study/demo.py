"""The complete story, small and offline: train two auxiliaries, compare the target with and without each of them, one
that helps and one that does not, merge, check equality, report.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, write_json
from crosspath.study.arms import SAME_MODALITY
from crosspath.study.demo_plan import COMPARISON, MERGED, SUMMARY, DemoPlan, claim_demo_folder
from crosspath.study.folder import RUNS
from crosspath.study.plan import comparisons
from crosspath.study.pools import end_importing_worker
from crosspath.study.progress import PartialRun
from crosspath.study.reports.merges import merge_and_compare, write_merges
from crosspath.study.results import write_results
from crosspath.study.search import final_jobs_of
from crosspath.study.study import run_study
from crosspath.training.plan import plan as plan_run
from crosspath.training.progress import open_bar
from crosspath.training.result import Result
from crosspath.training.run import pretrain, train

THREADS = 1
"""Measured on two cores with models this small: a second thread saves a third of the time on an idle machine, and costs
more than ten times as much on a busy one, because the threads wait for each other at every layer."""
WORKERS = 2


def demo(
    out: str | Path = "runs/demo",
    *,
    seeds: int = 5,
    settings: Sequence[str] = (),
    auxiliary_settings: Sequence[str] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Run the demo and write its folder: the auxiliaries, the study with its report, a merged model, `demo.json`.

    Every arm has the same recipe, learning rate and number of steps and, for the same seed, the same initial weights,
    order and labels. The test part is read once per run. Runs on the CPU, two runs at a time with one thread each.
    In a script the call stands below `if __name__ == "__main__":`, since every worker imports the script.

    Parameters
    ----------
    out
        A new or empty folder, or one of an earlier demo, which is replaced.
    seeds
        Number of seeds; each seed redraws initialisation, order, labels and the random control.
    settings, auxiliary_settings
        Further `section.field=value` for every arm, and for both auxiliaries.

    Returns
    -------
    The content of `demo.json`: rows and answer of the study, equality of merged and connected outputs on the test part,
    cost.

    Raises
    ------
    InputError
        For a folder with files that no demo wrote, and invalid settings.
    """
    end_importing_worker()
    start = time.perf_counter()
    if seeds < 1:
        raise InputError("seeds", "1 or more", str(seeds), "request at least one")
    plan = DemoPlan(Path(out), seeds, tuple(auxiliary_settings), tuple(settings))
    recipes, study = plan.auxiliaries, plan.study
    (comparison,) = comparisons(study, {name: (recipe.name, recipe.modality) for name, recipe in recipes.items()})
    with claim_demo_folder(plan.out), threads(THREADS):
        results_of_auxiliaries = _train_auxiliaries(plan, recipes, progress)
        folder = plan.out / COMPARISON
        workers = min(WORKERS, os.cpu_count() or 1)
        run_study(study, out=folder, workers=workers, threads=THREADS, command="crosspath demo", progress=progress)
        cell = next(cell for cell in comparison.others if cell.arm is SAME_MODALITY)
        run = folder / RUNS / final_jobs_of(folder / RUNS, cell, study)[0].folder
        merge = merge_and_compare(cell.target, run, plan.out / MERGED)
        write_merges(folder, [merge])
        results = write_results(folder, "crosspath demo")
        summary = {
            "format_version": FORMAT_VERSION,
            "auxiliaries": {name: result.metrics for name, result in results_of_auxiliaries.items()},
            "about": study.about,
            "answer": results["answer"],
            "rows": results["rows"],
            "merges": [asdict(merge)],
            "duration_s": time.perf_counter() - start,
            "peak_memory_mib": _peak_memory_mib(),
            "commands": plan.commands(run, plan.out / MERGED),
            "report": results["report"],
        }
        write_json(plan.out / SUMMARY, summary)
    return summary


def _train_auxiliaries(plan: DemoPlan, recipes: Mapping[str, Recipe], progress: bool) -> dict[str, Result]:
    results = {}
    with open_bar(progress, sum(plan_run(recipe)["steps"] or 0 for recipe in recipes.values())) as bar:
        for run, (name, recipe) in zip((pretrain, train), recipes.items(), strict=True):
            label = f"auxiliary {name}"
            result = run(recipe, out=plan.auxiliary_folder(name), progress=PartialRun(bar, label, 1))
            results[name] = result
            score = ", ".join(f"{key} {value:.3f}" for key, value in result.metrics["test"].items())
            bar.line(f"{label}: test {score} ({result.duration_s:.0f} s)")
    return results


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with `count` threads inside the block; restore the previous number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_memory_mib() -> float | None:
    """The peak memory of this process; None where the system does not report it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
