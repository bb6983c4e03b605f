"""Does the harness find help where there is none? Plain runs that differ in nothing but their seed, compared as arms.

Twenty `none` runs of one recipe are drawn into two disjoint triples, 2,000 times; each draw is read as a study reads
three paired seeds. No triple has anything that the other lacks, so every verdict but `no evidence` is false.
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
    found = []
    for seed in range(RUNS):
        folder = out / f"seed-{seed}"
        if not (folder / "result.json").is_file():
            resolved = apply_overrides(recipe_named(recipe), (*settings, f"train.seed={seed}"))
            crosspath.train(resolved, out=folder, data_root=data, resume=folder.exists())
        found.append(read_result(folder).metrics["test"]["accuracy"])
    return found


def false_share(values: list[float], draws: int = DRAWS) -> float:
    """The share of drawn pairs of triples with a verdict that says there is a difference."""
    random = np.random.default_rng(0)
    orders = islice((random.permutation(len(values)) for _ in iter(int, 1)), draws)
    said = 0
    for order in orders:
        first = [values[place] for place in order[:TRIPLE]]
        second = [values[place] for place in order[TRIPLE : 2 * TRIPLE]]
        said += compare_paired(first, second).verdict != "no evidence"
    return said / draws


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
    written = {"command": COMMAND, "recipe": arguments.recipe, "settings": list(SETTINGS), "accuracies": values}
    arguments.json.write_text(json.dumps(written | {"draws": DRAWS, "false_share": share}, indent=2) + "\n")


if __name__ == "__main__":
    main()
