"""Fewer points of a larger stored cloud: anew at every training step, and always the same for held-out clouds."""

from math import ceil
from typing import Literal

from torch import Tensor

from crosspath.data.randomness import uniform
from crosspath.tokenizers.grouping import farthest_point_sample, gather_points

CANDIDATES = {1024: 1200, 2048: 2400, 4096: 4800, 8192: 8192}
"""Published: the farthest-point sample from which training draws its subset, by the number of points drawn."""


def held_out_cloud(points_BS3: Tensor, count: int) -> Tensor:
    """The farthest-point sample (B, count, 3) by which the published evaluation reads a cloud; it depends on nothing
    else. A cloud with `count` points or fewer stays as it is.
    """
    if points_BS3.shape[1] <= count:
        return points_BS3
    return gather_points(points_BS3, farthest_point_sample(points_BS3, count))


def training_cloud(
    points_BS3: Tensor, count: int, how: Literal["random", "farthest"], seed: int, epoch: int, ids_B: Tensor
) -> Tensor:
    """`count` points (B, count, 3) of each cloud, drawn for (seed, epoch, sample id).

    `random`: any subset. `farthest`: a random subset of a farthest-point sample somewhat larger than `count`
    (`CANDIDATES`, else a sixth more), the published augmentation of point classification.
    """
    if points_BS3.shape[1] <= count:
        return points_BS3
    if how == "farthest":
        points_BS3 = held_out_cloud(points_BS3, CANDIDATES.get(count, ceil(count * 7 / 6)))
    noise_BS = uniform(seed, epoch, ids_B.to(points_BS3.device), "points", points_BS3.shape[1])
    return gather_points(points_BS3, noise_BS.argsort(dim=1, stable=True)[:, :count])
