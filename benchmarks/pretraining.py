"""Does masked modelling help with few labels? Fine-tuning of a pretrained model, and training from scratch.

For every target: one pretraining run on its unlabelled training part; for each arm a search of the learning rate on
the validation part, by the mean over three separate seeds (a single seed once selected a rate at which one run in five
collapsed); then paired seeds, which redraw initialisation, order and labels. The test part is read once per run. Every
run has a run folder, and finished runs are not repeated.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from rich.table import Table

import crosspath
from crosspath.config import Recipe, apply_overrides
from crosspath.recipes import recipe_named
from crosspath.study.statistics import CONFIDENCE, compare_paired, false_discovery, mean_and_sd
from crosspath.training.result import Result

ARMS = ("scratch", "pretrained")
RATES = (3e-4, 1e-3)
SEARCH_SEEDS = (100, 101, 102)
COMMAND = "python benchmarks/pretraining.py --data DATA --out runs/pretraining"


@dataclass(frozen=True)
class Target:
    """One data set: its labels per class, and the settings that differ from the recipes."""

    labels: int
    pretraining: tuple[str, ...]
    tuning: tuple[str, ...]


TARGETS: Mapping[str, Target] = {
    "image/cifar10": Target(30, (), ("train.epochs=40", "train.batch_size=32", "schedule.warmup_epochs=3")),
    "audio/esc10": Target(24, (), ("train.epochs=25", "train.batch_size=16", "schedule.warmup_epochs=3")),
    "point/modelnet10": Target(30, (), ("train.epochs=20", "train.batch_size=32", "schedule.warmup_epochs=3")),
    # Lips move by a few pixels: with 30 epochs, or label smoothing, both arms stay near chance on the validation part.
    "video/grid": Target(
        30,
        (),
        ("train.epochs=60", "train.batch_size=16", "train.label_smoothing=0", "schedule.warmup_epochs=4"),
    ),
}


def tuning_recipe(name: str, target: Target, rate: float, seed: int) -> Recipe:
    """The fine-tuning recipe; the arms differ only in its rate."""
    settings = [
        *target.tuning,
        f"data.labels_per_class={target.labels}",
        f"optimizer.lr={rate}",
        f"train.seed={seed}",
        # With so few labels, intermediate evaluations would cost more than the training.
        "train.evaluate_every=1000",
        "train.checkpoint_every=null",
        "train.loggers=[]",
    ]
    return apply_overrides(recipe_named(name), settings)


def measure(name: str, target: Target, data: Path, out: Path, seeds: int) -> list[dict[str, object]]:
    """Both arms of one target, as rows of `docs/results.json`."""
    start = out / "pretrained"
    pretraining = apply_overrides(recipe_named(name, "masked_modeling"), target.pretraining)
    crosspath.pretrain(pretraining, out=start, data=data, resume=start.exists())

    def run(arm: str, rate: float, seed: int) -> Result:
        folder = out / f"{arm}-{rate:g}-{seed}"
        origin = start if arm == "pretrained" else None
        recipe = tuning_recipe(name, target, rate, seed)
        return crosspath.train(recipe, out=folder, data=data, start_from=origin, progress=False, resume=folder.exists())

    def validation_score(arm: str, rate: float) -> float:
        return fmean(run(arm, rate, seed).metrics["validation"]["accuracy"] for seed in SEARCH_SEEDS)

    best = {arm: max(RATES, key=lambda rate: validation_score(arm, rate)) for arm in ARMS}
    values = {arm: [run(arm, best[arm], seed).metrics["test"]["accuracy"] for seed in range(seeds)] for arm in ARMS}
    comparison = compare_paired(values["pretrained"], values["scratch"])
    rows: list[dict[str, object]] = []
    for arm in ARMS:
        mean, std = mean_and_sd(values[arm])
        ours = arm == "pretrained"
        rows.append(
            {
                "study": "pretraining",
                "target": name,
                "auxiliary": None,
                "arm": arm,
                "metric": "accuracy",
                "labels_per_class": target.labels,
                "rate": best[arm],
                "seeds": list(range(seeds)),
                "values": values[arm],
                "mean": mean,
                "std": std,
                "difference": comparison.difference if ours else None,
                "low": comparison.low if ours else None,
                "high": comparison.high if ours else None,
                "p": comparison.p if ours else None,
                "verdict": comparison.verdict if ours else None,
                "command": COMMAND,
            }
        )
    return rows


def main() -> None:
    """Measure, print the table, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one sub-folder per data set")
    parser.add_argument("--out", type=Path, default=Path("runs/pretraining"))
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a list of rows to update, such as docs/results.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = Table(title="test accuracy, %, fine-tuned with few labels")
    for column in ("target", "labels", "scratch", "pretrained", "difference", "95 % interval", "p", "verdict"):
        table.add_column(column)
    for name in options.only:
        rows = measure(name, TARGETS[name], options.data, options.out / name, options.seeds)
        (options.out / name / "rows.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        table.add_row(name, str(TARGETS[name].labels), *_cells(rows))
        if options.json is not None:
            _replace(options.json, rows)
    Console(width=120).print(table)


def _replace(path: Path, rows: list[dict[str, object]]) -> None:
    """Replace the earlier rows of one target."""
    rows_before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    others = [row for row in rows_before if (row["study"], row["target"]) != ("pretraining", rows[0]["target"])]
    every = [*others, *rows]
    _adjust([row for row in every if row["study"] == "pretraining" and row["p"] is not None])
    path.write_text(json.dumps(every, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _adjust(rows: list[dict[str, object]]) -> None:
    """The targets are one family: adjusted p decides, as in a study."""
    for row, p in zip(rows, false_discovery([float(str(row["p"])) for row in rows]), strict=True):
        row["p_adjusted"] = p
        if p >= 1 - CONFIDENCE:
            row["verdict"] = "no evidence"


def _cells(rows: list[dict[str, object]]) -> list[str]:
    def percent(value: object) -> str:
        return "" if value is None else f"{100 * float(str(value)):.1f}"

    scratch, ours = rows
    return [
        *(f"{percent(row['mean'])} ± {percent(row['std'])}" for row in (scratch, ours)),
        percent(ours["difference"]),
        f"{percent(ours['low'])} to {percent(ours['high'])}",
        "" if ours["p"] is None else f"{ours['p']:.2g}",
        str(ours["verdict"]),
    ]


if __name__ == "__main__":
    main()
