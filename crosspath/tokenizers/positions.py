"""Fixed sine-cosine positions and the resizing of learned ones, for token grids of two or three axes.

Fixed tables are computed in float64 on the CPU and then cast, whatever the default device: every machine gets the same
values, also for models on the meta device. N tokens, D width; grids are flattened row by row.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from crosspath.errors import InputError


def sincos_1d(length: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The sinusoid over a flattened index (N, D), as in VideoMAE (arXiv 2203.12602) and the original Transformer.

    Channel j of position p has the angle `p / 10000 ** (2 * (j // 2) / D)`; even channels are its sine, odd ones its
    cosine.
    """
    index_N1 = torch.arange(length, dtype=torch.float64, device="cpu")[:, None]
    channel_D = torch.arange(width, dtype=torch.float64, device="cpu")
    angles_ND = index_N1 * 10000.0 ** (-2.0 * (channel_D // 2) / width)
    return torch.where(channel_D % 2 == 0, angles_ND.sin(), angles_ND.cos()).to(dtype)


def sincos_2d(rows: int, columns: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The sinusoid over a grid (rows * columns, D), as in MAE (arXiv 2111.06377).

    The first half of the channels encodes the column, the second half the row. Each half is `[sin(p w), cos(p w)]`
    with `w_k = 10000 ** (-k / (D / 4))` for `k = 0 .. D / 4 - 1`.

    Raises
    ------
    InputError
        When `width` is not a multiple of 4.
    """
    if width % 4:
        raise InputError("width", "a multiple of 4 for two-axis sine-cosine positions", str(width), "choose another")
    quarter = width // 4
    frequencies = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64, device="cpu") / quarter)
    row_angles = torch.arange(rows, dtype=torch.float64, device="cpu")[:, None] * frequencies
    column_angles = torch.arange(columns, dtype=torch.float64, device="cpu")[:, None] * frequencies
    column_half = torch.cat([column_angles.sin(), column_angles.cos()], dim=1)
    row_half = torch.cat([row_angles.sin(), row_angles.cos()], dim=1)
    grid = torch.cat(
        [
            column_half[None, :, :].expand(rows, columns, 2 * quarter),
            row_half[:, None, :].expand(rows, columns, 2 * quarter),
        ],
        dim=2,
    )
    return grid.reshape(rows * columns, width).to(dtype)


def resize_positions_1d(positions_1ND: Tensor, length: int) -> Tensor:
    """Positions (1, N, D) to (1, length, D), linear, corners not aligned; unchanged for the same length."""
    if positions_1ND.shape[1] == length:
        return positions_1ND
    work_1DN = _at_least_float32(positions_1ND).transpose(1, 2)
    resized_1DN = functional.interpolate(work_1DN, size=length, mode="linear", align_corners=False)
    return resized_1DN.transpose(1, 2).contiguous().to(positions_1ND.dtype)


def resize_positions_2d(
    positions_1ND: Tensor, old: tuple[int, int], new: tuple[int, int], *, antialias: bool = False
) -> Tensor:
    """Positions of an `old` (rows, columns) grid to a `new` one, bicubic without aligned corners, as MAE does.

    `antialias` smooths them where there are fewer, as timm does. The row of a class token must be removed before and
    added after. Returns the input if the grid is the same.

    Raises
    ------
    InputError
        When N is not `old[0] * old[1]`.
    """
    _check_grid(positions_1ND, old)
    if old == new:
        return positions_1ND
    work_1DN = _at_least_float32(positions_1ND).transpose(1, 2)
    work_1DRC = work_1DN.reshape(*work_1DN.shape[:2], *old)
    resized_1DRC = functional.interpolate(work_1DRC, size=new, mode="bicubic", align_corners=False, antialias=antialias)
    return resized_1DRC.flatten(2).transpose(1, 2).contiguous().to(positions_1ND.dtype)


def fixed_positions(grid: tuple[int, ...], width: int) -> Tensor:
    """The published fixed table (1, N, D) of a grid: rows and columns as in MAE, or the flattened index of a
    (frames, rows, columns) grid as in VideoMAE."""
    if len(grid) == 2:
        return sincos_2d(grid[0], grid[1], width)[None]
    return sincos_1d(math.prod(grid), width)[None]


def resize_positions(positions_1ND: Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """Positions (1, N, D) of an `old` grid to a `new` one with as many axes.

    Two axes: bicubic. Three axes (frames, rows, columns), as VideoMAE V2 does: bicubic within each frame, then linear
    over frames.
    """
    _check_grid(positions_1ND, old)
    if len(old) == 2:
        return resize_positions_2d(positions_1ND, (old[0], old[1]), (new[0], new[1]))
    width = positions_1ND.shape[2]
    frames_FND = positions_1ND.reshape(old[0], old[1] * old[2], width)
    frames_FND = resize_positions_2d(frames_FND, (old[1], old[2]), (new[1], new[2]))
    over_time = frames_FND.reshape(1, old[0], new[1] * new[2] * width)
    return resize_positions_1d(over_time, new[0]).reshape(1, math.prod(new), width)


def _check_grid(positions_1ND: Tensor, grid: tuple[int, ...]) -> None:
    if positions_1ND.shape[1] != math.prod(grid):
        expected = f"{math.prod(grid)} of a {' x '.join(map(str, grid))} grid"
        raise InputError("positions", expected, str(positions_1ND.shape[1]), "remove class-token rows first")


def _at_least_float32(positions_1ND: Tensor) -> Tensor:
    return positions_1ND.to(torch.promote_types(positions_1ND.dtype, torch.float32))
