"""torchvision's detectors on maps of an encoder: their anchors, proposals, losses and suppression, none of it our own.

A detector of torchvision takes pictures, resizes them and calls its backbone. Here the "pictures" are maps that the
encoder has made already, and the backbone is the feature pyramid; strides and sizes are those of the pictures behind
them. Imported where a detector is built: torchvision takes seconds.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

from crosspath.models.feature_pyramid import SCALES, FeaturePyramid, pyramid_strides

OCTAVE = tuple(2 ** (third / 3) for third in range(3))
"""Sizes of RetinaNet's anchors at one level (Lin et al. 2017, arXiv 1708.02002): 4, 5 and 6.3 strides."""
RATIOS = (0.5, 1.0, 2.0)
PER_GROUP = 8
"""Channels of a group norm: 32 groups of the published 256."""
PUBLISHED_PATCH = 16
POOLED_SCALE, POOLED_LEVEL = 224, 4
"""A region of this size is pooled from level 4, of stride 16 (Lin et al. 2017, arXiv 1612.03144, equation 1)."""


def retinanet(width: int, channels: int, classes: int, patch: int, image_size: int, detections: int) -> nn.Module:
    """RetinaNet on maps (D, h, w) of an encoder, as torchvision's second version: group norms in the head, and the
    generalised IoU as loss of boxes. Class numbers from 0.
    """
    sizes = tuple(tuple(4 * stride * size for size in OCTAVE) for stride in pyramid_strides(patch))
    anchors = Anchors(sizes, (RATIOS,) * len(sizes), pyramid_strides(patch))
    head = RetinaNetHead(
        channels, len(OCTAVE) * len(RATIOS), classes, norm_layer=partial(nn.GroupNorm, max(1, channels // PER_GROUP))
    )
    head.regression_head._loss_type = "giou"
    detector: nn.Module = RetinaNet(
        FeaturePyramid(width, channels), classes, anchor_generator=anchors, head=head, detections_per_img=detections
    )
    detector.transform = Maps(image_size)
    return detector


def faster_rcnn(width: int, channels: int, classes: int, patch: int, image_size: int, detections: int) -> nn.Module:
    """Faster R-CNN on maps (D, h, w) of an encoder; class number 0 is the background."""
    strides = pyramid_strides(patch)
    anchors = Anchors(tuple((8 * stride,) for stride in strides), (RATIOS,) * len(strides), strides)
    pooling = MultiScaleRoIAlign([str(number) for number in range(len(SCALES))], output_size=7, sampling_ratio=2)
    # It would take the strides for powers of two, which those of patches of 14 pixels are not.
    pooling.scales = [1 / stride for stride in strides[: len(SCALES)]]
    scale = POOLED_SCALE * patch / PUBLISHED_PATCH
    pooling.map_levels = initLevelMapper(2, 5, canonical_scale=scale, canonical_level=POOLED_LEVEL)
    detector: nn.Module = FasterRCNN(
        FeaturePyramid(width, channels),
        classes + 1,
        rpn_anchor_generator=anchors,
        box_roi_pool=pooling,
        box_detections_per_img=detections,
    )
    detector.transform = Maps(image_size)
    return detector


class Anchors(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """Anchors in float32 at the given strides: torchvision's rounds strides to whole numbers, and computes in the type
    of the maps.
    """

    def __init__(
        self, sizes: Sequence[Sequence[float]], ratios: Sequence[Sequence[float]], strides: Sequence[float]
    ) -> None:
        super().__init__(sizes, ratios)
        self.strides = strides

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Anchors (A, 4) in pixels, the same for every picture."""
        device = feature_maps[0].device
        strides = [[torch.tensor(stride, device=device)] * 2 for stride in self.strides]
        self.set_cell_anchors(torch.float32, device)
        anchors = torch.cat(self.grid_anchors([list(level.shape[-2:]) for level in feature_maps], strides))
        return [anchors] * len(image_list.image_sizes)


class Maps(nn.Module):
    """In place of torchvision's resizing: maps of pictures that have their size already."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size

    def forward(self, maps: list[Tensor], targets: Any = None) -> tuple[ImageList, Any]:
        """The maps as one batch, and the size of the pictures behind them."""
        return ImageList(torch.stack(maps), [(self.image_size, self.image_size)] * len(maps)), targets

    def postprocess(self, detections: list[dict[str, Tensor]], *sizes: object) -> list[dict[str, Tensor]]:
        """Boxes stay in pixels of the sample."""
        return detections
