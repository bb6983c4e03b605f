"""The learning rate of every step: a linear warm-up, then half a cosine; each parameter group has its own peak."""

import math
from dataclasses import dataclass

from torch.optim import Optimizer

PEAK = "peak_lr"
"""The key under which a parameter group keeps the rate it reaches after the warm-up."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Warm-up over `warmup_steps`, then a cosine down to `min_lr` at the last of `steps`."""

    steps: int
    warmup_steps: int
    min_lr: float

    def rate(self, step: int, peak: float) -> float:
        """The rate of `step` (from 0) for a group whose peak is `peak`; a peak below `min_lr` stays constant."""
        if step < self.warmup_steps:
            return peak * (step + 1) / self.warmup_steps
        lowest = min(self.min_lr, peak)
        progress = (step - self.warmup_steps) / max(1, self.steps - 1 - self.warmup_steps)
        return lowest + (peak - lowest) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set the rate of every parameter group for `step`."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate(step, group[PEAK])
