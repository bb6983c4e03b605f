"""What `rank` computes of one auxiliary: how its weights lie to the target's gradient, features and spectra."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.pathway.engines.overlay import covered_rows
from crosspath.pathway.sources.parameters import connections

SCORES = ("labels", "gradient", "similarity", "effective_rank", "stable_rank", "spectrum")
STREAM = 0x5A4F
"""Keeps the draws of shuffled copies apart from every other use of the same seed."""

Triple = tuple[Tensor, Tensor, Tensor]
"""(G, W, W') of one connected weight, each (outputs, inputs) in float64; kernels are flattened into the inputs."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of one auxiliary, the mean over seeds, beside that of copies of it with shuffled values."""

    value: float
    shuffled: float
    """The mean of the copies."""
    z: float | None
    """How many standard deviations of the copies the value lies above their mean; None where they do not differ."""
    p: float | None
    """Two-sided, that one more copy would lie as far away (Student's t, by the number of copies)."""

    def to_json(self) -> dict[str, Any]:
        """The score as plain data."""
        return asdict(self)


def score_of(value: float, copies: Sequence[float]) -> Score:
    """A value against those of the shuffled copies."""
    from scipy.stats import t as student

    mean, spread = float(np.mean(copies)), float(np.std(copies, ddof=1))
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return Score(value=value, shuffled=mean, z=None, p=None)
    z = (value - mean) / spread
    p = float(2 * student.sf(abs(z) / math.sqrt(1 + 1 / len(copies)), len(copies) - 1))
    return Score(value=value, shuffled=mean, z=z, p=p)


def connected_triples(model: nn.Module, name: str, gradients: Mapping[str, Tensor]) -> Iterator[Triple]:
    """G, W and W' of every weight that the auxiliary `name` is connected to, over the rows that W' covers."""
    for holder, pathway in connections(model):
        auxiliary = pathway.auxiliary(name).detach()
        if auxiliary.ndim < 2:
            continue
        overlay = pathway.overlays[name]
        parts = (gradients[holder.name], holder.original.detach())
        gradient, own = (covered_rows(tensor, overlay) for tensor in parts)
        yield (
            as_matrix(gradient, overlay.along),
            as_matrix(own, overlay.along),
            as_matrix(auxiliary, overlay.along),
        )


def as_matrix(tensor: Tensor, along: int) -> Tensor:
    """(outputs, inputs) in float64 of a stored weight whose outputs lie along this axis."""
    return tensor.transpose(0, along).flatten(1).double()


@torch.no_grad()
def shuffle_auxiliary(model: nn.Module, name: str, originals: Mapping[str, Tensor], copy: int) -> None:
    """Write into each W' of `name` the values of `originals` (by weight), shuffled within each output's row: spread,
    row by row, is kept, and what the rows have learned is not. The same for the same number of the copy.
    """
    rng = np.random.default_rng((STREAM, copy))
    for holder, pathway in connections(model):
        auxiliary, along = pathway.auxiliary(name), pathway.overlays[name].along
        own = originals[holder.name]
        if own.ndim < 2:
            continue
        rows = own.transpose(0, along)
        shuffled = torch.from_numpy(rng.permuted(rows.flatten(1).float().cpu().numpy(), axis=1))
        auxiliary.copy_(shuffled.reshape(rows.shape).transpose(0, along))


def gradient_alignment(triples: Sequence[Triple]) -> float:
    """The mean over weights of |cos(G, W')|: how steeply λ changes the loss where the pathway begins, without norms."""
    cosines = []
    for gradient, _, auxiliary in triples:
        lengths = float(gradient.norm() * auxiliary.norm())
        cosines.append(abs(float((gradient * auxiliary).sum())) / lengths if lengths else 0.0)
    return float(np.mean(cosines))


def spectra(triples: Sequence[Triple]) -> dict[str, float]:
    """Means over weights: effective rank of W' (the exponential of its singular values' entropy; Roy and Vetterli 2007)
    and stable rank (‖W'‖² / σ₁²), both as shares of the full rank; cosine of the singular values of W and W'.
    """
    ranks, stable, alike = [], [], []
    for _, own, auxiliary in triples:
        ours, theirs = singular_values(own), singular_values(auxiliary)
        total = float(theirs.sum())
        if total == 0:
            continue
        shares = theirs / total
        entropy = -float((shares * torch.log(shares.clamp_min(1e-300))).sum())
        ranks.append(math.exp(entropy) / len(theirs))
        stable.append(float(theirs.square().sum() / theirs[0].square()) / len(theirs))
        lengths = float(ours.norm() * theirs.norm())
        alike.append(float(ours @ theirs) / lengths if lengths else 0.0)
    if not ranks:
        return {"effective_rank": 0.0, "stable_rank": 0.0, "spectrum": 0.0}
    return {
        "effective_rank": float(np.mean(ranks)),
        "stable_rank": float(np.mean(stable)),
        "spectrum": float(np.mean(alike)),
    }


def singular_values(matrix: Tensor) -> Tensor:
    """Descending; by the eigenvalues of the smaller Gram matrix, which takes a tenth of the time of a decomposition."""
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    squares: Tensor = torch.linalg.eigvalsh(gram)
    return squares.clamp_min(0).sqrt().flip(0)


def linear_cka(x_BD: Tensor, y_BE: Tensor) -> float:
    """Linear centred kernel alignment of two representations of the same samples (Kornblith et al. 2019, arXiv
    1905.00414, equation 4): 1 where they are equal but for rotation and scale.
    """
    x_BD, y_BE = (each.double() - each.double().mean(dim=0) for each in (x_BD, y_BE))
    lengths = float((x_BD.T @ x_BD).norm() * (y_BE.T @ y_BE).norm())
    return float((y_BE.T @ x_BD).square().sum()) / lengths if lengths else 0.0
