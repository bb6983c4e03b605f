"""Points drawn evenly from the surfaces of ten solids with random proportions (for `synthetic.py`).

Most are surfaces of revolution about z, given by a profile of (radius, height) corners, or meshes of triangles.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Callable[[int, Generator], Floats]
"""Draws that many points of a surface, (P, 3)."""
NOISE_STD = 0.02
ARC = 33
"""Corners that approximate a curved profile."""


def solid(kind: Kind, points: int, rng: Generator) -> Floats:
    """A cloud (P, 3): stretched, rotated about z, noisy, centred on its mean, scaled into the unit sphere."""
    cloud_P3 = kind(points, rng)
    cloud_P3 = cloud_P3 / np.linalg.norm(cloud_P3, axis=1).max() * rng.uniform(0.8, 1.25, 3)
    cosine, sine = np.cos(angle := rng.uniform(0.0, 2.0 * np.pi)), np.sin(angle)
    cloud_P3 = cloud_P3 @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    cloud_P3 = cloud_P3 + NOISE_STD * rng.standard_normal(cloud_P3.shape)
    cloud_P3 = cloud_P3 - cloud_P3.mean(0)
    centred: Floats = cloud_P3 / np.linalg.norm(cloud_P3, axis=1).max()
    return centred


def sample_revolution(profile_C2: Floats, points: int, rng: Generator) -> Floats:
    """Points (P, 3) drawn evenly from the surface of revolution of a (radius, height) profile about z."""
    (radius_1, height_1), (radius_2, height_2) = profile_C2[:-1].T, profile_C2[1:].T
    areas = (radius_1 + radius_2) * np.hypot(radius_2 - radius_1, height_2 - height_1)
    pieces = rng.choice(len(areas), points, p=areas / areas.sum())
    start, end = radius_1[pieces], radius_2[pieces]
    # The area up to a radius grows with its square.
    radius = np.sqrt(start**2 + (end**2 - start**2) * (even := rng.random(points)))
    level = np.isclose(start, end)
    along = np.where(level, even, (radius - start) / np.where(level, 1.0, end - start))
    height = height_1[pieces] + along * (height_2 - height_1)[pieces]
    angle = rng.uniform(0.0, 2.0 * np.pi, points)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def sample_mesh(vertices_V3: Floats, faces: list[tuple[int, int, int]], points: int, rng: Generator) -> Floats:
    """Points (P, 3) drawn evenly from a triangle mesh."""
    corners_F33 = vertices_V3[np.array(faces)]
    sides_F23 = corners_F33[:, 1:] - corners_F33[:, :1]
    areas = np.linalg.norm(np.cross(sides_F23[:, 0], sides_F23[:, 1]), axis=1)
    pieces = rng.choice(len(areas), points, p=areas / areas.sum())
    places_P2 = rng.random((points, 2))
    places_P2 = np.where(places_P2.sum(1, keepdims=True) > 1.0, 1.0 - places_P2, places_P2)
    points_P3: Floats = corners_F33[pieces, 0] + np.einsum("ps,psc->pc", places_P2, sides_F23[pieces])
    return points_P3


def _arc(first: float, last: float) -> tuple[Floats, Floats]:
    angles = np.linspace(first, last, ARC)
    return np.cos(angles), np.sin(angles)


def _sphere(points: int, rng: Generator) -> Floats:
    radius, height = _arc(-np.pi / 2, np.pi / 2)
    return sample_revolution(np.stack([radius, height], 1), points, rng)


def _capsule(points: int, rng: Generator) -> Floats:
    radius, height = _arc(-np.pi / 2, np.pi / 2)
    half = rng.uniform(1.0, 2.0)
    return sample_revolution(np.stack([radius, height + half * np.sign(height)], 1), points, rng)


def _cylinder(points: int, rng: Generator) -> Floats:
    half = rng.uniform(0.7, 2.0)
    return sample_revolution(np.array([[0.0, -half], [1.0, -half], [1.0, half], [0.0, half]]), points, rng)


def _cone(points: int, rng: Generator) -> Floats:
    half = rng.uniform(0.7, 1.5)
    return sample_revolution(np.array([[0.0, -half], [1.0, -half], [0.0, half]]), points, rng)


def _hourglass(points: int, rng: Generator) -> Floats:
    half, waist = rng.uniform(0.8, 1.5), rng.uniform(0.0, 0.3)
    return sample_revolution(
        np.array([[0.0, -half], [1.0, -half], [waist, 0.0], [1.0, half], [0.0, half]]), points, rng
    )


def _torus(points: int, rng: Generator) -> Floats:
    radius, height = _arc(0.0, 2.0 * np.pi)
    thickness = rng.uniform(0.2, 0.5)
    return sample_revolution(np.stack([1.0 + thickness * radius, thickness * height], 1), points, rng)


def _cube(points: int, rng: Generator) -> Floats:
    return sample_mesh(*_prism(4, 1.0, np.sqrt(0.5)), points, rng)


def _triangular_prism(points: int, rng: Generator) -> Floats:
    return sample_mesh(*_prism(3, 1.0, rng.uniform(0.7, 1.5)), points, rng)


def _pyramid(points: int, rng: Generator) -> Floats:
    return sample_mesh(*_prism(4, 0.0, rng.uniform(0.6, 1.2)), points, rng)


def _prism(sides: int, top: float, half: float) -> tuple[Floats, list[tuple[int, int, int]]]:
    """A regular polygon of radius 1 below, one of radius `top` above, walls between them."""
    angles = 2.0 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], 1)
    up = np.array([0.0, 0.0, half])
    vertices = np.concatenate([ring - up, top * ring + up])
    faces = [(0, side, side + 1) for side in range(1, sides - 1)]
    faces += [(sides, sides + side, sides + side + 1) for side in range(1, sides - 1)]
    for side in range(sides):
        following = (side + 1) % sides
        faces += [(side, following, sides + side), (following, sides + following, sides + side)]
    return vertices, faces


def _helix(points: int, rng: Generator) -> Floats:
    """A thin tube wound about z, so thin that uniform draws along and around it are nearly uniform on its surface."""
    turns, thickness = rng.uniform(1.5, 3.5), rng.uniform(0.08, 0.16)
    along = rng.random(points)
    angle, around = 2.0 * np.pi * turns * along, rng.uniform(0.0, 2.0 * np.pi, points)
    radius = 1.0 + thickness * np.cos(around)
    height = rng.uniform(1.5, 3.0) * (along - 0.5) + thickness * np.sin(around)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], 1)


SOLIDS: dict[str, Kind] = {
    "sphere": _sphere,
    "capsule": _capsule,
    "cylinder": _cylinder,
    "cone": _cone,
    "hourglass": _hourglass,
    "torus": _torus,
    "cube": _cube,
    "triangular_prism": _triangular_prism,
    "pyramid": _pyramid,
    "helix": _helix,
}
