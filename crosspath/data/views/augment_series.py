"""Augmentation of scaled series (B, C, T) on the device, as in `augment.py`."""

import torch
from torch import Tensor

from crosspath.config.augment import SeriesAugment
from crosspath.config.data import SeriesData
from crosspath.data.views.augment import random_runs
from crosspath.data.views.draws import Draws

BENDS = 3
"""Sines whose sum bends time."""


def augment_series(section: SeriesAugment, data: SeriesData, batch_BCT: Tensor, draws: Draws) -> Tensor:
    """Warped time, a factor for each channel, noise on each value, then one masked run."""
    channels, length = batch_BCT.shape[1:]
    if section.warp > 0.0:
        batch_BCT = warp_time(batch_BCT, section.warp, draws)
    if section.scale_std > 0.0:
        batch_BCT = batch_BCT * (1.0 + section.scale_std * draws.normal("scale", channels))[:, :, None]
    if section.jitter_std > 0.0:
        batch_BCT = batch_BCT + section.jitter_std * draws.normal("jitter", channels * length).view_as(batch_BCT)
    if section.time_mask > 0:
        masked_BT = random_runs(length, section.time_mask, "time_mask", draws)
        batch_BCT = batch_BCT.masked_fill(masked_BT[:, None, :], 0.0)
    return batch_BCT


def warp_time(batch_BCT: Tensor, most: float, draws: Draws) -> Tensor:
    """Each series read at the places u + Σ aₖ sin(πku) / (πk) of its time u in [0, 1], by linear interpolation.

    The pace 1 + Σ aₖ cos(πku) stays between 1 - most and 1 + most, since the |aₖ| sum to at most `most` < 1; so the
    order of the values and both ends stay.
    """
    length = batch_BCT.shape[2]
    if length < 3:
        return batch_BCT
    time_T = torch.linspace(0.0, 1.0, length, device=batch_BCT.device)
    bends_BK = most / BENDS * (2.0 * draws.uniform("warp", BENDS) - 1.0)
    places_BT = time_T.expand(len(batch_BCT), -1)
    # Not as a matrix product, which rounds a sample differently in another batch.
    for order in range(1, BENDS + 1):
        angles_T = torch.pi * order * time_T
        places_BT = places_BT + bends_BK[:, order - 1, None] * angles_T.sin() / (torch.pi * order)
    places_BT = places_BT * (length - 1)
    left_BT = places_BT.clamp(0, length - 1).floor().clamp(max=length - 2)
    shares_BT = (places_BT - left_BT).clamp(0.0, 1.0)
    before_BCT, after_BCT = (
        batch_BCT.gather(2, indices_BT[:, None].expand_as(batch_BCT))
        for indices_BT in (left_BT.to(torch.int64), left_BT.to(torch.int64) + 1)
    )
    return torch.lerp(before_BCT, after_BCT, shares_BT[:, None])
