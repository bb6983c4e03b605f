"""From the tokens of a plain vision transformer to the logits of every place on a grid: two light decoders.

B batch, N tokens, D width, C channels of a decoder, K classes, H and W rows and columns of a map. All norms are over
groups of channels, where the published decoders normalise over the batch: a part of a batch, or a process of several,
then computes what the whole batch would.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

POOLED_SIDES = (1, 2, 3, 6)
"""Of the maps of pyramid pooling, published."""
CHANNELS_OF_A_GROUP = 16
AUXILIARY_LEVEL = 2
"""Of the four levels, the one that the auxiliary classifier reads, published."""
AUXILIARY_WIDTH = 256
DROPOUT = 0.1


class LinearDecoder(nn.Module):
    """One linear layer on the last tokens: the logits of a patch, which all its pixels share. Keys: `linear`."""

    levels = 1

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, levels_BND: Sequence[Tensor], grid: tuple[int, int], with_auxiliary: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (B, K, *grid) of the one level; there is no auxiliary classifier."""
        return _as_map(self.linear(levels_BND[-1]), grid), None


class PyramidDecoder(nn.Module):
    """UPerNet (Xiao et al. 2018, arXiv 1807.10221) on four blocks of a plain transformer, as in BEiT and MAE: their
    maps, resized to 4, 2, 1 and 1/2 of the grid, pooled at four scales on top, added up top-down and read together.

    An auxiliary classifier reads the third level. Keys: `pyramid.i`, `pooled.i`, `bottleneck`, `laterals.i`,
    `outputs.i`, `fusion`, `linear`, `auxiliary`, `auxiliary_linear`.
    """

    levels = 4

    def __init__(self, width: int, classes: int, channels: int) -> None:
        super().__init__()
        self.pyramid = nn.ModuleList(
            (
                nn.Sequential(
                    nn.ConvTranspose2d(width, width, 2, stride=2),
                    _norm(width),
                    nn.GELU(),
                    nn.ConvTranspose2d(width, width, 2, stride=2),
                ),
                nn.ConvTranspose2d(width, width, 2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            )
        )
        self.pooled = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), *_layer(width, channels, 1)) for side in POOLED_SIDES
        )
        self.bottleneck = nn.Sequential(*_layer(width + len(POOLED_SIDES) * channels, channels, 3))
        self.laterals = nn.ModuleList(nn.Sequential(*_layer(width, channels, 1)) for _ in range(3))
        self.outputs = nn.ModuleList(nn.Sequential(*_layer(channels, channels, 3)) for _ in range(3))
        self.fusion = nn.Sequential(*_layer(4 * channels, channels, 3), nn.Dropout2d(DROPOUT))
        self.linear = nn.Conv2d(channels, classes, 1)
        self.auxiliary = nn.Sequential(*_layer(width, AUXILIARY_WIDTH, 3), nn.Dropout2d(DROPOUT))
        self.auxiliary_linear = nn.Conv2d(AUXILIARY_WIDTH, classes, 1)
        for layer in (self.linear, self.auxiliary_linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(
        self, levels_BND: Sequence[Tensor], grid: tuple[int, int], with_auxiliary: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (B, K, 4 rows, 4 columns) of four levels; and those of the auxiliary classifier, where asked for."""
        maps = [layer(_as_map(level_BND, grid)) for layer, level_BND in zip(self.pyramid, levels_BND, strict=True)]
        top = maps[-1]
        contexts = [_resize(layer(top), top) for layer in self.pooled]
        paths = [layer(values) for layer, values in zip(self.laterals, maps, strict=False)]
        paths.append(self.bottleneck(torch.cat([top, *contexts], dim=1)))
        for lower in (2, 1, 0):
            paths[lower] = paths[lower] + _resize(paths[lower + 1], paths[lower])
        paths[:3] = [layer(values) for layer, values in zip(self.outputs, paths, strict=False)]
        features = torch.cat([_resize(values, paths[0]) for values in paths], dim=1)
        logits_BKHW = self.linear(self.fusion(features))
        return logits_BKHW, self.auxiliary_linear(self.auxiliary(maps[AUXILIARY_LEVEL])) if with_auxiliary else None


def level_blocks(depth: int, levels: int) -> tuple[int, ...]:
    """The blocks (from 0) whose tokens a decoder reads: the last; or of four levels those at 1/3, 1/2, 2/3 and the end,
    3, 5, 7 and 11 of twelve (BEiT, MAE)."""
    if levels == 1:
        return (depth - 1,)
    return tuple(max(round(depth * share) - 1, 0) for share in (1 / 3, 1 / 2, 2 / 3, 1))


def _as_map(rows_BNC: Tensor, grid: tuple[int, int]) -> Tensor:
    return rows_BNC.transpose(1, 2).reshape(len(rows_BNC), -1, *grid)


def _resize(values_BCHW: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(values_BCHW, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _norm(channels: int) -> nn.GroupNorm:
    groups = max(channels // CHANNELS_OF_A_GROUP, 1)
    return nn.GroupNorm(groups if channels % groups == 0 else 1, channels)


def _layer(before: int, after: int, side: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution, _norm(after), nn.ReLU()
