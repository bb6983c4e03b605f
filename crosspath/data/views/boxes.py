"""Augmentation that moves pictures and their boxes alike; a sample's draws depend on nothing else in the batch."""

import torch
from torch import Tensor
from torch.nn import functional

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.boxes import CORNERS
from crosspath.data.views.augment import crop_and_flip, erase
from crosspath.data.views.draws import Draws

SMALLEST = 1.0
"""Pixels of a side that is left of a box, below which it is gone."""


def augment_boxed_images(
    section: ImageAugment, data: ImageData, batch_BCHW: Tensor, boxes_BM9: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Scale jitter, flip and random erasing, and the boxes as they then are; those out of sight become NaN rows."""
    if section.scale_jitter is not None:
        batch_BCHW, boxes_BM9 = _jitter(batch_BCHW, boxes_BM9, section.scale_jitter, draws)
    width = batch_BCHW.shape[-1]
    batch_BCHW = crop_and_flip(batch_BCHW, 0, section.flip, draws)
    if section.flip > 0.0:
        flipped_B1 = draws.uniform("flip") < section.flip
        mirrored_BM9 = boxes_BM9.clone()
        mirrored_BM9[..., 0], mirrored_BM9[..., 2] = width - boxes_BM9[..., 2], width - boxes_BM9[..., 0]
        boxes_BM9 = torch.where(flipped_B1[..., None], mirrored_BM9, boxes_BM9)
    return erase(batch_BCHW, section.erasing, draws), boxes_BM9


def _jitter(batch_BCHW: Tensor, boxes_BM9: Tensor, factors: tuple[float, float], draws: Draws) -> tuple[Tensor, Tensor]:
    """Each picture resized (bilinear) by a factor: of a larger one a random window, a smaller one in the upper left
    corner, the rest 0, the colour behind padded pictures (large-scale jitter, Ghiasi et al. 2021, arXiv 2012.07177).
    """
    size = batch_BCHW.shape[-1]
    low, high = factors
    factor_B1 = low + (high - low) * draws.uniform("jitter/factor")
    offset_B2 = (draws.uniform("jitter/window", 2) * (factor_B1 - 1).clamp(min=0) * size).floor()
    # The source of a pixel, from -1 to 1 between the picture's edges: x / size * 2 - 1 of (pixel + offset) / factor.
    shift_B2 = (size + 2 * offset_B2) / (size * factor_B1) - 1
    affine_B23 = torch.zeros(len(batch_BCHW), 2, 3, device=batch_BCHW.device)
    affine_B23[:, 0, 0] = affine_B23[:, 1, 1] = 1 / factor_B1[:, 0]
    affine_B23[:, :, 2] = shift_B2
    grid = functional.affine_grid(affine_B23, list(batch_BCHW.shape), align_corners=False)
    batch_BCHW = functional.grid_sample(batch_BCHW, grid.to(batch_BCHW.dtype), align_corners=False)
    boxes_BM9 = boxes_BM9.clone()
    corners_BM4 = boxes_BM9[..., CORNERS] * factor_B1[..., None] - offset_B2.repeat(1, 2)[:, None]
    boxes_BM9[..., CORNERS] = corners_BM4.clamp(0, size)
    sides_BM2 = boxes_BM9[..., 2:4] - boxes_BM9[..., :2]
    boxes_BM9[(sides_BM2 < SMALLEST).any(dim=-1)] = torch.nan
    return batch_BCHW, boxes_BM9
