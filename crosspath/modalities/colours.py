"""What images and clips share: three colour channels of 0 to 255, and how they are normalised, exported and drawn."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.data import ImageData, VideoData
from crosspath.data.short_side import short_side
from crosspath.data.views.normalise import Scaling

Colours = ImageData | VideoData


def colour_scaling(data: Colours) -> Scaling:
    """(x / 255 - mean) / std of each channel, as x / (255 std) - mean / std."""
    shift = [mean / std for mean, std in zip(data.mean, data.std, strict=True)]
    return Scaling(factor=[255.0 * std for std in data.std], shift=shift, divide_first=True)


def colour_levels(data: Colours, values: Tensor) -> Tensor:
    """Generated values in [-1, 1] as uint8 levels."""
    return ((values + 1) * 127.5).to(torch.uint8)


def colour_normalisation(data: Colours) -> str:
    """What an exported graph does first."""
    return f"(x / 255 - {list(data.mean)}) / {list(data.std)}, by colour channel"


def expected_colours(data: Colours) -> str:
    """What an exported graph reads."""
    return f"RGB values 0 to 255, short side resized to {short_side(data)}, centre-cropped"


def colour_pixels(image_CHW: NDArray[Any], data: Colours) -> NDArray[np.uint8]:
    """One prepared picture as levels (H, W, 3)."""
    mean, std = (np.array(values)[:, None, None] for values in (data.mean, data.std))
    levels: NDArray[np.uint8] = np.rint(255 * (image_CHW * std + mean).clip(0.0, 1.0)).astype(np.uint8)
    return levels.transpose(1, 2, 0)


def draw_colours(axes: Any, image_CHW: NDArray[Any], original: NDArray[Any], data: Colours) -> None:
    """One prepared picture; what is hidden (NaN) is grey."""
    mean, std = (np.array(values)[:, None, None] for values in (data.mean, data.std))
    pixels = (image_CHW * std + mean).clip(0.0, 1.0).transpose(1, 2, 0)
    axes.imshow(np.where(np.isnan(pixels), 0.6, pixels), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
