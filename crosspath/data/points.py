"""Point clouds: the ModelNet h5 layout, and class folders of clouds and meshes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import PointData
from crosspath.data.items import DamageError, Item, Listing, Part, class_folder_items, file_stamp, folder_below
from crosspath.errors import InputError

CLOUDS = (".npy", ".txt", ".xyz", ".pts")
MESHES = (".off", ".ply", ".obj", ".stl")
SUFFIXES = CLOUDS + MESHES
SAMPLING_SEED = 0
"""Of the points drawn from a mesh or thinned out of a large cloud: the same for everyone."""


class PointReader:
    """Clouds (P, 3), centred on their mean and scaled into the unit sphere.

    A cloud with more points than asked for is thinned at random by a fixed seed; one with fewer repeats its points.
    """

    def __init__(self, section: PointData) -> None:
        self.section = section
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((section.points, 3), np.dtype(np.float32))
        self.settings: dict[str, Any] = {"points": section.points}

    def sources(self, folder: Path) -> list[list[str]] | None:
        """ModelNet10: its lists and h5 files, so that a prepared cache is found without h5py."""
        if self.section.dataset != "modelnet10":
            return None
        root = _modelnet_folder(folder)
        names = _lines(root / "shape_names.txt", "class names, one a line")
        return [names, *([str(part), path.name, file_stamp(path)] for part, path in _h5_files(root))]

    def listing(self, folder: Path) -> Listing:
        """ModelNet10's h5 files, or a user's class folders."""
        if self.section.dataset == "modelnet10":
            return _h5_listing(_modelnet_folder(folder))
        return class_folder_items(folder, SUFFIXES, "point clouds or meshes")

    @contextmanager
    def opened(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each h5 file open."""
        with ExitStack() as stack:
            arrays: dict[Path, Any] = {}

            def decode(item: Item) -> NDArray[Any]:
                if item.inside is None:
                    return self.decode_file(item.path)
                import h5py

                if item.path not in arrays:
                    arrays[item.path] = stack.enter_context(h5py.File(item.path, "r"))["data"]
                try:
                    points = np.asarray(arrays[item.path][item.inside])
                except OSError as error:
                    raise DamageError(f"row {item.inside}: it cannot be read ({error})") from None
                try:
                    return self._normalised(points)
                except DamageError as damage:
                    raise DamageError(f"row {item.inside}: {damage}") from None

            yield decode

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One cloud or mesh."""
        if path.suffix.lower() in MESHES:
            return self._normalised(_from_mesh(path, self.section.points))
        return self._normalised(_from_cloud(path))

    def _normalised(self, points: NDArray[Any]) -> NDArray[Any]:
        if points.dtype.kind not in "fiu":
            raise DamageError(f"expected numbers, found {points.dtype}")
        # In double precision: coordinates of a survey lie far from the origin.
        points = points.astype(np.float64)
        if points.ndim != 2 or points.shape[1] < 3 or not len(points):
            raise DamageError(f"expected rows of x y z, found an array of shape {points.shape}")
        points = points[:, :3]
        if not np.isfinite(points).all():
            raise DamageError("it holds coordinates that are not finite")
        wanted = self.section.points
        if len(points) > wanted:
            points = points[np.random.default_rng(SAMPLING_SEED).permutation(len(points))[:wanted]]
        elif len(points) < wanted:
            points = np.resize(points, (wanted, 3))
        points = points - points.mean(0)
        radius = np.linalg.norm(points, axis=1).max()
        return (points / radius if radius > 0 else points).astype(np.float32)


def _from_cloud(path: Path) -> NDArray[Any]:
    """A .npy array or a text file with one point a row: x y z and more, separated by blanks or commas."""
    if path.suffix.lower() == ".npy":
        try:
            loaded = np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header raises a wide range of types
            raise DamageError(f"the array cannot be read ({error})".replace("\n", " ")) from None
        if not isinstance(loaded, np.ndarray):
            raise DamageError("expected one array, found an archive of several")
        return loaded
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        values = line.replace(",", " ").split()
        if not values or values[0].startswith("#"):
            continue
        if not rows and len(values) == 1 and values[0].isdecimal():  # some writers put the number of points first
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
        raise DamageError("it holds no points")
    return np.array(rows)


def _from_mesh(path: Path, count: int) -> NDArray[Any]:
    """Points drawn evenly from the surface; the vertices where a file has no faces."""
    import trimesh

    try:
        loaded = trimesh.load(path, process=False)
        shape = loaded.to_geometry() if isinstance(loaded, trimesh.Scene) else loaded
        faces = getattr(shape, "faces", None)
        if faces is None or len(faces) == 0:
            return np.asarray(getattr(shape, "vertices", ()), np.float64)
        points, _ = trimesh.sample.sample_surface(shape, count, seed=SAMPLING_SEED)
    except Exception as error:  # trimesh's loaders raise a wide range of types on damaged files
        raise DamageError(f"the mesh cannot be read ({error})".replace("\n", " ")) from None
    return np.asarray(points)


def _h5_listing(root: Path) -> Listing:
    """The layout of `modelnet40_ply_hdf5_2048`: lists of h5 files with `data` and `label`.

    Rows that `in_train` marks in a test file are left out: their very object is in the training part.
    """
    classes = tuple(_lines(root / "shape_names.txt", "class names, one a line"))
    items = [item for part, path in _h5_files(root) for item in _h5_items(path, part, len(classes))]
    return Listing(classes, tuple(items))


def _modelnet_folder(folder: Path) -> Path:
    return folder_below(folder, "modelnet10", "train_files.txt, test_files.txt and their h5 files")


def _h5_files(root: Path) -> list[tuple[Part, Path]]:
    """The h5 files of both parts, all of them there."""
    parts: tuple[tuple[Part, str], ...] = (("train", "train_files.txt"), ("test", "test_files.txt"))
    files = []
    for part, listed in parts:
        for name in _lines(root / listed, "names of h5 files, one a line"):
            path = root / Path(name).name
            if not path.is_file():
                raise InputError(path, "an h5 file", "none", "check the data folder")
            files.append((part, path))
    return files


def _lines(path: Path, expected: str) -> list[str]:
    if not path.is_file():
        raise InputError(path, expected, "none", "check the data folder")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _h5_items(path: Path, part: Part, classes: int) -> Iterator[Item]:
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(path, "an h5 file", f"a damaged one ({error})", "get it again") from None
    with file:
        for key in ("data", "label"):
            if key not in file:
                raise InputError(path, f"a dataset `{key}`", ", ".join(file) or "none", "get a file of this layout")
        try:
            labels = np.asarray(file["label"]).reshape(-1).astype(np.int64)
            left_out = np.asarray(file["in_train"]).astype(bool) if part == "test" and "in_train" in file else None
        except (OSError, TypeError, ValueError) as error:
            raise InputError(path, "a readable `label`", str(error), "get the file again") from None
        if len(labels) != len(file["data"]):
            raise InputError(path, f"{len(file['data'])} labels", str(len(labels)), "get the file again")
    stamp = file_stamp(path)
    for row, label in enumerate(labels.tolist()):
        if not 0 <= label < classes:
            raise InputError(f"{path} row {row}", f"a label below {classes}", str(label), "check shape_names.txt")
        if left_out is None or not left_out[row]:
            yield Item(id=f"{path.name}/{row}", label=label, part=part, path=path, inside=row, stamp=stamp)
