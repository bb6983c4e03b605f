"""The complete story, small and offline: train an auxiliary on generated data of another modality, train a classifier
of handwritten digits with few labels, with and without a pathway from it, merge, check equality, report.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from crosspath.checkpoints import auxiliary_source, load_checkpoint, merge_checkpoint
from crosspath.checkpoints.equality import compare_outputs
from crosspath.errors import InputError
from crosspath.evaluation.cost import count_parameters
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.files import FORMAT_VERSION, write_json
from crosspath.modalities.load import load_data
from crosspath.objectives.metrics import classification_metrics
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.controls import random_auxiliary
from crosspath.study.demo_plan import (
    ARMS,
    AUXILIARIES,
    AUXILIARY_SETTINGS,
    LABELS_PER_CLASS,
    SCALE_INIT,
    TARGET,
    TARGET_SETTINGS,
    DemoPlan,
    claim_demo_folder,
    work_per_step,
)
from crosspath.study.demo_report import REPORT, SUMMARY, write_report
from crosspath.study.progress import PartialRun
from crosspath.study.table import compare_arms
from crosspath.training.progress import Bar, open_bar
from crosspath.training.result import Result
from crosspath.training.run import train

THREADS = 1
"""Measured on two cores with models this small: a second thread saves a third of the time on an idle machine, and costs
more than ten times as much on a busy one, because the threads wait for each other at every layer."""


def demo(
    out: str | Path = "runs/demo",
    *,
    auxiliary: Literal["sounds", "solids"] = "sounds",
    seeds: int = 3,
    labels_per_class: int = LABELS_PER_CLASS,
    settings: Sequence[str] = (),
    auxiliary_settings: Sequence[str] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Run the demo and write its folder: a run folder for each arm and seed, `merged-*`, `demo.json`, `report.html`.

    Every arm has the same recipe, the same number of steps and, for the same seed, the same initial weights, order
    and labels; λ starts at 0.1. The test part is read once per run. Runs on the CPU with one thread.

    Parameters
    ----------
    out
        A new or empty folder, or one of an earlier demo, which is replaced.
    auxiliary
        The generated data on which the auxiliary is trained.
    seeds
        Number of seeds; each seed redraws initialisation, order, labels and the random control.
    settings, auxiliary_settings
        Further `section.field=value` for every arm, and for the auxiliary.

    Returns
    -------
    The content of `demo.json`: the rows of the table, equality of merged and connected outputs on the test part, cost.

    Raises
    ------
    InputError
        For a folder with files that no demo wrote, an unknown auxiliary, and invalid settings.
    """
    start = time.perf_counter()
    if auxiliary not in AUXILIARIES:
        raise InputError("auxiliary", f"one of {', '.join(AUXILIARIES)}", repr(auxiliary), "choose one of them")
    if seeds < 1:
        raise InputError("seeds", "1 or more", str(seeds), "request at least one")
    plan = DemoPlan(
        out=Path(out),
        name=auxiliary,
        seeds=tuple(range(seeds)),
        auxiliary_settings=(*AUXILIARY_SETTINGS[auxiliary], "train.device=cpu", *auxiliary_settings),
        target_settings=(f"data.labels_per_class={labels_per_class}", *TARGET_SETTINGS, "train.device=cpu", *settings),
    )
    work = plan.work()
    with claim_demo_folder(plan.out), open_bar(progress, work) as bar, threads(THREADS):
        auxiliary_result = _train_auxiliary(plan, bar)
        results = _train_arms(plan, bar)
        bar.advance(0, "merging")
        equality = _merge_and_compare(plan)
        summary = {
            "format_version": FORMAT_VERSION,
            "target": TARGET,
            "auxiliary": AUXILIARIES[auxiliary],
            "auxiliary_metrics": auxiliary_result.metrics,
            "seeds": list(plan.seeds),
            "labels_per_class": labels_per_class,
            "scale_init": SCALE_INIT,
            "arms": {arm.name: [f"{arm.name}-{seed}" for seed in plan.seeds] for arm in ARMS},
            "merged": [f"merged-{seed}" for seed in plan.seeds],
            "rows": [row.to_json() for row in compare_arms(results, auxiliary_of_arms(AUXILIARIES[auxiliary]))],
            "equality": equality,
            "duration_s": time.perf_counter() - start,
            "peak_memory_mib": _peak_memory_mib(),
            "commands": plan.commands(),
            "report": str(plan.out / REPORT),
        }
        write_json(plan.out / SUMMARY, summary)
        write_report(plan.out)
    return summary


def auxiliary_of_arms(recipe: str) -> dict[str, str | None]:
    """{arm: recipe of its auxiliary}."""
    return {arm.name: None if arm is NONE else recipe for arm in ARMS}


def _train_auxiliary(plan: DemoPlan, bar: Bar) -> Result:
    recipe = plan.auxiliary
    label = f"auxiliary: {recipe.name}"
    listener = PartialRun(bar, label, work_per_step(recipe))
    result = train(recipe, out=plan.folder("auxiliary"), progress=listener)
    bar.line(_result_line(label, result))
    return result


def _train_arms(plan: DemoPlan, bar: Bar) -> dict[str, list[Result]]:
    """Train every arm with every seed; seeds are the outer loop, so that a drift of the machine affects all arms."""
    source = auxiliary_source(plan.folder("auxiliary"))
    results: dict[str, list[Result]] = {arm.name: [] for arm in ARMS}
    for seed in plan.seeds:
        auxiliaries = {
            NONE.name: {},
            PATHWAY.name: {plan.name: source},
            RANDOM.name: {plan.name: random_auxiliary(source, seed)},
        }
        for arm in ARMS:
            recipe = plan.target(arm.name, seed)
            label = f"{arm.name}, seed {seed}"
            listener = PartialRun(bar, label, work_per_step(recipe))
            folder = plan.folder(arm.name, seed)
            result = train(recipe, out=folder, auxiliaries=auxiliaries[arm.name], progress=listener)
            results[arm.name].append(result)
            bar.line(_result_line(label, result))
    return results


def _result_line(label: str, result: Result) -> str:
    return f"{label}: test accuracy {100 * result.metrics['test']['accuracy']:.1f} % ({result.duration_s:.0f} s)"


def _merge_and_compare(plan: DemoPlan) -> dict[str, Any]:
    """Merge every seed's connected checkpoint, and compare all logits of the test part before and after."""
    per_seed: list[dict[str, Any]] = []
    for seed in plan.seeds:
        connected, merged = plan.folder(PATHWAY.name, seed), plan.folder("merged", seed)
        merge_checkpoint(connected, merged)
        before, after = load_checkpoint(connected), load_checkpoint(merged)
        data = load_data(before.recipe.data, None, seed)
        compute = choose_compute(before.recipe)
        logits = [predict_logits(checkpoint.model, before.recipe, data.test, compute) for checkpoint in (before, after)]
        comparison = compare_outputs(logits[0], logits[1])
        labels = torch.as_tensor(data.test.labels)
        per_seed.append(
            {
                "seed": seed,
                "bitwise": comparison.bitwise,
                "max_difference": comparison.max_difference,
                "parameters_connected": count_parameters(before.model),
                "parameters_merged": count_parameters(after.model),
                "metrics_connected": classification_metrics(logits[0], labels),
                "metrics_merged": classification_metrics(logits[1], labels),
            }
        )
    return {
        "samples": len(data.test),
        "bitwise": all(entry["bitwise"] for entry in per_seed),
        "max_difference": max(entry["max_difference"] for entry in per_seed),
        "seeds": per_seed,
    }


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
