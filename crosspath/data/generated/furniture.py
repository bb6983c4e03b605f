"""Furniture of boxes and tubes with the part of each point: a set in the form of ShapeNetPart's, without files.

Chairs (seat, back, legs), lamps (foot, pole, shade) and tables (top, legs), random in every proportion.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crosspath.data.annotations import OUTSIDE
from crosspath.data.generated.solids import Floats, sample_mesh, sample_revolution

SEED = 11
"""Of the set. Fixed: `train.seed` must never change a sample."""
SHAPES_PER_CLASS = 80
FEWEST = 0.6
"""Share of the points that a shape has at least: shapes have unequal numbers, as in ShapeNetPart."""
NOISE_STD = 0.01
FACES = [(0, 1, 3), (0, 3, 2), (4, 5, 7), (4, 7, 6), (0, 1, 5), (0, 5, 4), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4)]
FACES += [(1, 3, 7), (1, 7, 5)]
Piece = tuple[int, float, Callable[[int, Generator], Floats]]
"""(part, area, what draws points of its surface)."""


def _box(part: int, low: tuple[float, float, float], high: tuple[float, float, float]) -> Piece:
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    width, depth, height = np.subtract(high, low)
    area = 2 * (width * depth + width * height + depth * height)
    return part, float(area), lambda points, rng: sample_mesh(corners, FACES, points, rng)


def _tube(part: int, radii: tuple[float, float], low: float, high: float, x: float = 0.0, y: float = 0.0) -> Piece:
    """Open at both ends, about a vertical axis at (x, y)."""
    profile = np.array([[radii[0], low], [radii[1], high]])
    area = np.pi * (radii[0] + radii[1]) * np.hypot(radii[1] - radii[0], high - low)
    place = np.array([x, y, 0.0])
    return part, float(area), lambda points, rng: sample_revolution(profile, points, rng) + place


def _legs(part: int, width: float, depth: float, height: float, rng: Generator) -> list[Piece]:
    thickness = rng.uniform(0.03, 0.07)
    corners = [(x, y) for x in (-width, width) for y in (-depth, depth)]
    return [_tube(part, (thickness, thickness), 0.0, height, 0.85 * x, 0.85 * y) for x, y in corners]


def _chair(rng: Generator) -> list[Piece]:
    width, depth, height = rng.uniform(0.35, 0.55), rng.uniform(0.35, 0.55), rng.uniform(0.5, 0.9)
    top = height + rng.uniform(0.05, 0.12)
    seat = _box(0, (-width, -depth, height), (width, depth, top))
    back = _box(1, (-width, depth - 0.08, top), (width, depth, top + rng.uniform(0.5, 1.0)))
    return [seat, back, *_legs(2, width, depth, height, rng)]


def _lamp(rng: Generator) -> list[Piece]:
    foot, height, radius = rng.uniform(0.05, 0.12), rng.uniform(0.9, 1.6), rng.uniform(0.25, 0.5)
    thin = rng.uniform(0.02, 0.05)
    shade = _tube(2, (radius, radius * rng.uniform(0.4, 0.9)), height, height + rng.uniform(0.3, 0.6))
    return [_tube(0, (rng.uniform(0.2, 0.4), thin), 0.0, foot), _tube(1, (thin, thin), foot, height), shade]


def _table(rng: Generator) -> list[Piece]:
    width, depth, height = rng.uniform(0.5, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.9)
    top = _box(0, (-width, -depth, height), (width, depth, height + rng.uniform(0.04, 0.1)))
    return [top, *_legs(1, width, depth, height, rng)]


FURNITURE: dict[str, Callable[[Generator], list[Piece]]] = {"chair": _chair, "lamp": _lamp, "table": _table}
PARTS = {"chair": (0, 1, 2), "lamp": (3, 4, 5), "table": (6, 7)}
"""Part numbers of each category, counted on through all, as ShapeNetPart's."""


def furniture(points: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Clouds (N, P, 4) of x, y, z and part, and categories (N,): standing on z, turned about it, centred on their mean
    and scaled into the unit sphere. Behind the points of a shape with fewer come rows that are `OUTSIDE` it.
    """
    clouds = [
        _shape(make(rng := np.random.default_rng((SEED, label, number))), PARTS[name][0], points, rng)
        for label, (name, make) in enumerate(FURNITURE.items())
        for number in range(SHAPES_PER_CLASS)
    ]
    return np.stack(clouds), np.repeat(np.arange(len(FURNITURE), dtype=np.int64), SHAPES_PER_CLASS)


def _shape(pieces: list[Piece], first: int, points: int, rng: Generator) -> NDArray[np.float32]:
    count = int(rng.integers(round(FEWEST * points), points + 1))
    # The square root: thin parts have points enough to be told.
    shares = np.sqrt([area for _, area, _ in pieces])
    numbers = rng.multinomial(count, shares / shares.sum())
    clouds = [draw(number, rng) for (_, _, draw), number in zip(pieces, numbers, strict=True)]
    cloud = np.concatenate(clouds) + NOISE_STD * rng.standard_normal((count, 3))
    cosine, sine = np.cos(angle := rng.uniform(0.0, 2.0 * np.pi)), np.sin(angle)
    cloud = cloud @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    cloud = cloud - cloud.mean(0)
    parts = np.repeat([first + part for part, _, _ in pieces], numbers)
    rows = np.column_stack([cloud / np.linalg.norm(cloud, axis=1).max(), parts])[rng.permutation(count)]
    padding = np.repeat([[*rows[0, :3], OUTSIDE]], points - count, axis=0)
    return np.concatenate([rows, padding]).astype(np.float32)
