"""Compares outputs: bitwise equality and the largest difference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PRECISIONS = ("float32", "bfloat16")
"""Those in which outputs are compared; bfloat16 by autocast."""


@dataclass(frozen=True)
class Equivalence:
    """The comparison of two outputs."""

    bitwise: bool
    """Every bit equal (NaN in the same places counts as equal)."""
    max_difference: float
    """Largest absolute difference, in float64; NaN where only one side is finite."""

    def __str__(self) -> str:
        return "bitwise" if self.bitwise else f"largest difference {self.max_difference:.3g}"


def compare_outputs(first: Tensor, second: Tensor) -> Equivalence:
    """Compare two tensors of one shape and type."""
    bitwise = first.dtype == second.dtype and first.shape == second.shape
    bitwise = bitwise and torch.equal(_bytes(first), _bytes(second))
    if first.shape != second.shape:
        return Equivalence(False, float("inf"))
    difference = (first.double() - second.double()).abs()
    return Equivalence(bitwise, 0.0 if bitwise or difference.numel() == 0 else float(difference.max()))


def same_class(first_BK: Tensor, second_BK: Tensor) -> float:
    """The share of samples, 0 to 1, for which both predict the same class."""
    return float((first_BK.argmax(dim=1) == second_BK.argmax(dim=1)).double().mean())


def compare_precisions(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """The comparison of two results of `outputs` as JSON values, {precision: {...}}; None for a NaN."""
    values: dict[str, dict[str, Any]] = {}
    for name in PRECISIONS:
        equality = compare_outputs(first[name], second[name])
        values[name] = {
            "bitwise": equality.bitwise,
            "max_difference": equality.max_difference if math.isfinite(equality.max_difference) else None,
            "same_class": same_class(first[name], second[name]),
        }
    return values


def difference_text(value: float | None) -> str:
    """The largest difference of outputs, as `compare_precisions` has it, for people."""
    return "not finite" if value is None else f"{value:.3g}"


@torch.no_grad()
def outputs(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """Logits (B, K) of one prepared batch on the CPU, {precision: logits}."""
    logits = {}
    for name in PRECISIONS:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16"):
            logits[name] = model(batch)
    return logits


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
