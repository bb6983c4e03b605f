"""Point clouds with the part of each point: ShapeNetPart's files, and text, arrays and PLY of the user's own.

A part is a whole number from 0 to 253. In a file -1 and 255 say that a point is not labelled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.annotations import MOST_CLASSES, NOT_LABELLED
from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError, require_within
from crosspath.data.readers.cloud_arrays import MOST_COLUMNS
from crosspath.data.readers.cloud_text import AXES, read_text_columns
from crosspath.data.readers.meshes import ply_columns
from crosspath.limits import BYTES

TEXTS = (".txt", ".xyz", ".pts", ".csv")
SUFFIXES = (*TEXTS, ".npy", ".ply")
COLUMNS = ("part", "label", "seg", "segment", "class")
"""Names of a column of parts; CloudCompare writes `scalar_` before them."""
PARTS = {
    "Airplane": range(4),
    "Bag": range(4, 6),
    "Cap": range(6, 8),
    "Car": range(8, 12),
    "Chair": range(12, 16),
    "Earphone": range(16, 19),
    "Guitar": range(19, 22),
    "Knife": range(22, 24),
    "Lamp": range(24, 28),
    "Laptop": range(28, 30),
    "Motorbike": range(30, 36),
    "Mug": range(36, 38),
    "Pistol": range(38, 41),
    "Rocket": range(41, 44),
    "Skateboard": range(44, 47),
    "Table": range(47, 50),
}
"""Part numbers of each category of ShapeNetPart, of 50 in total (Yi et al. 2016)."""


def read_part_cloud(path: Path) -> NDArray[np.float64]:
    """Rows (P, 4) of x, y, z and part, `NOT_LABELLED` of a point without one, in the order of the file.

    Where columns have names (a heading of a text, a PLY, a structured array), x, y, z and one of `COLUMNS` are read;
    else rows are points, x, y, z come first and the part last: `x y z nx ny nz part` in ShapeNetPart.

    Raises
    ------
    DamageError
        For a file without such columns, and for parts that are no whole numbers.
    """
    values, names = _columns(path)
    return with_parts(_coordinates(values, names, "x y z and more, the part last", 4), _parts(values, names))


def read_coordinates(path: Path) -> NDArray[np.float64]:
    """The coordinates (P, 3) of the same kinds of files, with parts or without. Raises `DamageError`."""
    return _coordinates(*_columns(path), "x y z", 3).astype(np.float64)


def _columns(path: Path) -> tuple[NDArray[Any], list[str] | None]:
    require_within(BYTES, path.stat().st_size)
    suffix = path.suffix.lower()
    if suffix in TEXTS:
        return read_text_columns(path)
    return ply_columns(path) if suffix == ".ply" else _array_columns(load_array(path))


def with_parts(xyz_P3: NDArray[Any], parts_P: NDArray[Any]) -> NDArray[np.float64]:
    """Rows (P, 4) of coordinates and parts. Raises `DamageError` for parts that are none."""
    parts_P = np.where(parts_P == -1, NOT_LABELLED, parts_P)
    if not np.isin(parts_P, (*range(MOST_CLASSES), NOT_LABELLED)).all():
        raise DamageError(f"it has part numbers other than whole numbers from 0 to {MOST_CLASSES - 1} (-1: none)")
    if (parts_P == NOT_LABELLED).all():
        raise DamageError("none of its points has a part")
    return np.column_stack([xyz_P3, parts_P]).astype(np.float64)


def _array_columns(array: NDArray[Any]) -> tuple[NDArray[Any], list[str] | None]:
    if array.dtype.names is not None and array.ndim == 1:
        return np.column_stack([array[name] for name in array.dtype.names]), [
            name.lower() for name in array.dtype.names
        ]
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        raise DamageError(f"expected rows of x y z and part, found {array.dtype} of shape {array.shape}")
    return array, None


def _coordinates(values: NDArray[Any], names: Sequence[str] | None, columns: str, fewest: int) -> NDArray[Any]:
    if names is None:
        if not fewest <= values.shape[1] <= MOST_COLUMNS:
            raise DamageError(f"expected rows of {columns}, found {values.shape[1]} columns")
        return values[:, :3]
    if any(names.count(axis) != 1 for axis in AXES):
        raise DamageError(f"expected columns x, y and z, found {', '.join(names)}")
    return values[:, [names.index(axis) for axis in AXES]]


def _parts(values: NDArray[Any], names: Sequence[str] | None) -> NDArray[Any]:
    if names is None:
        return values[:, -1]
    places = [place for place, name in enumerate(names) if name.removeprefix("scalar_") in COLUMNS]
    if len(places) != 1:
        found = f"several ({', '.join(names[place] for place in places)})" if places else ", ".join(names)
        raise DamageError(f"expected one column of parts ({', '.join(COLUMNS)}), found {found}")
    return values[:, places[0]]
