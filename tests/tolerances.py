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
    # bfloat16 rounds every product at 2^-8 = 4e-3; over some twenty layers, forward and backward, that adds up like
    # random steps, so a gradient is right to some 2e-2 of its size. Weights stay in float32, so nothing is relative to
    # them: what counts is the move, 6e-2 at most in three steps. (Measured: 4e-4.)
    "bfloat16 autocast": Tolerance(0.0, 1e-3),
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


def rounding_of_a_sum(exact: Tensor, size: Tensor, terms: int, dtype: torch.dtype) -> Tensor:
    """How far W + Σ λ·W' in `dtype` may lie from the exact sum, entry by entry: no more than rounding explains.

    `size` is |W| + Σ |λ·W'| and `terms` the number of auxiliaries. Every product and every addition rounds once, by at
    most half a unit in the last place of something no larger than `size`. In half precision sums run in float32 (λ is
    stored in it), and the result is rounded once more, by at most half of its own last place: 2^-8 of its size in
    bfloat16, 2^-11 in float16.
    """
    wide = torch.promote_types(dtype, torch.float32)
    sums = 2 * terms * torch.finfo(wide).eps / 2 * size
    # The exact sum was made in float64, by as many operations.
    account = 2 * terms * torch.finfo(torch.float64).eps / 2 * size
    stored = torch.finfo(dtype).eps / 2 * exact.abs() if dtype != wide else 0
    # To first order in the unit; the thousandth is for the second.
    return 1.001 * (sums + account + stored)
