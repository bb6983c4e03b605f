"""Sets whose point clouds lie in h5 files: `data` (N, P, 3) and `label` (N,). ModelNet10 and ScanObjectNN."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.folders import folder_below
from crosspath.data.items import DamageError, Item, Listing, Part, file_stamp, require_within
from crosspath.data.listed_files import refuse_duplicate
from crosspath.data.text_files import class_names, numbered_lines
from crosspath.errors import InputError
from crosspath.limits import BYTES, SAMPLES

SCANOBJECTNN_CLASSES = (
    *("bag", "bin", "box", "cabinet", "chair", "desk", "display", "door"),
    *("shelf", "table", "bed", "pillow", "sink", "sofa", "toilet"),
)
"""In the order of the labels, which are numbers in the files."""


@dataclass(frozen=True)
class H5Set:
    """The files of a set, which exist and are not opened yet."""

    classes: tuple[str, ...]
    files: tuple[tuple[Part, str, Path], ...]
    """Part, name inside the set, path."""

    def sources(self) -> list[list[str]]:
        """The class names, and part, name and stamp of each file: what a cache entry depends on."""
        return [list(self.classes), *([str(part), name, file_stamp(path)] for part, name, path in self.files)]

    def listing(self) -> Listing:
        """One sample for each row, except rows that `in_train` marks in a test file: those objects are in training too.

        Raises
        ------
        InputError
            For a damaged file, a missing key, or a label without a class.
        """
        items = (item for part, name, path in self.files for item in _items(path, name, part, len(self.classes)))
        return Listing(self.classes, tuple(items))


def modelnet10(folder: Path) -> H5Set:
    """The layout of `modelnet40_ply_hdf5_2048`: lists of h5 files for training and test, and the class names.

    Raises
    ------
    InputError
        For a missing folder, list or file.
    """
    root = folder_below(folder, "modelnet10", "train_files.txt, test_files.txt and their h5 files")
    names = class_names(root / "shape_names.txt")
    parts: tuple[tuple[Part, str], ...] = (("train", "train_files.txt"), ("test", "test_files.txt"))
    files = []
    first_places: dict[str, str] = {}
    for part, table in parts:
        for row, line in numbered_lines(root / table, "names of h5 files, one on each line"):
            name = Path(line).name
            refuse_duplicate(first_places, name, f"{root / table} row {row}")
            files.append((part, name, _require_h5(root / name)))
    return H5Set(names, tuple(files))


def scanobjectnn(split: str, suffix: str, folder: Path) -> H5Set:
    """ScanObjectNN (Uy et al. 2019) as published: `scanobjectnn/<split>/` with a training and a test file.

    Raises
    ------
    InputError
        For a missing folder or file.
    """
    root = folder_below(folder, "scanobjectnn", "main_split/ and main_split_nobg/") / split
    parts: tuple[tuple[Part, str], ...] = (("train", "training"), ("test", "test"))
    files = [(part, f"{name}_objectdataset{suffix}.h5") for part, name in parts]
    return H5Set(SCANOBJECTNN_CLASSES, tuple((part, name, _require_h5(root / name)) for part, name in files))


H5_SETS: dict[str, Callable[[Path], H5Set]] = {
    "modelnet10": modelnet10,
    "scanobjectnn-objbg": partial(scanobjectnn, "main_split", ""),
    "scanobjectnn-objonly": partial(scanobjectnn, "main_split_nobg", ""),
    "scanobjectnn-hardest": partial(scanobjectnn, "main_split", "_augmentedrot_scale75"),
}
"""By `data.dataset`. Of ScanObjectNN: objects on their background, objects alone, and the hardest variant, whose
objects are cut, rotated and scaled."""


def _require_h5(path: Path) -> Path:
    if not path.is_file():
        raise InputError(path, "an h5 file", "none", "check the data folder")
    return path


def _items(path: Path, name: str, part: Part, classes: int) -> Iterator[Item]:
    labels, in_training = _labels(path, part)
    stamp = file_stamp(path)
    for row, label in enumerate(labels.tolist()):
        if not 0 <= label < classes:
            raise InputError(f"{path} row {row}", f"a label below {classes}", str(label), "check the class names")
        if in_training is None or not in_training[row]:
            yield Item(id=f"{name}/{row}", label=label, part=part, path=path, inside=row, stamp=stamp)


def _labels(path: Path, part: Part) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """The label of each row, and which rows of a test file are in training too."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            for key in ("data", "label"):
                if key not in file:
                    found, todo = ", ".join(file) or "none", "use a file with this layout"
                    raise InputError(path, f"a dataset `{key}`", found, todo)
            count = len(_rows(file, "data"))
            labels = _column(path, file, "label", count).astype(np.int64)
            both = (
                _column(path, file, "in_train", count).astype(bool) if part == "test" and "in_train" in file else None
            )
    except InputError:
        raise
    except DamageError as damage:
        raise InputError(path, "clouds and their labels", str(damage), "download the file again") from None
    except Exception as error:  # h5py raises many types on damaged files
        found = f"a damaged one ({error})".replace("\n", " ")
        raise InputError(path, "an h5 file", found, "download it again") from None
    return labels, both


def open_clouds(path: Path, stack: ExitStack) -> Any:
    """The dataset of clouds of an h5 file, which stays open as long as `stack`. Raises `DamageError`."""
    return open_dataset(open_h5(path, stack), "data")


def open_h5(path: Path, stack: ExitStack) -> Any:
    """An h5 file, which stays open as long as `stack`. Raises `DamageError`."""
    import h5py

    try:
        return stack.enter_context(h5py.File(path, "r"))
    except Exception as error:  # as above
        raise DamageError(f"the h5 file cannot be read ({error})".replace("\n", " ")) from None


def open_dataset(file: Any, key: str) -> Any:
    """A dataset of an open h5 file, whose rows are within the limits. Raises `DamageError`."""
    try:
        if key not in file:
            raise DamageError(f"it has no dataset `{key}`, and {', '.join(file) or 'no other'}")
        rows = _rows(file, key)
        require_within(BYTES, math.prod(rows.shape[1:]) * rows.dtype.itemsize)
        require_within(BYTES, math.prod(rows.chunks or ()) * rows.dtype.itemsize)
    except DamageError:
        raise
    except Exception as error:  # as above
        raise DamageError(f"the h5 file cannot be read ({error})".replace("\n", " ")) from None
    return rows


def _column(path: Path, file: Any, key: str, count: int) -> NDArray[Any]:
    values = _rows(file, key)
    if values.size != count:
        raise InputError(path, f"{count} labels", f"{values.size} in `{key}`", "download the file again")
    return np.asarray(values).reshape(-1)


def _rows(file: Any, key: str) -> Any:
    """A dataset with rows, inside the file itself."""
    import h5py

    link = file.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise DamageError(f"`{key}` lies in another file")
    values = file[key]
    if not isinstance(values, h5py.Dataset) or not values.shape:
        raise DamageError(f"`{key}` has no rows")
    if values.is_virtual or values.external:
        raise DamageError(f"`{key}` lies in another file")
    require_within(SAMPLES, len(values))
    return values
