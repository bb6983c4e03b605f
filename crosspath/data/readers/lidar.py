"""Lidar points in KITTI's `.bin` files (Geiger et al. 2012): rows of float32 x, y, z and reflectance, without a header.

nuScenes' files, `.pcd.bin`, have a fifth column, the number of the laser ring. Nothing in such a file says how many
columns it has, so values that cannot be a reflectance are refused.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError

COLUMNS = {".pcd.bin": 5, ".bin": 4}
"""By the end of the name, the longer one first."""
MOST_REFLECTANCE = 255.0
"""0 to 1 in KITTI's own files, 0 to 255 in nuScenes'."""


def read_lidar(path: Path) -> NDArray[np.float32]:
    """The coordinates (P, 3) of a file. Raises `DamageError` for a size or values that do not fit its columns."""
    columns = next(count for suffix, count in COLUMNS.items() if path.name.lower().endswith(suffix))
    content = path.read_bytes()
    if len(content) % (4 * columns):
        raise DamageError(f"its {len(content)} bytes are no rows of {columns} float32 values")
    values = np.frombuffer(content, "<f4").reshape(-1, columns)
    reflectance = values[:, 3]
    if not (np.isfinite(values).all() and (reflectance >= 0).all() and (reflectance <= MOST_REFLECTANCE).all()):
        names = "x, y, z, reflectance" + (", ring" if columns == 5 else "")
        raise DamageError(f"its values are not {names} (reflectance 0 to 255): store (points, 3) as .npy instead")
    return values[:, :3]
