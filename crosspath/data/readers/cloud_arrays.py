"""Which axis of an array counts points.

Arrays of clouds are (points, columns), with x, y, z in the first three columns. PointNet's code and its descendants
keep them the other way round, (columns, points). Read as rows, such a file would be a cloud of three points.
"""

from typing import Any

from numpy.typing import NDArray

from crosspath.data.items import DamageError

MOST_COLUMNS = 16
"""No known format has more values to a point (x y z, colour, normal, intensity, time, label)."""


def xyz_rows(array: NDArray[Any]) -> NDArray[Any]:
    """The coordinates (P, 3) of an array of numbers (P, C) or (C, P), with x, y, z first and C from 3 to 16.

    - (P, 3) is read as it is, unless P is 3.
    - Where one axis is longer than 16 and the other has 3 to 16 values, the longer one counts the points.
    - With one or two rows, rows are points.
    - Where both axes have 3 to 16 values, such as (3, 3), (3, 6), (6, 6) or (10, 4), either could count the points: the
      array is refused. (10, 3) and (6, 3) are not such cases, by the first rule.

    Raises
    ------
    DamageError
        For an array that is not two-dimensional, has no numbers, or leaves open which axis counts the points.
    """
    if array.dtype.kind not in "fiu":
        raise DamageError(f"expected numbers, found {array.dtype}")
    if array.ndim != 2:
        raise DamageError(f"expected rows of x y z, found an array of shape {array.shape}")
    rows, columns = array.shape
    if columns == 3 and rows != 3:
        return array
    if 3 <= columns <= MOST_COLUMNS and not 3 <= rows <= MOST_COLUMNS:
        return array[:, :3]
    if columns > MOST_COLUMNS and 3 <= rows <= MOST_COLUMNS:
        return array[:3].T
    if 3 <= columns <= MOST_COLUMNS:
        todo = f"rows or columns could be the points; store more than {MOST_COLUMNS} points, or (points, 3) only"
        raise DamageError(f"an array of shape {array.shape}: {todo}")
    raise DamageError(f"expected rows of x y z, found an array of shape {array.shape}")
