"""The base of image, audio and video tokenizers: a convolution with stride equal to its kernel, and positions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from crosspath.errors import InputError
from crosspath.tokenizers.positions import fixed_positions, resize_positions
from crosspath.tokenizers.tokens import ChooseMask, MaskableTokenizer, MaskedView, Tokens, select_tokens

PositionKind = Literal["sincos", "learned"]


class PatchTokenizer(MaskableTokenizer):
    """Cuts a grid of values into patches, one token for each, with the last axis running fastest.

    `proj` is the convolution (D, channels, *patch). Learned `positions` (1, N, D) are a parameter. The fixed
    sine-cosine table is a buffer outside the state dict, since it follows from the sizes; for a checkpoint with its own
    table use learned positions, frozen by `requires_grad_(False)`.
    """

    fixed_grid: tuple[int, ...]
    positions: Tensor

    def __init__(
        self, sizes: tuple[int, ...], patch: tuple[int, ...], width: int, channels: int, positions: PositionKind
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.patch = patch
        self.width = width
        self.channels = channels
        self.fixed_grid = patch_grid(sizes, patch)
        self.num_tokens = math.prod(self.fixed_grid)
        self.target_values = channels * math.prod(patch)
        convolution = nn.Conv2d if len(patch) == 2 else nn.Conv3d
        self.proj = convolution(channels, width, kernel_size=patch, stride=patch)  # type: ignore[arg-type]
        # Xavier over the flattened kernel: the convolution is a linear layer on patches (MAE).
        nn.init.xavier_uniform_(self.proj.weight.flatten(1))
        nn.init.zeros_(self.proj.bias)  # type: ignore[arg-type]
        if positions == "learned":
            self.positions = nn.Parameter(torch.empty(1, self.num_tokens, width))
            nn.init.trunc_normal_(self.positions, std=0.02)
        else:
            self.register_buffer("positions", _on_default_device(fixed_positions(self.grid, width)), persistent=False)

    def embed(self, batch: Tensor) -> Tokens:
        """Tokens of a batch (B, channels, *sizes).

        Raises
        ------
        InputError
            When a sample has another shape.
        """
        expected = (self.channels, *self.sizes)
        if tuple(batch.shape[1:]) != expected:
            raise InputError(
                "batch", f"samples of shape {expected}", str(tuple(batch.shape[1:])), "resize() or reshape"
            )
        tokens_BND = self.proj(batch).flatten(2).transpose(1, 2)
        # A fixed table has values even if the model is on the meta device.
        return Tokens(tokens_BND, self.positions.to(tokens_BND.device))

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches along each axis."""
        return self.fixed_grid

    def mask(self, batch: Tensor, choose_mask: ChooseMask) -> MaskedView:
        """The visible tokens of a batch, and the values of every patch."""
        mask = choose_mask(None)
        return MaskedView(select_tokens(self(batch), mask.visible_BV), patches_of(self, batch), None, mask)

    def _resize(self, sizes: tuple[int, ...]) -> None:
        """Changes the input sizes. Learned positions are interpolated to a new parameter, so create the optimizer
        afterwards; a fixed table is recomputed."""
        grid = patch_grid(sizes, self.patch)
        if isinstance(self.positions, nn.Parameter):
            resized = resize_positions(self.positions.detach(), self.grid, grid).clone()
            self.positions = nn.Parameter(resized, requires_grad=self.positions.requires_grad)
        else:
            self.positions = fixed_positions(grid, self.width).to(self.positions)
        self.sizes = sizes
        self.fixed_grid = grid
        self.num_tokens = math.prod(grid)


def patches_of(tokenizer: PatchTokenizer, batch: Tensor) -> Tensor:
    """The values of each token's patch (B, N, P), in token order; `batch` is the tokenizer's input.

    Within a patch the channel runs fastest, then the last axis: (row, column, channel) of an image, (frame, row,
    column, channel) of a clip, (frame, mel bin) of a spectrogram, as in MAE and its descendants.
    """
    grid, patch = tokenizer.grid, tokenizer.patch
    axes = len(grid)
    batch = batch if batch.ndim == axes + 2 else batch[:, None]
    sides = [size for pair in zip(grid, patch, strict=True) for size in pair]
    split = batch.reshape(len(batch), tokenizer.channels, *sides)
    places, offsets = [2 + 2 * axis for axis in range(axes)], [3 + 2 * axis for axis in range(axes)]
    return split.permute(0, *places, *offsets, 1).flatten(1 + axes).flatten(1, axes)


def from_patches(tokenizer: PatchTokenizer, patches_BNP: Tensor) -> Tensor:
    """The inverse of `patches_of`: (B, channels, *sizes)."""
    grid, patch = tokenizer.grid, tokenizer.patch
    axes = len(grid)
    split = patches_BNP.reshape(len(patches_BNP), *grid, *patch, tokenizer.channels)
    order = [index for axis in range(axes) for index in (1 + axis, 1 + axes + axis)]
    return split.permute(0, 1 + 2 * axes, *order).reshape(len(patches_BNP), tokenizer.channels, *tokenizer.sizes)


def patch_grid(sizes: tuple[int, ...], patch: tuple[int, ...]) -> tuple[int, ...]:
    """Number of patches along each axis.

    Raises
    ------
    InputError
        When a size is not a multiple of its patch side.
    """
    if any(size % side for size, side in zip(sizes, patch, strict=True)):
        actual = f"{' x '.join(map(str, patch))} on an input of {' x '.join(map(str, sizes))}"
        todo = "change the patch or the input size"
        raise InputError("model.tokenizer.patch", "sides that divide the input's", actual, todo)
    return tuple(size // side for size, side in zip(sizes, patch, strict=True))


def _on_default_device(table: Tensor) -> Tensor:
    device = torch.get_default_device()
    return table if device.type == "meta" else table.to(device)
