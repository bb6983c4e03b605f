"""The residual stream: one projection P for all of a model's blocks, Pᵀ where they read it, P where they write it."""

from collections.abc import Iterable

import torch
from torch import Tensor

from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.maps import first, neighbours


def stream_map(fit: Fit, ours: int, theirs: int, axes: Iterable[Tensor]) -> Tensor | None:
    """P (ours, theirs), with orthonormal rows where the target is narrower and orthonormal columns where it is wider;
    None for equal widths.

    Parameters
    ----------
    axes
        The auxiliary's matrices, each with the axis of the residual stream first; read by `spectra` alone.
    """
    if ours == theirs:
        return None
    if fit == "average":
        return neighbours(ours, theirs, 0.5)
    if fit == "slice" or ours > theirs:
        return first(ours, theirs)
    return _principal(ours, theirs, axes)


def _principal(ours: int, theirs: int, axes: Iterable[Tensor]) -> Tensor:
    """The directions of the stream on which the matrices are largest, each matrix counted alike (‖W'‖ = 1).

    Any rotation inside the subspace keeps as much. Taken is the one nearest to the first channels, so that signs and
    order do not depend on the eigensolver, and a stream that uses its first channels alone gives `slice`.
    """
    total = torch.zeros(theirs, theirs, dtype=torch.float64, device="cpu")
    for matrix in axes:
        rows = matrix.detach().cpu().double().flatten(1)
        square = rows @ rows.T
        norm = square.trace()
        total += square / norm if norm > 0 else square
    vectors = torch.linalg.eigh(total).eigenvectors[:, -ours:].T  # in ascending order of eigenvalues
    left, _, right = torch.linalg.svd(vectors[:, :ours].T)
    result: Tensor = left @ right @ vectors
    return result
