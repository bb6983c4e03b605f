"""The cost of a training step with a pathway: time and peak memory, relative to the plain model and the published
formula.

    python benchmarks/pathway_step.py --quick
    python benchmarks/pathway_step.py --sizes micro tiny small --rounds 60 --threads 1 --out step.json

benchmarks/README.md explains the fields.
"""

import argparse
import gc
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from scipy.stats import binom
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import crosspath

SIZES = {"micro": (128, 6, 4), "tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
"""(width, blocks, heads)"""
VARIANTS = ("plain", "pathway-frozen", "pathway-trained", "published")
LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
PATCH, CLASSES = 16, 10
GOALS = {"pathway-frozen": 1.03, "pathway-trained": 1.08}
"""Largest step time relative to plain, if batch × tokens is at least GOAL_FROM."""
GOAL_FROM = 1024


class PublishedLinear(nn.Linear):
    """A replacement for a linear layer that computes x·(W + λ·W')ᵀ + b, as in section 3.2 of M2PT."""

    def __init__(self, replaced: nn.Linear, auxiliary: nn.Parameter, scale: float) -> None:
        super().__init__(replaced.in_features, replaced.out_features, bias=replaced.bias is not None)
        self.weight, self.bias = replaced.weight, replaced.bias
        self.auxiliary = auxiliary
        self.scale = nn.Parameter(torch.full((1,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return F.linear(x, self.weight + self.scale * self.auxiliary, self.bias)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all live tensors after every operation; exact and deterministic.

    Temporary memory inside a kernel is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def count(self, tensor: Tensor) -> None:
        """Count a tensor's memory until it is freed; memory that several tensors share counts once."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return

        def release(_: object) -> None:
            self.now -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, release)
        self.now += size
        self.peak = max(self.peak, self.now)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.count(value)
        return result


@dataclass(frozen=True)
class Case:
    """One size of model and batch."""

    size: str
    batch: int
    tokens: int


class Trainer:
    """A model of one variant with its optimizer; `step` is one complete training step."""

    def __init__(self, variant: str, case: Case) -> None:
        torch.manual_seed(0)
        side = round(case.tokens**0.5)
        self.images_BCHW = torch.randn(case.batch, 3, side * PATCH, side * PATCH)
        self.labels_B = torch.randint(CLASSES, (case.batch,))
        self.model = _vit(case)
        auxiliary = _vit(case)
        if variant.startswith("pathway"):
            trained = variant == "pathway-trained"
            crosspath.connect(self.model, auxiliary, scale_init=0.1, train_auxiliary=trained)
        elif variant == "published":
            for block, counterpart in zip(self.model.blocks, auxiliary.blocks, strict=True):
                for name in LAYERS:
                    weight = counterpart.get_submodule(name).weight
                    block.set_submodule(name, PublishedLinear(block.get_submodule(name), weight, 0.1))
        groups = crosspath.param_groups(self.model, lr=1e-4, weight_decay=0.05)
        self.optimizer = torch.optim.AdamW(groups, fused=True)

    def step(self) -> tuple[float, float]:
        """Seconds for forward and backward, and for the optimizer."""
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(self.images_BCHW), self.labels_B).backward()
        middle = time.perf_counter()
        self.optimizer.step()
        return middle - start, time.perf_counter() - middle


def _vit(case: Case) -> VisionTransformer:
    width, blocks, heads = SIZES[case.size]
    return VisionTransformer(
        img_size=round(case.tokens**0.5) * PATCH,
        patch_size=PATCH,
        embed_dim=width,
        depth=blocks,
        num_heads=heads,
        num_classes=CLASSES,
        class_token=False,
        global_pool="avg",
    )


def median_with_interval(values: list[float]) -> dict[str, float]:
    """The median with its 95 % interval by order statistics, without assumptions about the distribution."""
    ordered = sorted(values)
    below = max(int(binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)
    return {"median": statistics.median(ordered), "low": ordered[below], "high": ordered[-1 - below]}


def times(case: Case, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Every round takes one step of each variant, in a new random order; ratios compare steps of the same round."""
    trainers = {variant: Trainer(variant, case) for variant in VARIANTS}
    for trainer in trainers.values():
        for _ in range(3):
            trainer.step()
    order = random.Random(0)
    steps_of: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for variant in order.sample(VARIANTS, len(VARIANTS)):
            steps_of[variant].append(trainers[variant].step())
    gc.enable()
    result = {}
    for variant, steps in steps_of.items():
        parts = {
            "step": [sum(step) for step in steps],
            "forward_backward": [step[0] for step in steps],
            "optimizer": [step[1] for step in steps],
        }
        result[variant] = {f"{name}_ms": median_with_interval([1e3 * v for v in own]) for name, own in parts.items()}
        for other in ("plain", "published"):
            for name, index in (("", None), ("_forward_backward", 0)):
                ratios = [
                    _part(mine, index) / _part(theirs, index)
                    for mine, theirs in zip(steps, steps_of[other], strict=True)
                ]
                result[variant][f"to_{other}{name}"] = median_with_interval(ratios)
    return result


def _part(step: tuple[float, float], index: int | None) -> float:
    return sum(step) if index is None else step[index]


def memory(case: Case, threads: int) -> dict[str, dict[str, float]]:
    """Peak memory of three steps in MiB, in a separate process for each variant."""
    peaks = {}
    for variant in VARIANTS:
        command = [
            sys.executable,
            __file__,
            "--threads",
            str(threads),
            "--memory-of",
            variant,
            json.dumps(asdict(case)),
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if process.returncode != 0:
            raise RuntimeError(f"{variant}, {case}: the measuring process failed:\n{process.stderr[-2000:]}")
        peaks[variant] = json.loads(process.stdout.splitlines()[-1])
    return peaks


def memory_in_this_process(variant: str, case: Case) -> dict[str, float]:
    """Resident memory above that after a warm-up, and the exact peak of tensor bytes."""
    Trainer("plain", Case("micro", 1, 4)).step()
    before = _largest_resident_mib()
    trainer = Trainer(variant, case)
    gc.collect()
    for _ in range(3):
        trainer.step()
    after = _largest_resident_mib()
    # The steps above created the optimizer's state; tensors that are live now are counted first.
    trainer.optimizer.zero_grad(set_to_none=True)
    counter = LiveBytes()
    for parameter in [*trainer.model.parameters(), trainer.images_BCHW, trainer.labels_B]:
        counter.count(parameter.detach())
    for state in trainer.optimizer.state.values():
        for value in state.values():
            counter.count(value)
    with counter:
        trainer.step()
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    return {
        "resident_increment_mib": after - before,
        "tensors_peak_mib": counter.peak / 1024**2,
        "parameters": parameters,
    }


def _largest_resident_mib() -> float:
    """The largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux a process inherits ru_maxrss from its parent; VmHWM is its own.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    # macOS counts ru_maxrss in bytes, others in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def judge(case: Case, measured: dict[str, Any]) -> dict[str, str]:
    """Every goal: `met`, `missed`, `within noise` (only the median exceeds the limit) or `not judged`."""
    large = case.batch * case.tokens >= GOAL_FROM
    trained, published = measured["pathway-trained"], measured["published"]
    goals = {
        f"{variant} <= {limit} plain": _verdict(measured[variant]["to_plain"], limit) if large else "not judged"
        for variant, limit in GOALS.items()
    }
    goals["trained <= published in time"] = _verdict(trained["to_published"], 1.0)
    if "memory" in trained:
        mine, theirs = trained["memory"]["tensors_peak_mib"], published["memory"]["tensors_peak_mib"]
        goals["trained < published in tensor bytes"] = "met" if mine < theirs else "missed"
    return goals


def _verdict(ratio: dict[str, float], limit: float) -> str:
    if ratio["median"] <= limit:
        return "met"
    return "within noise" if ratio["low"] <= limit else "missed"


def table(case: Case, measured: dict[str, Any], goals: dict[str, str]) -> str:
    """The measurements of a case as text."""
    lines = [
        f"\nViT {case.size}, batch {case.batch} x {case.tokens} tokens = {case.batch * case.tokens}",
        f"{'variant':16} {'step ms':>9} {'fwd+bwd':>9} {'AdamW':>8}   {'step / plain':22} {'fwd+bwd / plain':22} "
        f"{'step / published':22} {'RSS MiB':>8} {'tensors MiB':>11}",
    ]
    for variant in VARIANTS:
        own = measured[variant]
        ratios = [
            "{median:.3f} [{low:.3f}, {high:.3f}]".format(**own[name])
            for name in ("to_plain", "to_plain_forward_backward", "to_published")
        ]
        peaks = own.get("memory", {"resident_increment_mib": float("nan"), "tensors_peak_mib": float("nan")})
        lines.append(
            f"{variant:16} {own['step_ms']['median']:9.2f} {own['forward_backward_ms']['median']:9.2f} "
            f"{own['optimizer_ms']['median']:8.2f}   {ratios[0]:22} {ratios[1]:22} {ratios[2]:22} "
            f"{peaks['resident_increment_mib']:8.1f} {peaks['tensors_peak_mib']:11.1f}"
        )
    lines += [f"  {goal}: {verdict}" for goal, verdict in goals.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["micro", "tiny", "small"])
    parser.add_argument("--base", action="store_true", help="also ViT base, at batch 2; needs about 10 GiB")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="a square number: the patches of the image")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-memory", action="store_true", help="times only")
    parser.add_argument("--quick", action="store_true", help="ViT micro, 10 rounds: a smoke test")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    parser.add_argument("--memory-of", nargs=2, metavar=("VARIANT", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(json.dumps(memory_in_this_process(options.memory_of[0], Case(**json.loads(options.memory_of[1])))))
        return
    if round(options.tokens**0.5) ** 2 != options.tokens:
        parser.error(f"--tokens: expected a square number, found {options.tokens}; use 49, 64, 196, ...")

    sizes, rounds = (["micro"], 10) if options.quick else (options.sizes, options.rounds)
    cases = [Case(size, min(options.batch, 2) if size == "base" else options.batch, options.tokens) for size in sizes]
    if options.base and "base" not in sizes:
        cases.append(Case("base", min(options.batch, 2), options.tokens))
    results = []
    for case in cases:
        measured: dict[str, Any] = times(case, rounds)
        if not options.no_memory:
            for variant, peaks in memory(case, options.threads).items():
                measured[variant]["memory"] = peaks
        goals = judge(case, measured)
        print(table(case, measured, goals), flush=True)
        results.append({**asdict(case), "rounds": rounds, "variants": measured, "goals": goals})
    if options.out:
        machine = {
            "processor": platform.processor() or platform.machine(),
            "processors": os.cpu_count(),
            "threads": options.threads,
            "load_at_the_end": os.getloadavg()[0],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "timm": timm.__version__,
        }
        text = json.dumps({"benchmark": "pathway_step", "machine": machine, "cases": results}, indent=1)
        temporary = options.out.with_name(f".{options.out.name}.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(options.out)


if __name__ == "__main__":
    main()
