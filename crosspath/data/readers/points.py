"""Point clouds and meshes, decoded and normalised."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data import PointData
from crosspath.data.arrays import load_array
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView, require_within
from crosspath.data.readers import meshes
from crosspath.data.readers.cloud_arrays import xyz_rows
from crosspath.data.readers.cloud_text import read_text_cloud
from crosspath.data.readers.h5_clouds import H5_SETS, open_clouds
from crosspath.data.readers.lidar import read_lidar
from crosspath.data.readers.lidar_objects import has_objects, list_objects
from crosspath.data.readers.pcd import read_pcd
from crosspath.data.readers.point_sets import PUBLISHED
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.errors import InputError
from crosspath.limits import BYTES

TEXTS = (".txt", ".xyz", ".pts")
SUFFIXES = (".npy", *TEXTS, ".pcd", ".bin", *meshes.SUFFIXES)
SHARD_MEMBERS = ("npy",)
"""Kinds of the members of a shard that hold a sample."""


class PointReader:
    """Clouds float32 (P, 3), centred on their mean and scaled into the unit sphere.

    Of a cloud with more points a random sample by a fixed seed is used; one with fewer repeats its points. Arrays and
    text are (points, columns) or (columns, points), by the rule of `cloud_arrays.py`. Coordinates that are not finite,
    and several points that are all the same, are damage.
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
        """A set in h5 files, another published set, shards, objects of lidar scans, or a user's class folders."""
        if self.section.dataset in H5_SETS:
            return H5_SETS[self.section.dataset](folder).listing()
        if self.section.dataset in PUBLISHED:
            return PUBLISHED[self.section.dataset](folder)
        if self.section.dataset == "shards":
            return list_shards(self.section, folder, SHARD_MEMBERS)
        if has_objects(folder):
            return list_objects(folder)
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
                    return self._normalise(xyz_rows(load_array(BytesIO(read_member(item)))))
                if item.path not in arrays:
                    arrays[item.path] = open_clouds(item.path, stack)
                try:
                    points = np.asarray(arrays[item.path][item.inside])
                except Exception as error:  # h5py raises many types on damaged files
                    reason = f"it cannot be read ({error})".replace("\n", " ")
                    raise DamageError(f"row {item.inside}: {reason}") from None
                try:
                    return self._normalise(xyz_rows(points))
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
        require_within(BYTES, path.stat().st_size)
        suffix = path.suffix.lower()
        if suffix in meshes.SUFFIXES:
            return self._normalise(meshes.read_mesh(path, self.points))
        if suffix == ".pcd":
            return self._normalise(read_pcd(path))
        if suffix == ".bin":
            return self._normalise(read_lidar(path))
        return self._normalise(read_text_cloud(path) if suffix in TEXTS else xyz_rows(load_array(path)))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """An array (P, C) or (C, P) of points with x, y, z first."""
        return self._normalise(xyz_rows(np.asarray(value)))

    def _normalise(self, points: NDArray[Any]) -> NDArray[Any]:
        # In double precision, since the coordinates of a survey lie far from the origin.
        points = points.astype(np.float64)
        if not len(points):
            raise DamageError(f"it has no points (shape {points.shape})")
        if not np.isfinite(points).all():
            raise DamageError("it has coordinates that are not finite")
        if len(points) > 1 and (points == points[0]).all():
            raise DamageError(f"its {len(points)} points are all the same")
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
        return np.random.default_rng(meshes.SAMPLING_SEED).permutation(count)[:size]
    return np.arange(size) % count
