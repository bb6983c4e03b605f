"""Training steps on a GPU: both engines, eager and compiled, and the share of what the device's matmul reaches.

    python -m benchmarks.gpu                  # at most eight minutes; prints the tables
    python -m benchmarks.gpu --out gpu.json   # and writes them
    python -m benchmarks.gpu --cpu            # tiny sizes on the processor: does the script run?

Needs torch, timm, scipy, rich and this repository; no data and no network.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engines import optimizer_of
from benchmarks.pathway_step import Case, build_variant
from benchmarks.tables import Cell, Table, rich_table
from benchmarks.timing import interleave, machine, median_with_interval, ratio, timer

VARIANTS = ("plain", "held-frozen", "held-trained", "live-trained", "published")
SECONDS = 460
"""When no further case is begun or continued."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the tables: a size, eager or compiled."""

    case: Case
    compiled: bool
    rounds: int


GPU = tuple(
    Setting(case=Case(size, batch, 196), compiled=compiled, rounds=30)
    for size, batch in (("small", 64), ("base", 8), ("base", 64))
    for compiled in (False, True)
)
CPU = (Setting(case=Case("micro", 2, 16), compiled=False, rounds=3),)


def matmul_ceiling(device: torch.device, size: int) -> float:
    """Operations a second of a large bfloat16 product, the best of ten."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    work = _with_synchronisation(lambda: a @ b, device)
    work()
    return 2 * size**3 / min(timer(work)() for _ in range(10))


def trainer_of(variant: str, setting: Setting, device: torch.device) -> Callable[[], None]:
    """A training step of a variant in bfloat16 autocast: forward, backward, fused AdamW."""
    case = setting.case
    side = round(case.tokens**0.5) * 16
    images_BCHW = torch.randn(case.batch, 3, side, side, device=device)
    labels_B = torch.randint(10, (case.batch,), device=device)
    model, pathway = build_variant(variant, case)
    model.to(device)
    optimizer = optimizer_of(model, pathway)
    forward: Callable[..., torch.Tensor] = torch.compile(model) if setting.compiled else model

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = F.cross_entropy(forward(images_BCHW), labels_B)
        loss.backward()
        optimizer.step()

    return _with_synchronisation(step, device)


def operations_of(setting: Setting) -> int:
    """Operations of the plain model's forward and backward, as PyTorch counts them."""
    model, _ = build_variant("plain", setting.case)
    side = round(setting.case.tokens**0.5) * 16
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(setting.case.batch, 3, side, side)).sum().backward()
    return int(counter.get_total_flops())


def measure(settings: tuple[Setting, ...], device: torch.device, size: int) -> list[Table]:
    """The tables; settings that would begin after `SECONDS` are named in a note."""
    start, rows, notes = time.perf_counter(), [], []
    ceiling = matmul_ceiling(device, size)
    for setting in settings:
        name = f"{setting.case.size}, {setting.case.batch} × {setting.case.tokens}"
        name += ", compiled" if setting.compiled else ""
        if time.perf_counter() - start > SECONDS * 0.8:
            notes.append(f"Not measured, as time was up: {name}.")
            continue
        torch.compiler.reset()
        steps = {variant: trainer_of(variant, setting, device) for variant in VARIANTS}
        seconds = interleave({key: timer(step) for key, step in steps.items()}, setting.rounds, warm=3)
        operations = operations_of(setting)
        for variant in VARIANTS:
            typical = median_with_interval(seconds[variant])
            row: tuple[Cell, ...] = (name, variant, 1e3 * typical.median, ratio(seconds[variant], seconds["plain"]))
            rows.append((*row, ratio(seconds[variant], seconds["published"]), operations / typical.median / ceiling))
        del steps
    columns = ("model, batch × tokens", "variant", "step, ms", "step / plain", "step / published", "of the ceiling")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    notes.append(f"{where}, bfloat16 autocast. Ceiling: {ceiling / 1e12:.3g} TFLOP/s of a {size:,}³ bfloat16 product.")
    notes.append("Of the ceiling: the plain model's operations a second, in the time of this variant's step.")
    return [Table("A training step on this device", columns, tuple(rows), tuple(notes))]


def _with_synchronisation(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    if not options.cpu and not torch.cuda.is_available():
        print("benchmarks.gpu: expected a CUDA device, found none; try --cpu for tiny sizes", file=sys.stderr)
        return 2
    device = torch.device("cpu" if options.cpu else "cuda")
    tables = measure(CPU, device, 256) if options.cpu else measure(GPU, device, 8192)
    for table in tables:
        Console().print(rich_table(table))
    if options.out is not None:
        result = {"machine": machine(), "tables": [table.to_json() for table in tables]}
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
