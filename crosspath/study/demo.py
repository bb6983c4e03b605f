"""The whole story, small and offline: grow an auxiliary on generated data of another modality, train a classifier of
handwritten digits with few labels with and without its pathway, merge, prove equality, report what came out.
"""

import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from crosspath.checkpoints import auxiliary_source, load_checkpoint, merge_checkpoint
from crosspath.checkpoints.equality import compare_outputs
from crosspath.config import Recipe, apply_overrides
from crosspath.errors import InputError
from crosspath.evaluation.cost import count_parameters
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.files import FORMAT_VERSION, new_folder, write_json, write_text
from crosspath.modalities.load import load_data
from crosspath.objectives.metrics import classification_metrics
from crosspath.recipes import recipe_named
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.controls import random_auxiliary
from crosspath.study.progress import Overall, overall_progress
from crosspath.study.report import REPORT, SUMMARY, write_report
from crosspath.study.table import compare_arms
from crosspath.training import plan
from crosspath.training.result import Result
from crosspath.training.run import train

MARKER = ".crosspath-demo"
"""Says that a folder is a demo's own."""
MADE = re.compile(rf"auxiliary|(none|pathway|random|merged)-\d+|{re.escape(SUMMARY)}|{re.escape(REPORT)}")
"""What the demo writes: a later demo removes these from its folder, and nothing else."""
TARGET = "image/digits"
AUXILIARIES = {"sounds": "audio/sounds", "solids": "point/solids"}
ARMS = (NONE, PATHWAY, RANDOM)
THREADS = 1
"""Measured on two cores with models this small: a second thread takes a third off an idle machine's time, and makes a
busy one more than ten times slower, because the threads wait for each other at every layer."""

LABELS_PER_CLASS = 10
SCALE_INIT = 0.1
TARGET_SETTINGS = ("train.epochs=80", "train.evaluate_every=4")
QUIET = ("train.checkpoint_every=null", "train.loggers=[]")
"""Runs of seconds leave nothing to resume from and tell nobody on the way; no number changes with it."""
AUXILIARY_SETTINGS: Mapping[str, tuple[str, ...]] = {"sounds": (), "solids": ("train.epochs=6",)}


@dataclass(frozen=True)
class _Plan:
    """Every run of the demo: recipes, and the settings that make them from the shipped ones."""

    out: Path
    name: str
    """What the auxiliary is called."""
    seeds: tuple[int, ...]
    auxiliary_settings: tuple[str, ...]
    target_settings: tuple[str, ...]

    @property
    def auxiliary(self) -> Recipe:
        return apply_overrides(recipe_named(AUXILIARIES[self.name]), (*QUIET, *self.auxiliary_settings))

    def settings(self, arm: str, seed: int) -> tuple[str, ...]:
        pathway = (f"pathway.scale_init={SCALE_INIT}",) if arm != NONE.name else ()
        return (*self.target_settings, *pathway, f"train.seed={seed}")

    def target(self, arm: str, seed: int) -> Recipe:
        return apply_overrides(recipe_named(TARGET), (*QUIET, *self.settings(arm, seed)))

    def folder(self, name: str, seed: int | None = None) -> Path:
        return self.out / (name if seed is None else f"{name}-{seed}")

    def work(self) -> float:
        """All steps, weighed by `work_per_step`."""
        targets = sum(work_of(self.target(arm.name, seed)) for seed in self.seeds for arm in ARMS)
        return work_of(self.auxiliary) + targets

    def commands(self) -> list[str]:
        """The same runs by hand, for the first seed; the control is drawn by the demo alone."""
        auxiliary, seed = self.folder("auxiliary"), self.seeds[0]
        connected, merged = self.folder(PATHWAY.name, seed), self.folder("merged", seed)
        return [
            _command(f"crosspath train {AUXILIARIES[self.name]}", self.auxiliary_settings, auxiliary),
            _command(f"crosspath train {TARGET}", self.settings(NONE.name, seed), self.folder(NONE.name, seed)),
            _command(
                f"crosspath train {TARGET} --auxiliary {self.name}={auxiliary}",
                self.settings(PATHWAY.name, seed),
                connected,
            ),
            f"crosspath merge {connected} {merged}",
            f"crosspath evaluate {connected} --json",
            f"crosspath evaluate {merged} --json",
        ]


def _command(start: str, settings: Sequence[str], out: Path) -> str:
    return " ".join([start, *(f"--set {setting}" for setting in settings), f"--out {out}"])


def work_per_step(recipe: Recipe) -> float:
    """What one step costs, roughly: tokens of a batch."""
    return float(plan(recipe)["tokens"] * recipe.train.batch_size)


def work_of(recipe: Recipe) -> float:
    """What a run costs, roughly."""
    return float((plan(recipe)["steps"] or 0) * work_per_step(recipe))


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
    and labels; λ starts at 0.1. The test part is read once a run. Computes on the CPU, with one thread.

    Parameters
    ----------
    out
        A new or empty folder, or one of an earlier demo, which is replaced.
    auxiliary
        The generated data the auxiliary grows on.
    seeds
        How many; seed i redraws initialisation, order, labels and the random control.
    settings, auxiliary_settings
        Further `section.field=value` for every arm, and for the auxiliary.

    Returns
    -------
    What `demo.json` holds: rows of the table, equality of merged and connected outputs on the test part, cost.

    Raises
    ------
    InputError
        For a folder with files in it that no demo wrote, an unknown auxiliary, and settings that do not fit.
    """
    started = time.perf_counter()
    if auxiliary not in AUXILIARIES:
        raise InputError("auxiliary", f"one of {', '.join(AUXILIARIES)}", repr(auxiliary), "choose one of them")
    if seeds < 1:
        raise InputError("seeds", "1 or more", str(seeds), "give at least one")
    planned = _Plan(
        out=Path(out),
        name=auxiliary,
        seeds=tuple(range(seeds)),
        auxiliary_settings=(*AUXILIARY_SETTINGS[auxiliary], "train.device=cpu", *auxiliary_settings),
        target_settings=(f"data.labels_per_class={labels_per_class}", *TARGET_SETTINGS, "train.device=cpu", *settings),
    )
    work = planned.work()
    _claim(planned.out)
    with overall_progress(progress, work) as overall, threads(THREADS):
        grown = _grow(planned, overall)
        results = _train_arms(planned, overall)
        overall.show("merging")
        equality = _merge_and_compare(planned)
    summary = {
        "format_version": FORMAT_VERSION,
        "target": TARGET,
        "auxiliary": AUXILIARIES[auxiliary],
        "auxiliary_metrics": grown.metrics,
        "seeds": list(planned.seeds),
        "labels_per_class": labels_per_class,
        "scale_init": SCALE_INIT,
        "arms": {arm.name: [f"{arm.name}-{seed}" for seed in planned.seeds] for arm in ARMS},
        "merged": [f"merged-{seed}" for seed in planned.seeds],
        "rows": [row.to_json() for row in compare_arms(results, auxiliary_of_arms(AUXILIARIES[auxiliary]))],
        "equality": equality,
        "duration_s": time.perf_counter() - started,
        "peak_memory_mib": _peak_memory_mib(),
        "commands": planned.commands(),
        "report": str(planned.out / REPORT),
    }
    write_json(planned.out / SUMMARY, summary)
    write_report(planned.out)
    return summary


def auxiliary_of_arms(recipe: str) -> dict[str, str | None]:
    """{arm: recipe of its auxiliary}."""
    return {arm.name: None if arm is NONE else recipe for arm in ARMS}


def _grow(planned: _Plan, overall: Overall) -> Result:
    recipe = planned.auxiliary
    label = f"auxiliary: {recipe.name}"
    listener = overall.run(label, work_per_step(recipe))
    result = train(recipe, out=planned.folder("auxiliary"), progress=listener)
    overall.finished(_told(label, result))
    return result


def _train_arms(planned: _Plan, overall: Overall) -> dict[str, list[Result]]:
    """Every arm of every seed; seeds outermost, so that whatever drifts in the machine touches all arms alike."""
    source = auxiliary_source(planned.folder("auxiliary"))
    results: dict[str, list[Result]] = {arm.name: [] for arm in ARMS}
    for seed in planned.seeds:
        given = {NONE.name: {}, PATHWAY.name: {planned.name: source}}
        given[RANDOM.name] = {planned.name: random_auxiliary(source, seed)}
        for arm in ARMS:
            recipe = planned.target(arm.name, seed)
            label = f"{arm.name}, seed {seed}"
            listener = overall.run(label, work_per_step(recipe))
            folder = planned.folder(arm.name, seed)
            result = train(recipe, out=folder, auxiliaries=given[arm.name], progress=listener)
            results[arm.name].append(result)
            overall.finished(_told(label, result))
    return results


def _told(label: str, result: Result) -> str:
    return f"{label}: test accuracy {100 * result.metrics['test']['accuracy']:.1f} % ({result.duration_s:.0f} s)"


def _merge_and_compare(planned: _Plan) -> dict[str, Any]:
    """Merge every seed's connected run on files, and compare all logits of the test part before and after."""
    per_seed: list[dict[str, Any]] = []
    for seed in planned.seeds:
        connected, merged = planned.folder(PATHWAY.name, seed), planned.folder("merged", seed)
        merge_checkpoint(connected, merged)
        before, after = load_checkpoint(connected), load_checkpoint(merged)
        data = load_data(before.recipe.data, None, seed)
        compute = choose_compute(before.recipe)
        logits = [predict_logits(loaded.model, before.recipe, data.test, compute) for loaded in (before, after)]
        found = compare_outputs(logits[0], logits[1])
        labels = torch.as_tensor(data.test.labels)
        per_seed.append(
            {
                "seed": seed,
                "bitwise": found.bitwise,
                "max_difference": found.max_difference,
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


def equality_line(equality: Mapping[str, Any]) -> str:
    """What was measured, in one line."""
    said = "bitwise" if equality["bitwise"] else f"no, by at most {equality['max_difference']:.3g}"
    return f"merged output equals connected output: {said}"


def _claim(out: Path) -> None:
    """Make `out` the demo's own: remove what an earlier demo wrote, refuse what anyone else did, leave the marker."""
    if (out / MARKER).is_file():
        for path in sorted(out.iterdir()):
            if MADE.fullmatch(path.name):
                _remove(path)
        return
    new_folder(out, "--out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / MARKER, "Written by `crosspath demo`, which replaces its earlier results here.\n")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with `count` threads inside the block; the number before is restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_memory_mib() -> float | None:
    """The most memory this process has held; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
