"""The simple feature pyramid of ViTDet: maps at five strides from the last map of a plain vision transformer.

Li et al. 2022, arXiv 2203.16527, section 3. B batch, D the encoder's width, C channels of the pyramid, h x w patches.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALES = (4.0, 2.0, 1.0, 0.5)
"""Cells of a level for one patch, along each axis: strides 4, 8, 16 and 32 for patches of 16 pixels."""
POOL = "pool"
"""The name of the coarsest level, which is the one before it at every second place; the others are named by number."""


class FeaturePyramid(nn.Module):
    """From a map (B, D, h, w) to five (B, C, .., ..), finest first: {"0", "1", "2", "3", "pool"}.

    Two deconvolutions, one, none, or max pooling; then 1x1 and 3x3 convolutions, each with a layer norm over channels.
    A level whose patches do not divide keeps its last row and column. `out_channels` is C, as torchvision's detectors
    ask for it.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        # Of a dict, since what trains sharded takes every list of modules for a list of blocks.
        self.levels = nn.ModuleDict(
            {str(number): _level(width, channels, scale) for number, scale in enumerate(SCALES)}
        )

    def forward(self, map_BDHW: Tensor) -> "OrderedDict[str, Tensor]":
        """The maps by level."""
        maps = OrderedDict((name, level(map_BDHW)) for name, level in self.levels.items())
        maps[POOL] = functional.max_pool2d(maps[str(len(SCALES) - 1)], kernel_size=1, stride=2)
        return maps


def pyramid_strides(patch: int) -> tuple[float, ...]:
    """Pixels from one cell to the next, of each level: whole numbers for patches that four divides."""
    return (*(patch / scale for scale in SCALES), 2 * patch / SCALES[-1])


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each place of a map (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """The same shape."""
        places_BHWC = map_BCHW.permute(0, 2, 3, 1)
        return functional.layer_norm(places_BHWC, self.weight.shape, self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


def _level(width: int, channels: int, scale: float) -> nn.Sequential:
    resize: list[nn.Module] = []
    if scale == 4.0:
        resize = [
            nn.ConvTranspose2d(width, width // 2, kernel_size=2, stride=2),
            ChannelNorm(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, kernel_size=2, stride=2),
        ]
        width = width // 4
    elif scale == 2.0:
        resize = [nn.ConvTranspose2d(width, width // 2, kernel_size=2, stride=2)]
        width = width // 2
    elif scale == 0.5:
        resize = [nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)]
    return nn.Sequential(
        *resize,
        nn.Conv2d(width, channels, kernel_size=1, bias=False),
        ChannelNorm(channels),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
        ChannelNorm(channels),
    )
