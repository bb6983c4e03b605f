"""Cached samples to the tensors that models read: the fixed normalisation of each modality, on the device."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.data import AudioData, Data


def prepare(section: Data, inputs: NDArray[Any], device: torch.device) -> Tensor:
    """A float32 batch on `device`, of the shape of `inputs`; `inputs` are copied, never altered.

    Images and clips (uint8) go to [-1, 1] by x / 127.5 - 1; log-mel frames to (x - mean) / (2 std), the convention of
    AST (Gong et al. 2021); points stay as they are.
    """
    batch = torch.tensor(inputs, device=device).to(torch.float32)
    if section.modality in ("image", "video"):
        return batch.div_(127.5).sub_(1.0)
    if isinstance(section, AudioData):
        return batch.sub_(section.mean).div_(2.0 * section.std)
    return batch
