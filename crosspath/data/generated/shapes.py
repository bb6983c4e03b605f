"""Generated pictures with boxes: discs, squares and triangles on a coloured ground, all with noise."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crosspath.data.boxes import Rows, empty_rows

SHAPES = ("disc", "square", "triangle")
MOST = 3
"""Shapes in a picture."""
EMPTY = 0.05
"""The share of pictures without any."""
SIDES = (0.2, 0.42)
"""Of a shape, as shares of the picture's."""
STREAM = int.from_bytes(b"shapes", "little")
CONTRAST = 60
"""Levels between a shape and its ground, at least, in each channel."""


def synthetic_shapes(count: int, size: int, seed: int) -> tuple[NDArray[np.uint8], list[Rows]]:
    """Pictures uint8 (N, 3, S, S) and the boxes of each, the smallest around its pixels. A picture is a function of
    (seed, its number).
    """
    scenes = [_scene(size, np.random.default_rng((STREAM, seed, number))) for number in range(count)]
    return np.stack([picture for picture, _ in scenes]), [rows for _, rows in scenes]


def _scene(size: int, rng: Generator) -> tuple[NDArray[np.uint8], Rows]:
    ground_3 = rng.uniform(0, 255, 3)
    levels_3SS = np.repeat(ground_3, size * size).reshape(3, size, size)
    free_SS = np.ones((size, size), bool)
    rows = []
    for _ in range(0 if rng.random() < EMPTY else int(rng.integers(1, MOST + 1))):
        kind, side = int(rng.integers(len(SHAPES))), rng.uniform(*SIDES) * size
        left, top = rng.uniform(0, size - side, 2)
        mask_SS = _mask(SHAPES[kind], size, left, top, side)
        around_SS = _mask("square", size, left - 1, top - 1, side + 2)
        if not free_SS[around_SS].all():
            continue
        colour_3 = (ground_3 + rng.uniform(CONTRAST, 255 - CONTRAST, 3)) % 255
        free_SS &= ~around_SS
        levels_3SS[:, mask_SS] = colour_3[:, None]
        down, across = (np.flatnonzero(mask_SS.any(axis=axis)) for axis in (1, 0))
        box = (float(across[0]), float(down[0]), float(across[-1] + 1), float(down[-1] + 1))
        area = float((box[2] - box[0]) * (box[3] - box[1]))
        rows.append((*box, float(kind), 0.0, area, float(size), float(size)))
    levels_3SS += rng.normal(0, 12, levels_3SS.shape)
    return levels_3SS.clip(0, 255).astype(np.uint8), tuple(rows) or empty_rows(size, size)


def _mask(shape: str, size: int, left: float, top: float, side: float) -> NDArray[np.bool_]:
    """Pixels whose middle lies in a shape that fills its square."""
    middle_S = np.arange(size) + 0.5
    across_S, down_S = (middle_S - left) / side, (middle_S - top) / side
    inside_SS = ((down_S >= 0) & (down_S <= 1))[:, None] & ((across_S >= 0) & (across_S <= 1))[None]
    if shape == "disc":
        return ((down_S - 0.5) ** 2)[:, None] + ((across_S - 0.5) ** 2)[None] <= 0.25
    if shape == "triangle":
        narrow_SS: NDArray[np.bool_] = np.abs(across_S - 0.5)[None] * 2 <= down_S[:, None]
        return inside_SS & narrow_SS
    return inside_SS
