"""The speed of bfloat16 on a processor with native support: training steps in float32 and bfloat16, side by side.

For one recipe of each modality, training and masked modelling: steps alternate between the two precisions, on generated
samples and one thread. The table shows samples per second (median) and the ratio of the medians.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from crosspath.config import Recipe, apply_overrides
from crosspath.evaluation.devices import Compute
from crosspath.modalities.batches import generated_batch
from crosspath.models.build import build_masked_autoencoder, build_model
from crosspath.objectives.masked_modeling import masked_errors
from crosspath.recipes import recipe_named

NAMES = ("image/cifar10", "audio/fsdd", "point/modelnet10", "video/grid")
PRECISIONS = ("float32", "bfloat16")


class Trainer:
    """One model of a recipe and its optimizer, in one precision."""

    def __init__(self, recipe: Recipe, precision: str, batch_size: int) -> None:
        torch.manual_seed(0)
        self.recipe = recipe
        self.masked = recipe.objective == "masked_modeling"
        self.model = (build_masked_autoencoder(recipe) if self.masked else build_model(recipe, 10)).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.compute = Compute(device=torch.device("cpu"), precision=precision, reason="requested")
        self.batch = generated_batch(recipe, batch_size)
        self.labels = torch.arange(batch_size) % 10

    def step(self) -> float:
        """Take one step; return its duration in seconds."""
        start = time.perf_counter()
        with self.compute.autocast():
            if self.masked:
                loss = masked_errors(self.model, self.recipe, self.batch, 0, 0, torch.arange(len(self.batch))).mean()
            else:
                loss = torch.nn.functional.cross_entropy(self.model(self.batch).float(), self.labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - start


def main() -> None:
    """Measure, print the table, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", default="micro")
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"samples per second, size {options.size}, batches of {options.batch_size}, one thread")
    for column in ("recipe", "objective", *PRECISIONS, "ratio"):
        table.add_column(column)
    rows = []
    for name in NAMES:
        for objective in ("classification", "masked_modeling"):
            recipe = apply_overrides(recipe_named(name, objective), [f"model.size={options.size}"])
            trainers = {precision: Trainer(recipe, precision, options.batch_size) for precision in PRECISIONS}
            times: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
            for number in range(options.steps + 2):
                for precision, trainer in trainers.items():
                    seconds = trainer.step()
                    if number >= 2:
                        times[precision].append(seconds)
            speed = {precision: options.batch_size / median(values) for precision, values in times.items()}
            ratio = speed["bfloat16"] / speed["float32"]
            rows.append({"recipe": name, "objective": objective, "size": options.size, **speed, "ratio": ratio})
            table.add_row(name, objective, *(f"{value:.0f}" for value in speed.values()), f"{ratio:.2f}")
    Console(width=100).print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
