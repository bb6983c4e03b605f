"""Boxes of a picture as rows of numbers: the labels of detection, float32 (N, M, 9), unused rows NaN.

A row begins with (x0, y0, x1, y1, class), in pixels of the sample. After them come whether it is a crowd, its area in
pixels of the picture, and that picture's width and height. A picture without boxes has one row, with its size alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CORNERS = slice(0, 4)
CLASS, CROWD, AREA, WIDTH, HEIGHT = 4, 5, 6, 7, 8
COLUMNS = 9

Rows = tuple[tuple[float, ...], ...]
"""The boxes of one picture."""


@dataclass(frozen=True)
class Fit:
    """A picture as a square of `size`: its long side is resized to that, and the rest filled on the right or below."""

    width: int
    height: int
    size: int

    @property
    def inside(self) -> tuple[int, int]:
        """Width and height of the picture in the square."""
        factor = self.size / max(self.width, self.height)
        return max(1, round(self.width * factor)), max(1, round(self.height * factor))

    @property
    def factors(self) -> tuple[float, float]:
        """Pixels of the square for one of the picture, across and down."""
        across, down = self.inside
        return across / self.width, down / self.height


def factors_of(sides_N2: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """`Fit.factors` of pictures by their width and height (N, 4), for both corners."""
    different, places = np.unique(sides_N2.reshape(-1, 2), axis=0, return_inverse=True)
    factors = [Fit(width, height, size).factors * 2 for width, height in different.tolist()]
    return np.array(factors).reshape(-1, 4)[places.reshape(-1)]


def in_pictures(
    corners_N4: NDArray[np.float64], sides_N2: NDArray[np.int64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Corners in pixels of the square of `size` as those in pixels of pictures by their width and height; what reaches
    into the filled part is cut off. And whether anything is left of each box.
    """
    cut_N4 = np.clip(corners_N4 / factors_of(sides_N2, size), 0, np.tile(sides_N2, 2))
    left_N2 = cut_N4[:, 2:] > cut_N4[:, :2]
    return cut_N4, left_N2[:, 0] & left_N2[:, 1]


def empty_rows(width: int, height: int) -> Rows:
    """Of a picture without boxes."""
    return ((*(math.nan,) * WIDTH, float(width), float(height)),)


def box_array(rows_of_pictures: Sequence[Sequence[Sequence[float]]]) -> NDArray[np.float32]:
    """Rows of all pictures as one array (N, M, 9), padded with NaN."""
    most = max(map(len, rows_of_pictures), default=1)
    boxes_NM9 = np.full((len(rows_of_pictures), max(most, 1), COLUMNS), np.nan, np.float32)
    for picture, rows in enumerate(rows_of_pictures):
        if rows:
            boxes_NM9[picture, : len(rows)] = np.array(rows, np.float32)
    return boxes_NM9


def size_in(rows: Sequence[Sequence[float]]) -> tuple[int, int]:
    """Width and height of the picture as its rows have them."""
    return int(rows[0][WIDTH]), int(rows[0][HEIGHT])
