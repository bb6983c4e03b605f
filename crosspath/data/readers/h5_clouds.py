"""Sets whose point clouds lie in h5 files: `data` (N, P, 3) and `label` (N,). ModelNet10 and ScanObjectNN."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from crosspath.data.folders import folder_below
from crosspath.data.items import Item, Listing, Part, file_stamp
from crosspath.data.listed_files import refuse_duplicate
from crosspath.data.text_files import class_names, numbered_lines
from crosspath.errors import InputError

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
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(path, "an h5 file", f"a damaged one ({error})", "download it again") from None
    with file:
        for key in ("data", "label"):
            if key not in file:
                raise InputError(path, f"a dataset `{key}`", ", ".join(file) or "none", "use a file with this layout")
        try:
            labels = np.asarray(file["label"]).reshape(-1).astype(np.int64)
            in_training = np.asarray(file["in_train"]).astype(bool) if part == "test" and "in_train" in file else None
        except (OSError, TypeError, ValueError) as error:
            raise InputError(path, "a readable `label`", str(error), "download the file again") from None
        if len(labels) != len(file["data"]):
            raise InputError(path, f"{len(file['data'])} labels", str(len(labels)), "download the file again")
    stamp = file_stamp(path)
    for row, label in enumerate(labels.tolist()):
        if not 0 <= label < classes:
            raise InputError(f"{path} row {row}", f"a label below {classes}", str(label), "check the class names")
        if in_training is None or not in_training[row]:
            yield Item(id=f"{name}/{row}", label=label, part=part, path=path, inside=row, stamp=stamp)
