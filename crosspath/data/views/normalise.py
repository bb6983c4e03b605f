"""Cached samples to the tensors that models read: the fixed normalisation of each modality, on the device."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.data import AudioData, Data, ImageData, PointData, TextData, VideoData
from crosspath.data.views.point_resampling import held_out_cloud


def prepare(section: Data, inputs: NDArray[Any], device: torch.device) -> Tensor:
    """A float32 batch (token numbers: int64) on `device`, of the shape of `inputs`, which are copied, never altered.

    Images and clips (uint8) go to (x / 255 - mean) / std of their channels, [-1, 1] by default; log-mel frames to
    (x - mean) / (2 std), the convention of AST (Gong et al. 2021); points stay as they are.
    """
    if isinstance(section, TextData):
        return torch.tensor(inputs, device=device, dtype=torch.int64)
    batch = torch.tensor(inputs, device=device).to(torch.float32)
    if isinstance(section, ImageData | VideoData):
        shape = (3, *[1] * (batch.ndim - 2))
        spread = torch.tensor([255.0 * std for std in section.std], device=device).view(shape)
        middle = torch.tensor([m / std for m, std in zip(section.mean, section.std, strict=True)], device=device)
        return batch.div_(spread).sub_(middle.view(shape))
    if isinstance(section, AudioData):
        return batch.sub_(section.mean).div_(2.0 * section.std)
    return batch


def prepare_held_out(section: Data, inputs: NDArray[Any], device: torch.device) -> Tensor:
    """`prepare` for samples that no augmentation follows: of larger stored clouds the farthest-point sample."""
    batch = prepare(section, inputs, device)
    return held_out_cloud(batch, section.points) if isinstance(section, PointData) else batch
