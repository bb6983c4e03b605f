"""Is it faster to train all seeds of an arm together? Five models stacked with `torch.func.vmap`, and one by one.

Both take the same steps on the same batches (without dropout, AdamW). Their losses are compared, then the time of a
step of all five. Ratios above 1 mean that stacking is faster. Steps alternate, so that both see the same machine load.
"""

import argparse
import copy
import json
import time
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from crosspath.config import apply_overrides
from crosspath.models.build import build_model
from crosspath.recipes import recipe_named

SEEDS, CLASSES = 5, 10
SHAPES = {"image/cifar10": (3, 32, 32), "audio/fsdd": None, "point/modelnet10": (1024, 3)}
COMMAND = "python benchmarks/seeds_at_once.py"


def shape_of(name: str) -> tuple[int, ...]:
    """The shape of one prepared sample."""
    shape = SHAPES[name]
    data = recipe_named(name).data
    return shape if shape is not None else (getattr(data, "frames", 0), getattr(data, "mels", 0))


def one_by_one(
    models: list[nn.Module], optimizers: list[torch.optim.Optimizer], batches: Tensor, labels: Tensor
) -> list[float]:
    """Take a step of each model; return the losses."""
    losses = []
    for model, optimizer, batch, label in zip(models, optimizers, batches, labels, strict=True):
        loss = cross_entropy(model(batch), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class AtOnce:
    """All models as one, with their parameters stacked along a new first axis."""

    def __init__(self, models: list[nn.Module]) -> None:
        self.parameters, self.buffers = stack_module_state(models)  # type: ignore[arg-type]
        self.skeleton = copy.deepcopy(models[0]).to("meta")
        self.optimizer = torch.optim.AdamW(list(self.parameters.values()), lr=1e-3)

    def step(self, batches: Tensor, labels: Tensor) -> list[float]:
        """Take a step of all models; return the losses."""

        def loss_of(parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Tensor, label: Tensor) -> Tensor:
            return cross_entropy(functional_call(self.skeleton, (parameters, buffers), (batch,)), label)

        losses = vmap(loss_of, randomness="different")(self.parameters, self.buffers, batches, labels)
        self.optimizer.zero_grad()
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach().tolist()  # type: ignore[no-any-return]


def measure(name: str, batch: int, steps: int) -> dict[str, object]:
    """The median times of `steps` steps of both, and the largest difference of their losses."""
    recipe = apply_overrides(recipe_named(name), ("model.drop_path=0",))
    models: list[nn.Module] = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        models.append(build_model(recipe, CLASSES))
    all_at_once = AtOnce(copy.deepcopy(models))
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(model.parameters(), lr=1e-3) for model in models]
    generator = torch.Generator().manual_seed(0)
    times: dict[str, list[float]] = {"one": [], "all": []}
    difference = 0.0
    for _ in range(steps):
        batches = torch.randn(SEEDS, batch, *shape_of(name), generator=generator)
        labels = torch.randint(CLASSES, (SEEDS, batch), generator=generator)
        begin = time.perf_counter()
        first = one_by_one(models, optimizers, batches, labels)
        middle = time.perf_counter()
        second = all_at_once.step(batches, labels)
        end = time.perf_counter()
        times["one"].append(middle - begin)
        times["all"].append(end - middle)
        difference = max(difference, *(abs(a - b) for a, b in zip(first, second, strict=True)))
    one, together = median(times["one"][2:]), median(times["all"][2:])
    return {
        "recipe": name,
        "batch": batch,
        "one_by_one_s": one,
        "at_once_s": together,
        "ratio": one / together,
        "loss_apart": difference,
    }


def main() -> None:
    """Measure, print, and write `benchmarks/results/seeds_at_once.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/seeds_at_once.json"))
    arguments = parser.parse_args()
    table = Table("recipe", "batch", "one by one, s", "at once, s", "ratio", "loss difference")
    rows: list[dict[str, object]] = []
    for name, batch in (("image/cifar10", 8), ("image/cifar10", 32), ("audio/fsdd", 32)):
        try:
            row = measure(name, batch, arguments.steps)
        except RuntimeError as error:
            row = {"recipe": name, "batch": batch, "failed": str(error).splitlines()[0]}
        rows.append(row)
        table.add_row(
            *(
                f"{row.get(key, ''):.3g}"
                if isinstance(row.get(key), float)
                else str(row.get(key, row.get("failed", "")))
                for key in ("recipe", "batch", "one_by_one_s", "at_once_s", "ratio", "loss_apart")
            )
        )
    Console().print(table)
    arguments.json.write_text(
        json.dumps({"command": COMMAND, "threads": torch.get_num_threads(), "rows": rows}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
