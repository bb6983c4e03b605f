"""Coloured points from two sides, drawn without perspective."""

import numpy as np
from numpy.typing import NDArray

from crosspath.pictures.palette import Colours

VIEWS = {"front": 20.0, "side": 110.0}
"""The turn of each view around the upright axis, in degrees: a quarter of a circle between them."""
ELEVATION = 20.0
"""Degrees above the horizon."""
PAPER = 255
FAR = 0.55
"""Light of the farthest point, as a share of that of the nearest: depth shows."""


def cloud_view(
    points_P3: NDArray[np.floating],
    colours_P3: Colours,
    turn: float,
    *,
    size: int = 200,
    up: int = 2,
    frame: NDArray[np.floating] | None = None,
) -> NDArray[np.uint8]:
    """The points as a picture (size, size, 3), near ones over far ones, turned by `turn` degrees.

    `up` is the axis that points upwards. `frame` (F, 3) are the points that fill the picture, so that pictures of one
    object have one scale; these points when not given. Points that are not finite are left out.
    """
    frame_F3 = points_P3 if frame is None else frame
    frame_F3 = frame_F3[np.isfinite(frame_F3).all(axis=1)]
    finite = np.isfinite(points_P3).all(axis=1)
    picture = np.full((size, size, 3), PAPER, np.uint8)
    if not len(frame_F3) or not finite.any():
        return picture
    middle = (frame_F3.min(axis=0) + frame_F3.max(axis=0)) / 2
    reach = float(np.linalg.norm(frame_F3 - middle, axis=1).max()) or 1.0
    across_P, up_P, near_P = _turn_points((points_P3[finite] - middle) / reach, turn, up)
    order = np.argsort(near_P, kind="stable")
    radius = max(1, size // 90)
    half = size / 2 - radius - 1
    columns = np.rint(size / 2 - 0.5 + half * across_P[order]).astype(int)
    rows = np.rint(size / 2 - 0.5 - half * up_P[order]).astype(int)
    light = FAR + (1 - FAR) * (near_P[order].clip(-1, 1) + 1) / 2
    shades = np.rint(colours_P3[finite][order] * light[:, None]).astype(np.uint8)
    steps = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    disc = np.array([step for step in steps if step[0] ** 2 + step[1] ** 2 <= radius**2 + 1])
    # One write a point and pixel of its disc, from far to near: the last one stays.
    places = (rows[:, None] + disc[:, 0]).clip(0, size - 1), (columns[:, None] + disc[:, 1]).clip(0, size - 1)
    picture[places] = shades[:, None]
    return picture


def _turn_points(points_P3: NDArray[np.floating], turn: float, up: int) -> tuple[NDArray[np.floating], ...]:
    """(rightwards, upwards, towards the viewer) of points in a right-handed frame whose axis `up` is upright."""
    first, second = (up + 1) % 3, (up + 2) % 3
    x, y, z = points_P3[:, first], points_P3[:, second], points_P3[:, up]
    angle, tilt = np.radians(turn), np.radians(ELEVATION)
    right = x * np.cos(angle) + y * np.sin(angle)
    away = y * np.cos(angle) - x * np.sin(angle)
    return right, z * np.cos(tilt) + away * np.sin(tilt), z * np.sin(tilt) - away * np.cos(tilt)
