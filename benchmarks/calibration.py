"""How often is a verdict false? Plain runs that differ only in their seeds, compared as if they were arms.

Two disjoint triples are drawn from twenty `none` runs of one recipe, 2,000 times, and compared as a study compares
three paired seeds. The triples do not differ, so every verdict other than `no evidence` is false.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import crosspath
from crosspath.config import apply_overrides
from crosspath.recipes import recipe_named
from crosspath.study.statistics import compare_paired
from crosspath.training.result import read_result

SETTINGS = ("data.labels_per_class=10", "train.epochs=30", "train.batch_size=20", "train.loggers=[]")
RUNS, TRIPLE, DRAWS = 20, 3, 2000
COMMAND = "python benchmarks/calibration.py --out runs/calibration"


def accuracies(recipe: str, out: Path, data: Path | None, settings: tuple[str, ...]) -> list[float]:
    """Test accuracy of each seed; finished runs are not repeated."""
    values = []
    for seed in range(RUNS):
        folder = out / f"seed-{seed}"
        if not (folder / "result.json").is_file():
            own = apply_overrides(recipe_named(recipe), (*settings, f"train.seed={seed}"))
            crosspath.train(own, out=folder, data=data, resume=folder.exists())
        values.append(read_result(folder).metrics["test"]["accuracy"])
    return values


def false_share(values: list[float], draws: int = DRAWS) -> float:
    """The share of draws with a verdict other than `no evidence`."""
    random = np.random.default_rng(0)
    orders = islice((random.permutation(len(values)) for _ in iter(int, 1)), draws)
    count = 0
    for order in orders:
        first = [values[index] for index in order[:TRIPLE]]
        second = [values[index] for index in order[TRIPLE : 2 * TRIPLE]]
        count += compare_paired(first, second).verdict != "no evidence"
    return count / draws


def main() -> None:
    """Run, draw, print, and write `calibration.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="image/digits")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/calibration.json"))
    arguments = parser.parse_args()
    values = accuracies(arguments.recipe, arguments.out, arguments.data, SETTINGS)
    share = false_share(values)
    table = Table("recipe", "runs", "mean", "sd", "draws", "false verdicts")
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    table.add_row(arguments.recipe, str(RUNS), f"{mean:.3f}", f"{spread:.3f}", str(DRAWS), f"{share:.1%}")
    Console().print(table)
    summary = {"command": COMMAND, "recipe": arguments.recipe, "settings": list(SETTINGS), "accuracies": values}
    arguments.json.write_text(json.dumps(summary | {"draws": DRAWS, "false_share": share}, indent=2) + "\n")


if __name__ == "__main__":
    main()
