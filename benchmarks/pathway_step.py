"""The cost of a training step with a pathway: time and peak memory, relative to the plain model and the published
formula.

    python -m benchmarks step              # the tables of this part, in the frame of all benchmarks
    python -m benchmarks.pathway_step --sizes micro tiny small --rounds 60
    python -m benchmarks.pathway_step --sizes base --batch 2       # needs about 10 GiB
"""

import argparse
import gc
import time
from dataclasses import dataclass
from typing import Any, cast

import torch
from rich.console import Console
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

import crosspath
from benchmarks.engines import MEANINGS, WITH_PATHWAYS, connect_variant, optimizer_of
from benchmarks.memory import LiveBytes, in_new_process, largest_resident_mib
from benchmarks.tables import Cell, Interval, Table, rich_table
from benchmarks.timing import interleave, median_with_interval, ratio

SIZES = {"micro": (128, 6, 4), "tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
"""(width, blocks, heads)"""
VARIANTS = ("plain", *WITH_PATHWAYS, "published", "lora-16")
LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
PATCH, CLASSES = 16, 10
GOALS = {"held-frozen": 1.01, "held-trained": 1.03}
"""Largest step time relative to plain, if batch × tokens is at least GOAL_FROM."""
GOAL_FROM = 1024


class PublishedLinear(nn.Linear):
    """A replacement for a linear layer that computes x·(W + λ·W')ᵀ + b, as in section 3.2 of M2PT."""

    def __init__(self, linear: nn.Linear, auxiliary: nn.Parameter, scale: float) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None)
        self.weight, self.bias = linear.weight, linear.bias
        self.auxiliary = auxiliary
        self.scale = nn.Parameter(torch.full((1,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return F.linear(x, self.weight + self.scale * self.auxiliary, self.bias)


@dataclass(frozen=True)
class Case:
    """One size of model and batch."""

    size: str
    batch: int
    tokens: int


def build_variant(variant: str, case: Case) -> tuple[nn.Module, crosspath.Pathways | None]:
    """The model of a variant, with its pathways."""
    model, auxiliary = _vit(case), _vit(case)
    if variant == "lora-16":
        import peft  # Not on every machine that has a GPU.

        adapters = peft.LoraConfig(r=16, target_modules=["qkv", "proj", "fc1", "fc2"])
        return peft.get_peft_model(cast(Any, model), adapters), None
    if variant == "published":
        for block, counterpart in zip(model.blocks, auxiliary.blocks, strict=True):
            for name in LAYERS:
                weight = counterpart.get_submodule(name).weight
                block.set_submodule(name, PublishedLinear(block.get_submodule(name), weight, 0.1))
    return model, connect_variant(variant, model, {"auxiliary": auxiliary})


class Trainer:
    """A model of one variant with its optimizer; `step` is one complete training step."""

    def __init__(self, variant: str, case: Case) -> None:
        torch.manual_seed(0)
        side = round(case.tokens**0.5)
        self.images_BCHW = torch.randn(case.batch, 3, side * PATCH, side * PATCH)
        self.labels_B = torch.randint(CLASSES, (case.batch,))
        self.model, pathway = build_variant(variant, case)
        self.optimizer = optimizer_of(self.model, pathway)

    def step(self) -> tuple[float, float]:
        """Processor seconds for forward and backward, and for the optimizer: other programs disturb them less."""
        start = time.process_time()
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(self.images_BCHW), self.labels_B).backward()
        middle = time.process_time()
        self.optimizer.step()
        return middle - start, time.process_time() - middle


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


@dataclass(frozen=True)
class Measurement:
    """One variant in one case."""

    seconds: tuple[tuple[float, float], ...]
    """(forward and backward, optimizer) of every round."""
    resident_mib: float | None = None
    """Peak resident memory of a process above that after a warm-up; one sample, allocator noise of a few MiB."""
    tensors_mib: float | None = None
    """Exact: peak bytes of all live tensors in a step (parameters, gradients, optimizer state, activations)."""

    @property
    def steps(self) -> list[float]:
        """Seconds of whole steps."""
        return [sum(step) for step in self.seconds]

    @property
    def forward_backward(self) -> list[float]:
        """Seconds of forward and backward."""
        return [step[0] for step in self.seconds]

    @property
    def optimizer(self) -> list[float]:
        """Seconds of the optimizer."""
        return [step[1] for step in self.seconds]


def measure_case(case: Case, rounds: int, *, memory: bool = True) -> dict[str, Measurement]:
    """Every variant in one case."""
    trainers = {variant: Trainer(variant, case) for variant in VARIANTS}
    seconds = interleave({variant: trainer.step for variant, trainer in trainers.items()}, rounds, warm=3)
    del trainers
    peaks = {variant: in_new_process(peak_memory, variant, case) if memory else () for variant in VARIANTS}
    return {variant: Measurement(tuple(seconds[variant]), *peaks[variant]) for variant in VARIANTS}


def peak_memory(variant: str, case: Case) -> tuple[float, float]:
    """The two peaks of a `Measurement`. For a process that has done nothing else."""
    torch.set_num_threads(1)
    Trainer("plain", Case("micro", 1, 4)).step()
    before = largest_resident_mib()
    trainer = Trainer(variant, case)
    gc.collect()
    for _ in range(3):
        trainer.step()
    after = largest_resident_mib()
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
    return after - before, counter.peak / 1024**2


def judge(case: Case, measurements: dict[str, Measurement]) -> dict[str, str]:
    """Every goal: `met`, `missed`, `within noise` (only the median exceeds the limit) or `not judged`."""
    large = case.batch * case.tokens >= GOAL_FROM
    plain, ours, theirs = (measurements[name] for name in ("plain", "held-trained", "published"))
    goals = {
        f"{variant} <= {limit} plain": _verdict(ratio(measurements[variant].steps, plain.steps), limit)
        if large
        else "not judged"
        for variant, limit in GOALS.items()
    }
    goals["held-trained <= published in time"] = _verdict(ratio(ours.steps, theirs.steps), 1.0)
    if ours.tensors_mib is not None and theirs.tensors_mib is not None:
        goals["held-trained <= published in tensor bytes"] = (
            "met" if ours.tensors_mib <= theirs.tensors_mib else "missed"
        )
    return goals


def _verdict(ratio: Interval, limit: float) -> str:
    if ratio.median <= limit:
        return "met"
    return "within noise" if ratio.low <= limit else "missed"


def measure_cases(cases: list[tuple[Case, int]], *, memory: bool) -> list[Table]:
    """The tables of times, memory and goals, for cases and their numbers of rounds."""
    times: list[tuple[Cell, ...]] = []
    peaks: list[tuple[Cell, ...]] = []
    goals: list[tuple[Cell, ...]] = []
    for case, rounds in cases:
        measurements = measure_case(case, rounds, memory=memory)
        plain, theirs = measurements["plain"], measurements["published"]
        place = f"{case.size}, {case.batch} × {case.tokens} = {case.batch * case.tokens:,}"
        for variant, own in measurements.items():
            whole, optimizer = ([1e3 * value for value in values] for values in (own.steps, own.optimizer))
            to_plain = ratio(own.steps, plain.steps), ratio(own.forward_backward, plain.forward_backward)
            to_theirs = ratio(own.steps, theirs.steps)
            row = (median_with_interval(whole).median, median_with_interval(optimizer).median, *to_plain, to_theirs)
            times.append((place, variant, *row))
            peaks.append((place, variant, own.tensors_mib, own.resident_mib))
        goals += [(place, goal, verdict) for goal, verdict in judge(case, measurements).items()]
    counts = " or ".join(map(str, sorted({rounds for _, rounds in cases})))
    about = (
        f"{counts} rounds a case; processor time. {MEANINGS} `published` trains W, W′ and λ, `lora-16` peft's adapters "
        "of rank 16 alone."
    )
    sizes = "Tensors: of all live tensors in a step, exact. Resident: of the process, one sample."
    goal_note = f"Goals hold from {GOAL_FROM:,} tokens on; `within noise`: only the median exceeds the limit."
    model, versus = "model, batch × tokens", ("step / plain", "without AdamW", "step / published")
    return [
        Table("Time of a step", (model, "variant", "step, ms", "AdamW, ms", *versus), tuple(times), (about,)),
        *([Table("Peak memory, MiB", (model, "variant", "tensors", "resident"), tuple(peaks), (sizes,))] * memory),
        Table("Goals", (model, "goal", "verdict"), tuple(goals), (goal_note,)),
    ]


def measure(*, short: bool) -> list[Table]:
    """What `python -m benchmarks step` prints."""
    if short:
        return measure_cases([(Case("micro", 16, 64), 60), (Case("small", 16, 64), 15)], memory=True)
    cases = [(Case("micro", batch, 64), rounds) for batch, rounds in ((1, 200), (16, 100), (64, 30))]
    cases += [(Case("tiny", 16, 64), 60), (Case("small", 16, 64), 30), (Case("base", 2, 64), 20)]
    return measure_cases(cases, memory=True)


def main() -> None:
    """Measure sizes of one's own choice and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["micro", "tiny", "small"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="a square number: the patches of the image")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-memory", action="store_true", help="times only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if round(options.tokens**0.5) ** 2 != options.tokens:
        parser.error(f"--tokens: expected a square number, found {options.tokens}; use 49, 64, 196, ...")
    cases = [(Case(size, options.batch, options.tokens), options.rounds) for size in options.sizes]
    for table in measure_cases(cases, memory=not options.no_memory):
        Console().print(rich_table(table))


if __name__ == "__main__":
    main()
