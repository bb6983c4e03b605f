"""Generated pictures with masks: patches of texture on a plain ground, for segmentation without files.

Colours say nothing about the class, which is that of the texture; pictures have unequal sizes, as photographs have. A
picture is a function of (seed, number), so a larger set contains the smaller one.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crosspath.data.annotations import NOT_LABELLED

CLASSES = ("ground", "stripes", "checks", "dots", "grain")
SIDES = (40, 64)
"""Pixels of a picture's sides, at least and at most."""
PATCHES = (2, 4)
PATCH_SIDES = (14, 30)
NOISE = 6.0
"""Standard deviation of the noise on all levels."""


def scene(number: int, seed: int) -> NDArray[np.uint8]:
    """One picture with its mask, uint8 (4, H, W). The rim of a patch, one pixel wide, is not labelled."""
    rng = np.random.default_rng((0x5CE2E, seed, number))
    height, width = (int(side) for side in rng.integers(SIDES[0], SIDES[1] + 1, 2))
    rows, columns = np.mgrid[:height, :width]
    slope = rng.uniform(-1, 1, 2) @ np.stack([rows / height, columns / width]).reshape(2, -1)
    first, second = rng.uniform(40, 215, (2, 3))
    levels_HW3 = first + (0.5 + 0.25 * slope.reshape(height, width, 1)) * (second - first)
    classes_HW = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(PATCHES[0], PATCHES[1] + 1))):
        label = int(rng.integers(1, len(CLASSES)))
        inside, core = _shape(rows, columns, rng)
        dark = rng.uniform(10, 120, 3)
        light = dark + rng.uniform(70, 125, 3)
        share_HW = _texture(CLASSES[label], rows, columns, rng)
        levels_HW3[inside] = (dark + share_HW[..., None] * (light - dark))[inside]
        classes_HW[inside] = NOT_LABELLED
        classes_HW[core] = label
    levels_HW3 = levels_HW3 + rng.normal(0, NOISE, levels_HW3.shape)
    picture_HW4 = np.concatenate([np.rint(levels_HW3).clip(0, 255), classes_HW[..., None]], axis=2)
    return picture_HW4.astype(np.uint8).transpose(2, 0, 1)


def _shape(
    rows: NDArray[np.int64], columns: NDArray[np.int64], rng: Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The pixels of an ellipse or a rectangle, and those of them that are not its rim."""
    half_height, half_width = rng.integers(PATCH_SIDES[0], PATCH_SIDES[1] + 1, 2) / 2
    down = np.abs(rows - rng.uniform(half_height, rows.shape[0] - half_height))
    across = np.abs(columns - rng.uniform(half_width, rows.shape[1] - half_width))
    if rng.random() < 0.5:
        return (down <= half_height) & (across <= half_width), (down <= half_height - 1) & (across <= half_width - 1)
    inside, core = ((down / (half_height - rim)) ** 2 + (across / (half_width - rim)) ** 2 <= 1 for rim in (0.0, 1.0))
    return inside, core


def _texture(name: str, rows: NDArray[np.int64], columns: NDArray[np.int64], rng: Generator) -> NDArray[np.floating]:
    """The share of the lighter colour in each pixel."""
    period, shift = int(rng.integers(2, 4)), rng.integers(0, 6, 2)
    rows, columns = (rows + shift[0]) // period, (columns + shift[1]) // period
    if name == "stripes":
        return np.asarray((rows if rng.random() < 0.5 else columns) % 2, float)
    if name == "checks":
        return np.asarray((rows + columns) % 2, float)
    if name == "dots":
        return np.asarray((rows % 2 == 0) & (columns % 2 == 0), float)
    grain: NDArray[np.floating] = rng.random(rows.shape)
    return grain
