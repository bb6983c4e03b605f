"""The ways to fit an auxiliary's matrices to a target of other shapes, and what is fitted of one pair.

A matrix has two axes, and each of them belongs to something: the residual stream that a block reads and writes, the
heads of its attention, or the channels inside its mlp. A fit is one linear map an axis, P·W'·Q: stream.py,
attention.py and mlp.py make these maps, blocks.py puts them together for a pair of blocks.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from crosspath.errors import PathwayError
from crosspath.pathway.fitting.maps import times

Fit = Literal["slice", "average", "spectra", "learned"]
FITS: tuple[Fit, ...] = get_args(Fit)


def check_fit(fit: object) -> None:
    """Raise `PathwayError` for a fit that there is not; None is none."""
    if fit is not None and fit not in FITS:
        raise PathwayError("fit", ", ".join(FITS), repr(fit), "choose one of these")


class FitError(Exception):
    """Why two blocks cannot be fitted, in words."""


@dataclass(frozen=True, kw_only=True)
class PairFit:
    """The maps that bring one matrix of an auxiliary to its target's shape, each (ours, theirs); None where that axis
    stays as it is.
    """

    repeat: Tensor | None = None
    """First: keys and values of grouped-query attention, once for every query head that shares them. This is exact."""
    outputs: Tensor | None = None
    """P, over the outputs."""
    inputs: Tensor | None = None
    """Qᵀ, over the inputs."""

    def whole(self, values: Tensor) -> Tensor:
        """The auxiliary's matrix (or bias) as its attention uses it: repeated keys and values."""
        return values if self.repeat is None else times(self.repeat, values)

    def apply(self, values: Tensor) -> Tensor:
        """P·W'·Q of entries (outputs, inputs, ...), or P·b' of a bias; float64 where anything changes.

        The kernels of convolutions (any axes after the inputs) pass through: a step for these belongs before this.
        """
        values = self.whole(values)
        if self.outputs is not None:
            values = times(self.outputs, values)
        if self.inputs is not None and values.dim() > 1:
            values = times(self.inputs, values.transpose(0, 1)).transpose(0, 1)
        return values

    def energies(self, values: Tensor) -> tuple[float, float]:
        """‖W'‖² before and after, of entries (outputs, inputs, ...)."""
        squares = (
            torch.linalg.vector_norm(part.double()).square() for part in (self.whole(values), self.apply(values))
        )
        before, after = (float(square) for square in squares)
        return before, after
