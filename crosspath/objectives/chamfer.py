"""The Chamfer distance between small point sets, in plain batched torch."""

from torch import Tensor


def chamfer(one_KM3: Tensor, other_KN3: Tensor) -> Tensor:
    """For each of K pairs of sets, the squared L2 Chamfer distance (K,).

    The mean over the points of each set of the squared distance to the nearest point of the other, both directions
    added (Fan et al. 2017, arXiv 1612.00603, section 4; the loss of Point-MAE).
    """
    squared_KMN = (one_KM3[:, :, None] - other_KN3[:, None]).square().sum(dim=-1)
    return squared_KMN.amin(dim=2).mean(dim=1) + squared_KMN.amin(dim=1).mean(dim=1)
