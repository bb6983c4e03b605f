"""MedMNIST's files (Yang et al. 2023): pictures and labels of three parts in one `.npz`.

`train_images`, `val_images` and `test_images` are uint8 (N, H, W) or (N, H, W, 3), `train_labels` and so on whole
numbers (N, 1), or one 0/1 column per class (N, K), as ChestMNIST has them. The volumes of MedMNIST3D are refused.
"""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from crosspath.data.arrays import HEADERS, load_array
from crosspath.data.items import DamageError, Item, Listing, Part, file_stamp, require_within
from crosspath.errors import InputError
from crosspath.limits import BYTES, SAMPLES

PARTS: tuple[Part, ...] = ("train", "val", "test")
LAYOUT = (
    "MedMNIST's arrays train_images (N, H, W) or (N, H, W, 3) of uint8, train_labels (N, 1), and those of val and test"
)


ARRAY_NAMES = tuple(f"{part}_{kind}" for part in PARTS for kind in ("images", "labels"))


def has_medmnist_arrays(path: Path) -> bool:
    """Whether a file is an `.npz` with the arrays of this layout."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in ARRAY_NAMES} <= set(archive.namelist())
    except Exception:  # many types: no zip, a damaged list, a name that is no text
        return False


def list_medmnist(path: Path, several_labels: bool) -> Listing:
    """One sample for each row of the three parts; classes are the numbers of the labels, which the file does not name.

    Raises
    ------
    InputError
        For a file of another layout, volumes, labels that are no classes, and several labels a sample unless
        `several_labels` says that there may be.
    """
    try:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            missing = [name for name in ARRAY_NAMES if name not in names]
            if missing:
                raise InputError(
                    path, LAYOUT, f"no {', '.join(missing)}", "use a file of that layout, or class folders"
                )
            counts = {part: _check_pictures(path, ImageRows(archive, f"{part}_images", stack).shape) for part in PARTS}
            labels = {part: _labels(path, archive, f"{part}_labels", counts[part]) for part in PARTS}
    except (DamageError, zipfile.BadZipFile, EOFError, OSError) as error:
        found = f"a damaged one ({error})".replace("\n", " ")
        raise InputError(path, "an .npz file of MedMNIST", found, "download it again") from None
    columns = {values.shape[1] for values in labels.values()}
    if len(columns) > 1:
        raise InputError(path, "labels of one form in all parts", f"{sorted(columns)} columns", "download it again")
    if columns != {1} and not several_labels:
        todo = "add --set data.multi_label=true"
        raise InputError(path, "one label a picture", f"labels in {columns.pop()} columns, one a class", todo)
    highest = max(int(values.max(initial=0)) for values in labels.values())
    classes = tuple(map(str, range(highest + 1 if columns == {1} else columns.pop())))
    stamp = file_stamp(path)
    return Listing(classes, tuple(_items(path, labels, stamp)))


def _items(path: Path, labels: dict[Part, NDArray[np.int64]], stamp: str) -> Iterator[Item]:
    for part, values in labels.items():
        for row, own in enumerate(values):
            label = int(own[0]) if len(own) == 1 else tuple(np.flatnonzero(own).tolist())
            name = f"{part}_images/{row}"
            yield Item(id=f"{part}/{row}", label=label, part=part, path=path, inside=name, stamp=stamp)


def _check_pictures(path: Path, shape: tuple[int, ...]) -> int:
    """How many pictures an array of this shape holds."""
    if len(shape) == 4 and shape[3] != 3:
        todo = "the volumes of MedMNIST3D are not supported; use a 2-D set"
        raise InputError(path, LAYOUT, f"images of shape {shape}", todo)
    if len(shape) not in (3, 4):
        raise InputError(path, LAYOUT, f"images of shape {shape}", "use a 2-D set of MedMNIST")
    return shape[0]


def _labels(path: Path, archive: zipfile.ZipFile, name: str, count: int) -> NDArray[np.int64]:
    """The labels (N, K) of a part."""
    with _open(archive, name) as file:
        values = load_array(file)
    if values.dtype.kind not in "iub" or values.ndim not in (1, 2) or len(values) != count:
        found = f"`{name}` of {values.dtype}, shape {values.shape}"
        raise InputError(path, f"{count} labels as whole numbers", found, "download it again")
    labels = values.reshape(count, -1).astype(np.int64)
    wrong = labels.min(initial=0) < 0 or (labels.shape[1] > 1 and labels.max(initial=0) > 1)
    if wrong or labels.shape[1] == 0:
        expected = "classes from 0, or one 0/1 column per class"
        raise InputError(path, expected, f"other numbers in `{name}`", "download it again")
    return labels


class ImageRows:
    """The pictures of one array of an `.npz`, read row by row: the sets of larger pictures hold more bytes than
    memories do. Rows in ascending order are read once; going back reads the array from its beginning.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str, stack: ExitStack) -> None:
        self._file = stack.enter_context(_open(archive, name))
        self._lock = Lock()
        try:
            with HEADERS:
                version = npy.read_magic(self._file)
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                self.shape, columns_first, dtype = read_header(self._file)
        except Exception as error:  # a damaged header raises many types
            raise DamageError(f"`{name}` cannot be read ({error})".replace("\n", " ")) from None
        if dtype != np.uint8 or columns_first or not self.shape:
            raise DamageError(f"expected rows of uint8 in `{name}`, found {dtype} of shape {self.shape}")
        require_within(SAMPLES, self.shape[0])
        self._row_bytes = int(np.prod(self.shape[1:], dtype=object))
        require_within(BYTES, self._row_bytes)
        self._start = self._file.tell()

    def row(self, index: int) -> NDArray[np.uint8]:
        """One picture (H, W) or (H, W, 3). Raises `DamageError`."""
        with self._lock:
            try:
                self._file.seek(self._start + index * self._row_bytes)
                content = self._file.read(self._row_bytes)
            except Exception as error:  # many types: checksum, stream, compression
                raise DamageError(f"row {index} cannot be read ({error})") from None
        if len(content) != self._row_bytes:
            raise DamageError(f"row {index} is cut off")
        return np.frombuffer(content, np.uint8).reshape(self.shape[1:])


def read_row(arrays: dict[tuple[Path, str], ImageRows], item: Item, stack: ExitStack) -> NDArray[Any]:
    """The picture of an item of `list_medmnist`; files that it opens are added to `arrays` and closed by `stack`."""
    name, _, row = str(item.inside).partition("/")
    if (item.path, name) not in arrays:
        try:
            archive = stack.enter_context(zipfile.ZipFile(item.path))
        except zipfile.BadZipFile as error:
            raise DamageError(f"it is no whole .npz ({error})") from None
        arrays[item.path, name] = ImageRows(archive, name, stack)
    return arrays[item.path, name].row(int(row))


def _open(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy")
