"""The one tolerance table: how far two runs that do the same arithmetic in another order may lie apart, and why.

Where nothing is reordered the tests ask for equality to the bit, and no row stands here.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Tolerance(NamedTuple):
    """|found - expected| <= absolute + relative·|expected|."""

    relative: float
    absolute: float


TOLERANCES = {
    # Closed form against the library in float64: some dozen roundings of 1e-16, through three steps of training.
    "float64": Tolerance(1e-9, 1e-11),
    # The same sums in another order (an explicit sum, vmap's batched products, inductor's fused kernels): float32
    # rounds at 6e-8, sums of a few hundred products at 1e-6; three steps of training amplify that a little.
    "float32": Tolerance(1e-5, 1e-6),
    # Half batches on two processes, averaged: the same reordering, in the reduction over the batch and over processes.
    "float32 on two processes": Tolerance(1e-5, 1e-6),
    # The same through a whole short run of AdamW, whose first steps divide small gradients by their own size.
    "a run on several processes": Tolerance(1e-4, 1e-5),
    # bfloat16 keeps 8 bits (relative 4e-3), so a gradient is right to some 1e-2 of its size. Absolute: the gradient's
    # noise times the learning rate, some hundredths of the largest move of a weight in three steps.
    "bfloat16 autocast": Tolerance(1e-2, 1e-3),
    # CUDA against CPU in float32 (without TF32): other kernels, other orders of summation.
    "float32 on cuda": Tolerance(1e-4, 1e-5),
}


def assert_close(found: Tensor, expected: Tensor, row: str) -> None:
    """`found` and `expected` agree within a row of the table; devices may differ."""
    tolerance = TOLERANCES[row]
    torch.testing.assert_close(found.cpu(), expected.cpu(), rtol=tolerance.relative, atol=tolerance.absolute)


def assert_states_close(found: dict[str, Tensor], expected: dict[str, Tensor], row: str) -> None:
    """Two state dicts have the same names, and values within a row of the table; the message names the tensor."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        try:
            assert_close(found[name], value, row)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
