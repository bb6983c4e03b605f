"""Colour images of shapes and textures, and clips of one moving blob, with random parameters (for `synthetic.py`).

A figure is a function of coordinates in its own frame to the opacity of the foreground, in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Figure = Callable[[Floats, Floats], Floats]
"""Coordinates x and y, in units of the figure's size, to opacity."""
NOISE_STD = 12.0


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Motion of a figure through a clip: shifts along x and y, total angle, and change of size."""

    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0
    growth: float = 0.0


def picture(kind: Figure, size: int, rng: Generator) -> NDArray[np.uint8]:
    """One image uint8 (3, S, S): the figure at a random place, angle and size, in two colours, with noise."""
    x_SS, y_SS = _grid(size)
    centre = rng.uniform(-0.3, 0.3, 2)
    own = _rotate(x_SS - centre[0], y_SS - centre[1], rng.uniform(0.0, 2.0 * np.pi))
    scale = rng.uniform(0.45, 0.7)
    return _colour(kind(own[0] / scale, own[1] / scale)[None], rng)[:, 0]


def clip(kind: Motion, frames: int, size: int, rng: Generator) -> NDArray[np.uint8]:
    """One clip uint8 (3, T, S, S): a blob with a tail, in two colours, with noise; place, size, speed, heading vary."""
    time = np.linspace(-0.5, 0.5, frames)[:, None, None]
    speed, heading, scale = rng.uniform(0.5, 0.9), rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.3, 0.5)
    centre = rng.uniform(-0.25, 0.25, 2)
    x_SS, y_SS = _grid(size)
    x_TSS, y_TSS = x_SS - centre[0] - kind.x * speed * time, y_SS - centre[1] - kind.y * speed * time
    x_TSS, y_TSS = _rotate(x_TSS, y_TSS, heading + kind.turn * speed * time)
    scale_T = scale * 2.0 ** (kind.growth * speed * time)
    return _colour(_blob_with_tail(x_TSS / scale_T, y_TSS / scale_T), rng)


def _grid(size: int) -> tuple[Floats, Floats]:
    """x to the right and y downward, both in [-1, 1]."""
    places = (np.arange(size) + 0.5) * 2.0 / size - 1.0
    return np.broadcast_to(places, (size, size)), np.broadcast_to(places[:, None], (size, size))


def _rotate(x: Floats, y: Floats, angle: Floats | float) -> tuple[Floats, Floats]:
    """Coordinates in the frame of a figure rotated by `angle`, clockwise on the screen."""
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def _colour(opacity_TSS: Floats, rng: Generator) -> NDArray[np.uint8]:
    """uint8 (3, T, S, S): foreground and background of contrasting colours, with independent noise in each frame."""
    background, foreground = rng.uniform(0.0, 255.0, (2, 3))
    while abs(foreground - background).sum() < 200.0:
        foreground = rng.uniform(0.0, 255.0, 3)
    colours = background[:, None, None, None] + (foreground - background)[:, None, None, None] * opacity_TSS
    noisy = colours + NOISE_STD * rng.standard_normal(colours.shape)
    pixels: NDArray[np.uint8] = noisy.round().clip(0, 255).astype(np.uint8)
    return pixels


def _disc(x: Floats, y: Floats) -> Floats:
    return np.where(np.hypot(x, y) < 0.9, 1.0, 0.0)


def _ring(x: Floats, y: Floats) -> Floats:
    return np.where(abs(np.hypot(x, y) - 0.75) < 0.2, 1.0, 0.0)


def _square(x: Floats, y: Floats) -> Floats:
    return np.where(np.maximum(abs(x), abs(y)) < 0.8, 1.0, 0.0)


def _triangle(x: Floats, y: Floats) -> Floats:
    slanted = 0.5 * y + np.sqrt(0.75) * abs(x)
    return np.where(np.maximum(-y, slanted) < 0.5, 1.0, 0.0)


def _cross(x: Floats, y: Floats) -> Floats:
    near, far = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
    return np.where((near < 0.25) & (far < 0.95), 1.0, 0.0)


def _stripes(x: Floats, y: Floats) -> Floats:
    return np.where(np.sin(2.0 * np.pi * x) > 0.0, 1.0, 0.0)


def _checks(x: Floats, y: Floats) -> Floats:
    return np.where(np.sin(2.0 * np.pi * x) * np.sin(2.0 * np.pi * y) > 0.0, 1.0, 0.0)


def _dots(x: Floats, y: Floats) -> Floats:
    return np.where(np.cos(2.5 * np.pi * x) + np.cos(2.5 * np.pi * y) > 0.9, 1.0, 0.0)


def _blob_with_tail(x: Floats, y: Floats) -> Floats:
    """Soft, and without rotational symmetry, so that a rotation is visible."""
    body = np.exp(-2.0 * (x**2 + y**2))
    tail = np.exp(-2.0 * (((x - 1.2) / 0.8) ** 2 + (y / 0.4) ** 2))
    blob: Floats = np.maximum(body, tail)
    return blob


PICTURES: dict[str, Figure] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
}

MOTIONS: dict[str, Motion] = {
    "left": Motion(x=-1.0),
    "right": Motion(x=1.0),
    "up": Motion(y=-1.0),
    "down": Motion(y=1.0),
    "clockwise": Motion(turn=0.9 * np.pi),
    "counterclockwise": Motion(turn=-0.9 * np.pi),
    "growing": Motion(growth=1.5),
    "shrinking": Motion(growth=-1.5),
}
