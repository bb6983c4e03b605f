"""Point clouds as pictures: one alone, or a cloud, what the encoder saw of it and its reconstruction."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.data import PointData
from crosspath.modalities.modality import Triple
from crosspath.pictures.clouds import VIEWS, cloud_view
from crosspath.pictures.palette import class_colours
from crosspath.tokenizers import Mask, PointTokenizer


def draw_cloud(axes: Any, points_P3: NDArray[Any], original_P3: NDArray[Any], data: PointData) -> None:
    """The same view and the same cube for a cloud and its reconstruction: as wide as the original's longest side."""
    lowest, highest = original_P3.min(axis=0), original_P3.max(axis=0)
    middle, half = (lowest + highest) / 2, float((highest - lowest).max()) / 2
    x, y, z = points_P3.T
    axes.scatter(x, y, z, s=2, c=z, cmap="viridis", vmin=middle[2] - half, vmax=middle[2] + half)
    axes.view_init(elev=22, azim=-60)
    axes.set_box_aspect((1, 1, 1), zoom=1.4)
    for limits, centre in zip((axes.set_xlim, axes.set_ylim, axes.set_zlim), middle, strict=True):
        limits(centre - half, centre + half)
    axes.set_axis_off()


def cloud_pixels(points_P3: NDArray[Any], data: PointData) -> NDArray[np.uint8]:
    """The front view of a cloud, in one colour."""
    colours_P3 = np.broadcast_to(class_colours(1), (len(points_P3), 3))
    return cloud_view(points_P3[:, :3], colours_P3, VIEWS["front"], size=112)


def cloud_triples(
    tokenizer: PointTokenizer,
    batch_BP3: Tensor,
    predicted_BMP: Tensor,
    target_BMP: Tensor,
    mask: Mask,
    normalise: bool,
) -> list[Triple]:
    """Of each sample the original, visible and reconstructed clouds (points, 3)."""
    groups_BGM3, centres_BG3 = tokenizer.group(batch_BP3)
    whole_BGM3 = groups_BGM3 + centres_BG3[:, :, None]
    triples = []
    for sample in range(len(batch_BP3)):
        masked, visible = mask.masked_BM[sample], mask.visible_BV[sample]
        visible_points = whole_BGM3[sample, visible].reshape(-1, 3)
        groups = predicted_BMP[sample].float().reshape(len(masked), -1, 3) + centres_BG3[sample, masked, None]
        clouds = (batch_BP3[sample], visible_points, torch.cat([visible_points, groups.reshape(-1, 3)]))
        original, visible_cloud, reconstruction = (cloud.float().cpu().numpy() for cloud in clouds)
        triples.append((original, visible_cloud, reconstruction))
    return triples
