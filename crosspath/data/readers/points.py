"""Point clouds and meshes, decoded and normalised."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data import PointData
from crosspath.data.annotations import OUTSIDE
from crosspath.data.arrays import load_array
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView, require_within
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.readers import meshes, part_clouds, partnet
from crosspath.data.readers.cloud_arrays import xyz_rows
from crosspath.data.readers.cloud_text import read_text_cloud
from crosspath.data.readers.h5_clouds import H5_SETS, H5Set, open_clouds
from crosspath.data.readers.lidar import read_lidar
from crosspath.data.readers.lidar_objects import has_objects, list_objects
from crosspath.data.readers.own_table import own_table, with_unread
from crosspath.data.readers.pcd import read_pcd
from crosspath.data.readers.point_sets import PUBLISHED_SETS, has_part_lists, list_parts
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.tables import list_files, table_settings
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

    Annotated clouds are float32 (P, 4), the last column the part (`part_clouds.py`): all points of the file are centred
    and scaled, then come in an order drawn by a fixed seed, so that the first ones are a sample of them. No point comes
    twice: behind those of a cloud with fewer come rows that are `OUTSIDE` it, copies of the first.
    """

    def __init__(self, section: PointData) -> None:
        self.section = section
        self.points = section.stored_points or section.points
        if self.points < section.points:
            expected, todo = f"at least the {section.points} of data.points", "raise it or lower data.points"
            raise InputError("data.stored_points", expected, str(self.points), todo)
        columns = 4 if section.annotated else 3
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((self.points, columns), np.dtype(np.float32))
        self.settings: dict[str, Any] = {"points": self.points}
        if not section.normalise:
            self.settings["normalise"] = False
        if section.annotated:
            self.settings["annotated"] = True
        if section.dataset == "partnet":
            self.settings |= {"category": section.category, "level": section.level}
        self.settings |= table_settings(section) | label_settings(section)

    def sources(self, folder: Path) -> list[list[str]] | None:
        """The lists and files of sets in h5 files, so that their cache works without h5py."""
        h5_set = self._h5_set(folder)
        return None if h5_set is None else h5_set.sources()

    def _h5_set(self, folder: Path) -> H5Set | partnet.PartNet | None:
        if self.section.dataset == "partnet":
            return partnet.partnet(folder, self.section.category, self.section.level)
        h5_set = H5_SETS.get(self.section.dataset)
        return None if h5_set is None else h5_set(folder)

    def listing(self, folder: Path) -> Listing:
        """A set in h5 files, another published set, shards, objects of lidar scans, or a user's class folders or table;
        with annotations a folder in ShapeNetPart's layout as well. With `data.multi_label` labels are tuples.
        """
        if (table := own_table(folder, self.section)) is not None:
            listing = list_files(folder, table, self.section, SUFFIXES)
        else:
            listing = with_unread(self._listing(folder), self.section)
        return as_label_tuples(listing) if self.section.several_labels else listing

    def _listing(self, folder: Path) -> Listing:
        h5_set = self._h5_set(folder)
        if h5_set is not None:
            return h5_set.listing()
        if self.section.annotated:
            return self._annotated_listing(folder)
        if self.section.dataset in PUBLISHED_SETS:
            return PUBLISHED_SETS[self.section.dataset](folder)
        if self.section.dataset == "shards":
            return list_shards(self.section, folder, SHARD_MEMBERS)
        if has_objects(folder):
            return list_objects(folder)
        return class_folder_items(folder, SUFFIXES, "point clouds or meshes")

    def _annotated_listing(self, folder: Path) -> Listing:
        if self.section.dataset == "shapenetpart":
            return replace(PUBLISHED_SETS["shapenetpart"](folder), label_kind="dense")
        if self.section.dataset != "folder":
            todo = "choose shapenetpart, partnet, furniture or folder"
            raise InputError("data.dataset", "clouds with the part of each point", self.section.dataset, todo)
        if has_part_lists(folder):
            return replace(list_parts(folder), label_kind="dense")
        return replace(class_folder_items(folder, part_clouds.SUFFIXES, "clouds with parts"), label_kind="dense")

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each h5 file open."""
        with ExitStack() as stack:
            arrays: dict[Path, Any] = {}

            def decode_annotated(item: Item) -> NDArray[Any]:
                if item.inside is None:
                    return self._with_parts(part_clouds.read_part_cloud(item.path))
                assert isinstance(item.inside, int)
                if item.path not in arrays:
                    arrays[item.path] = partnet.open_rows(item.path, stack)
                try:
                    return self._with_parts(arrays[item.path](item.inside))
                except DamageError as damage:
                    raise DamageError(f"row {item.inside}: {damage}") from None

            def decode(item: Item) -> NDArray[Any]:
                if self.section.annotated:
                    return decode_annotated(item)
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
        return self._normalise(self._read(path))

    def decode_whole(self, path: Path) -> NDArray[np.float32]:
        """All points (N, 3) of one cloud in `drawn_order`, centred and scaled: as an annotated cloud is read, and none
        is left out. Raises `DamageError`.
        """
        suffix = path.suffix.lower()
        columns = suffix in part_clouds.SUFFIXES and suffix != ".ply"
        return self._whole_cloud(part_clouds.read_coordinates(path) if columns else self._read(path))

    def _read(self, path: Path) -> NDArray[Any]:
        require_within(BYTES, path.stat().st_size)
        suffix = path.suffix.lower()
        if suffix in meshes.SUFFIXES:
            return meshes.read_mesh(path, self.points)
        if suffix == ".pcd":
            return read_pcd(path)
        if suffix == ".bin":
            return read_lidar(path)
        return read_text_cloud(path) if suffix in TEXTS else xyz_rows(load_array(path))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """An array (P, C) or (C, P) of points with x, y, z first; with an annotated section as `decode_whole`."""
        points = xyz_rows(np.asarray(value))
        return self._whole_cloud(points) if self.section.annotated else self._normalise(points)

    def _whole_cloud(self, points: NDArray[Any]) -> NDArray[np.float32]:
        scaled = self._scale(_check(points))
        return scaled[drawn_order(len(scaled))].astype(np.float32)

    def _normalise(self, points: NDArray[Any]) -> NDArray[Any]:
        points = _check(points)
        if len(points) != self.points:
            points = points[sample_rows(len(points), self.points)]
        return self._scale(points).astype(np.float32)

    def _with_parts(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """The sample (P, 4) of all points (N, 4) of an annotated cloud."""
        points = np.column_stack([self._scale(_check(rows[:, :3])), rows[:, 3]])
        return drawn_points(points, self.points)

    def _scale(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.section.normalise:
            return points
        points = points - points.mean(0)
        radius = np.linalg.norm(points, axis=1).max()
        return points / radius if radius > 0 else points


def _check(points: NDArray[Any]) -> NDArray[np.float64]:
    """In double precision, since the coordinates of a survey lie far from the origin. Raises `DamageError`."""
    points = points.astype(np.float64)
    if not len(points):
        raise DamageError(f"it has no points (shape {points.shape})")
    if not np.isfinite(points).all():
        raise DamageError("it has coordinates that are not finite")
    if len(points) > 1 and (points == points[0]).all():
        raise DamageError(f"its {len(points)} points are all the same")
    return points


def drawn_points(rows: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    """`count` of the rows (N, C) in `drawn_order`; with fewer, copies of the first one behind them, whose last column
    says that they are `OUTSIDE` the cloud.
    """
    points = rows[drawn_order(len(rows))[:count]].astype(np.float32)
    padding = np.repeat(points[:1], count - len(points), axis=0)
    padding[:, -1] = OUTSIDE
    return np.concatenate([points, padding])


def drawn_order(count: int) -> NDArray[np.int64]:
    """The order, by a fixed seed, in which the points of an annotated cloud are used, each once."""
    return np.random.default_rng(meshes.SAMPLING_SEED).permutation(count)


def sample_rows(count: int, size: int) -> NDArray[np.int64]:
    """Indices (size,) of the points used of a cloud with `count`: drawn by a fixed seed, or repeated if too few."""
    if count > size:
        return drawn_order(count)[:size]
    return np.arange(size) % count
