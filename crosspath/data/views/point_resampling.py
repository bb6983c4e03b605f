"""Samples points of larger clouds: random ones at every training step, fixed ones for held-out clouds.

An annotation, which stands in a fourth column, goes with its point.
"""

from math import ceil
from typing import Literal

from torch import Tensor

from crosspath.data.annotations import OUTSIDE
from crosspath.data.randomness import uniform
from crosspath.tokenizers.grouping import farthest_point_sample, gather_points

CANDIDATES = {1024: 1200, 2048: 2400, 4096: 4800, 8192: 8192}
"""Published sizes of the farthest-point sample from which training draws, by the number of points drawn."""


def held_out_cloud(points_BS3: Tensor, count: int) -> Tensor:
    """The farthest-point sample (B, count, 3) of clouds (B, S, 3), as in the published evaluation. Clouds with `count`
    points or fewer are returned unchanged.
    """
    if points_BS3.shape[1] <= count:
        return points_BS3
    return gather_points(points_BS3, farthest_point_sample(points_BS3[..., :3], count))


def training_cloud(
    points_BS3: Tensor, count: int, how: Literal["random", "farthest"], seed: int, epoch: int, ids_B: Tensor
) -> Tensor:
    """`count` points (B, count, 3) of each cloud, drawn for (seed, epoch, sample id).

    `random`: a random subset. `farthest`: a random subset of a farthest-point sample of `CANDIDATES[count]` points (or
    a sixth more than `count`), the published augmentation of point classification.
    """
    if points_BS3.shape[1] <= count:
        return points_BS3
    if how == "farthest":
        points_BS3 = held_out_cloud(points_BS3, CANDIDATES.get(count, ceil(count * 7 / 6)))
    noise_BS = uniform(seed, epoch, ids_B.to(points_BS3.device), "points", points_BS3.shape[1])
    if points_BS3.shape[2] > 3:  # the points of a cloud with fewer, before those after them
        noise_BS = noise_BS + (points_BS3[..., 3] == OUTSIDE)
    return gather_points(points_BS3, noise_BS.argsort(dim=1, stable=True)[:, :count])
