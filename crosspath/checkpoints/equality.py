"""Are two outputs the same? Bitwise, and by how much not."""

from dataclasses import dataclass

import torch
from torch import Tensor


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


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
