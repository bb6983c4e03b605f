"""What a model costs: parameters, and the time of one forward pass."""

import time
from dataclasses import asdict, dataclass
from math import prod
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.models.evaluation_mode import evaluation_mode
from crosspath.objectives.objective import token_grid
from crosspath.pathway.groups import leaf_parameters


@dataclass(frozen=True)
class Cost:
    """Of one model and one batch."""

    parameters: int
    """All of them; with pathways, theirs included."""
    trainable_parameters: int
    tokens: int | None
    """Tokens a sample; None for models without a tokenizer."""
    batch_size: int | None = None
    latency_ms: float | None = None
    """Median time of a forward pass of the batch, without gradients; None where it was not timed."""

    def to_json(self) -> dict[str, int | float | None]:
        """Plain data."""
        return asdict(self)


def cost_of(model: nn.Module, batch: Tensor, *, timed: bool) -> dict[str, Any]:
    """Parameters and tokens of a model; with `timed`, the latency of a forward pass of the batch as well."""
    if timed:
        return measure_cost(model, batch).to_json()
    return {
        "parameters": count_parameters(model),
        "trainable_parameters": count_parameters(model, trainable=True),
        "tokens": prod(token_grid(model)),
    }


def count_parameters(model: nn.Module, trainable: bool = False) -> int:
    """Number of values in the model's parameters, each parameter once; with pathways those of W, W' and λ, whichever
    engine holds them.
    """
    leaves = (parameter for parameter, _ in leaf_parameters(model))
    return sum(parameter.numel() for parameter in leaves if parameter.requires_grad or not trainable)


@torch.no_grad()
def measure_cost(model: nn.Module, batch: Tensor, repeats: int = 5) -> Cost:
    """Count, and time `repeats` forward passes after one that warms up; the model's mode is restored."""
    with evaluation_mode(model):
        times_ms = [_forward_ms(model, batch) for _ in range(repeats + 1)][1:]
    tokens = getattr(getattr(model, "tokenizer", None), "num_tokens", None)
    return Cost(
        parameters=count_parameters(model),
        trainable_parameters=count_parameters(model, trainable=True),
        tokens=tokens if isinstance(tokens, int) else None,
        batch_size=len(batch),
        latency_ms=median(times_ms),
    )


def _forward_ms(model: nn.Module, batch: Tensor) -> float:
    _wait(batch.device)
    start = time.perf_counter()
    model(batch)
    _wait(batch.device)
    return (time.perf_counter() - start) * 1e3


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
