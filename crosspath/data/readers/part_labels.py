"""ShapeNetPart's parts: the part numbers of each category, and the part of each point of a cloud."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError
from crosspath.data.readers.points import sample_rows

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
"""Part numbers of each category, of 50 in total (Yi et al. 2016)."""


def part_labels(path: Path, stored_points: int) -> NDArray[np.int64]:
    """The part number int64 (P,), 0 to 49, of each point that the reader samples from a ShapeNetPart cloud.

    Parts are the last column of `<offset>/<id>.txt`. Raises `DamageError`.
    """
    try:
        columns = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise DamageError(f"the columns cannot be read ({error})".replace("\n", " ")) from None
    if columns.shape[1] != 7:
        raise DamageError(f"expected rows of x y z nx ny nz part, found {columns.shape[1]} columns")
    parts = columns[:, -1]
    if not np.isin(parts, np.arange(PARTS["Table"].stop)).all():
        raise DamageError("it has part numbers other than whole numbers from 0 to 49")
    return parts[sample_rows(len(parts), stored_points)].astype(np.int64)
