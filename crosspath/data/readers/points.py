"""Point clouds and meshes, decoded and normalised."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import PointData
from crosspath.config.training import Augment
from crosspath.data.arrays import load_array
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView
from crosspath.data.readers.h5_clouds import H5_SETS
from crosspath.data.readers.pcd import read_pcd
from crosspath.data.readers.point_sets import PUBLISHED
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.errors import InputError

CLOUDS = (".npy", ".txt", ".xyz", ".pts", ".pcd")
MESHES = (".off", ".ply", ".obj", ".stl")
SUFFIXES = CLOUDS + MESHES
SHARD_MEMBERS = ("npy",)
"""Kinds of the members of a shard that hold a sample."""
NUMBERS = tuple("+-.0123456789")
"""First characters of a text file without a heading."""
SAMPLING_SEED = 0
"""Of the points drawn from a mesh or from a larger cloud: the same on every machine."""


class PointReader:
    """Clouds float32 (P, 3), centred on their mean and scaled into the unit sphere.

    Of a cloud with more points a random sample by a fixed seed is used; one with fewer repeats its points.
    """

    def __init__(self, section: PointData) -> None:
        self.section = section
        self.points = section.stored_points or section.points
        if self.points < section.points:
            expected, todo = f"at least the {section.points} of data.points", "raise it or lower data.points"
            raise InputError("data.stored_points", expected, str(self.points), todo)
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((self.points, 3), np.dtype(np.float32))
        self.settings: dict[str, Any] = {"points": self.points}
        if not section.normalise:
            self.settings["normalise"] = False

    def sources(self, folder: Path) -> list[list[str]] | None:
        """The lists and files of sets in h5 files, so that their cache works without h5py."""
        h5_set = H5_SETS.get(self.section.dataset)
        return None if h5_set is None else h5_set(folder).sources()

    def listing(self, folder: Path) -> Listing:
        """A set in h5 files, another published set, shards, or a user's class folders."""
        if self.section.dataset in H5_SETS:
            return H5_SETS[self.section.dataset](folder).listing()
        if self.section.dataset in PUBLISHED:
            return PUBLISHED[self.section.dataset](folder)
        if self.section.dataset == "shards":
            return list_shards(self.section, folder, SHARD_MEMBERS)
        return class_folder_items(folder, SUFFIXES, "point clouds or meshes")

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each h5 file open."""
        with ExitStack() as stack:
            arrays: dict[Path, Any] = {}

            def decode(item: Item) -> NDArray[Any]:
                if item.inside is None:
                    return self.decode_file(item.path)
                if isinstance(item.inside, tuple):
                    return self._normalise(load_array(BytesIO(read_member(item))))
                import h5py

                if item.path not in arrays:
                    arrays[item.path] = stack.enter_context(h5py.File(item.path, "r"))["data"]
                try:
                    points = np.asarray(arrays[item.path][item.inside])
                except OSError as error:
                    raise DamageError(f"row {item.inside}: it cannot be read ({error})") from None
                try:
                    return self._normalise(points)
                except DamageError as damage:
                    raise DamageError(f"row {item.inside}: {damage}") from None

            yield decode

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """As `open_decoder`; clouds are augmented in batches."""
        with self.open_decoder() as decode:
            yield lambda item, sample: (decode(item), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """The points (P, 3) of one cloud or mesh."""
        if path.suffix.lower() in MESHES:
            return self._normalise(_from_mesh(path, self.points))
        return self._normalise(_from_cloud(path))

    def _normalise(self, points: NDArray[Any]) -> NDArray[Any]:
        if points.dtype.kind not in "fiu":
            raise DamageError(f"expected numbers, found {points.dtype}")
        # In double precision, since the coordinates of a survey lie far from the origin.
        points = points.astype(np.float64)
        if points.ndim != 2 or points.shape[1] < 3 or not len(points):
            raise DamageError(f"expected rows of x y z, found an array of shape {points.shape}")
        points = points[:, :3]
        if not np.isfinite(points).all():
            raise DamageError("it has coordinates that are not finite")
        if len(points) != self.points:
            points = points[sample_rows(len(points), self.points)]
        if not self.section.normalise:
            return points.astype(np.float32)
        points = points - points.mean(0)
        radius = np.linalg.norm(points, axis=1).max()
        return (points / radius if radius > 0 else points).astype(np.float32)


def sample_rows(count: int, size: int) -> NDArray[np.int64]:
    """Indices (size,) of the points used of a cloud with `count`: drawn by a fixed seed, or repeated if too few."""
    if count > size:
        return np.random.default_rng(SAMPLING_SEED).permutation(count)[:size]
    return np.arange(size) % count


def _from_cloud(path: Path) -> NDArray[Any]:
    """A .npy array, a .pcd, or a text file with a point on each row: x y z and more, separated by blanks or commas."""
    if path.suffix.lower() == ".npy":
        return load_array(path)
    if path.suffix.lower() == ".pcd":
        return read_pcd(path)
    text = path.read_text(encoding="utf-8", errors="replace").replace(",", " ")
    if text[:1] in NUMBERS:
        try:
            # Ten times faster than the loop below, which can report the faulty row.
            points = np.loadtxt(StringIO(text), usecols=(0, 1, 2), ndmin=2)
            if np.isfinite(points).all():
                return points
        except ValueError:
            pass
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        values = line.split()
        if not values or values[0].startswith("#"):
            continue
        if not rows and len(values) == 1 and values[0].isdecimal():  # some writers begin with the number of points
            continue
        try:
            rows.append([float(value) for value in values[:3]])
        except ValueError:
            raise DamageError(f"row {number}: expected numbers, found {line.strip()[:40]!r}") from None
        if not np.isfinite(rows[-1]).all():
            raise DamageError(f"row {number}: not finite: {line.strip()[:40]!r}")
        if len(rows[-1]) < 3:
            raise DamageError(f"row {number}: expected x y z, found {line.strip()[:40]!r}")
    if not rows:
        raise DamageError("it has no points")
    return np.array(rows)


def _from_mesh(path: Path, count: int) -> NDArray[Any]:
    """Points drawn evenly from the surface, or the vertices of a file without faces."""
    import trimesh

    try:
        scene = trimesh.load(path, process=False)
        shape = scene.to_geometry() if isinstance(scene, trimesh.Scene) else scene
        faces = getattr(shape, "faces", None)
        if faces is None or len(faces) == 0:
            return np.asarray(getattr(shape, "vertices", ()), np.float64)
        points, _ = trimesh.sample.sample_surface(shape, count, seed=SAMPLING_SEED)
    except Exception as error:  # trimesh's loaders raise many types on damaged files
        raise DamageError(f"the mesh cannot be read ({error})".replace("\n", " ")) from None
    return np.asarray(points)
