"""How time is measured: interleaved rounds in random order, and medians with intervals that assume no distribution.

Other programs slow a machine down for seconds at a time. Every round runs each variant once, in a new random order, and
ratios compare times of the same round, so that a slow moment meets both sides.
"""

import gc
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import timm
import torch
from scipy.stats import binom

from benchmarks.tables import Interval

T = TypeVar("T")
NOISE_ROUNDS = 41


def interleave(variants: Mapping[str, Callable[[], T]], rounds: int, *, warm: int = 1) -> dict[str, list[T]]:
    """What each variant returned in each round (its duration, for one), after `warm` calls that are not counted."""
    for variant in variants.values():
        for _ in range(warm):
            variant()
    results: dict[str, list[T]] = {name: [] for name in variants}
    order = random.Random(0)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in order.sample(list(variants), len(variants)):
                results[name].append(variants[name]())
    finally:
        gc.enable()
    return results


def timer(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Callable[[], float]:
    """A function that does the work and returns how many seconds it took."""

    def seconds() -> float:
        start = clock()
        work()
        return clock() - start

    return seconds


def median_with_interval(values: Iterable[float]) -> Interval:
    """The median with its 95 % interval by order statistics. Fewer than six values: their range, which covers less."""
    in_order = sorted(values)
    below = max(int(binom.ppf(0.025, len(in_order), 0.5)) - 1, 0)
    return Interval(statistics.median(in_order), in_order[below], in_order[-1 - below])


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The median over rounds of mine / theirs in the same round."""
    return median_with_interval(own / other for own, other in zip(mine, theirs, strict=True))


def noise() -> dict[str, Any]:
    """How far this machine is from quiet: one piece of work (a few ms) measured against itself, and the spread of its
    times.
    """
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(384, 384, generator=generator)

    def work() -> None:
        for _ in range(4):
            matrix @ matrix

    times = interleave({"first": timer(work), "second": timer(work)}, NOISE_ROUNDS, warm=3)
    both = sorted(times["first"] + times["second"])
    tenth = len(both) // 10
    own = ratio(times["first"], times["second"])
    return {"ratio_to_itself": asdict(own), "spread": both[-1 - tenth] / both[tenth] - 1}


def machine() -> dict[str, Any]:
    """What the numbers of a run depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def load() -> float | None:
    """Processes that want a core, over the last minute; None on systems that do not count them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
