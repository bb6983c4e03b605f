"""Point clouds in the Point Cloud Library's file format (.pcd, version 0.7)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, require_within
from crosspath.data.text_files import number_in
from crosspath.limits import BYTES

KINDS = {"F": "f", "I": "i", "U": "u"}
HEADER_LINES = 64
"""More lines than any header has."""


def read_pcd(path: Path) -> NDArray[np.float64]:
    """The points (P, 3) of a .pcd whose data are `ascii`, `binary` or `binary_compressed`.

    Points without a measurement, which the format marks by NaN in x, y or z, are left out.

    Raises
    ------
    DamageError
        For a header without x, y, z or with faulty entries, and for fewer points than it promises.
    """
    header, content = _header(path.read_bytes())
    try:
        fields, sizes, kinds = header["FIELDS"], [int(size) for size in header["SIZE"]], header["TYPE"]
        counts = [int(count) for count in header.get("COUNT", ["1"] * len(fields))]
        points = int(header["POINTS"][0]) if "POINTS" in header else int(header["WIDTH"][0]) * int(header["HEIGHT"][0])
        names = [f"{place} {name}" for place, name in enumerate(fields)]  # "_", for padding, may occur several times
        columns = zip(names, sizes, kinds, counts, strict=True)
        record = np.dtype([(name, f"<{KINDS[kind]}{size}", (count,)) for name, size, kind, count in columns])
        places = [fields.index(axis) for axis in "xyz"]
        if min(*counts, points, *sizes) < 1:
            raise ValueError("a size, a count or a number of points below 1")
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DamageError(f"its header is faulty ({error})") from None
    encoding = header["DATA"][0].lower()
    if encoding == "ascii":
        starts = [sum(counts[:place]) for place in places]
        xyz_P3 = _from_text(content, points, sum(counts), starts)
    elif encoding in ("binary", "binary_compressed"):
        xyz_P3 = _from_bytes(content, points, record, [names[place] for place in places], encoding)
    else:
        raise DamageError(f"its data are {encoding!r}, not ascii, binary or binary_compressed")
    measured_P3: NDArray[np.float64] = xyz_P3[~np.isnan(xyz_P3).any(axis=1)]
    if not len(measured_P3):
        raise DamageError("it has no points")
    return measured_P3


def _header(content: bytes) -> tuple[dict[str, list[str]], bytes]:
    """{entry: its values}, and the bytes after the line `DATA ...`."""
    header: dict[str, list[str]] = {}
    for _ in range(HEADER_LINES):
        line, newline, content = content.partition(b"\n")
        name, *values = line.decode("ascii", errors="replace").split() or ["#"]
        if not name.startswith("#"):
            header[name.upper()] = values
        if name.upper() == "DATA" and values:
            return header, content
        if not newline:
            break
    raise DamageError("it has no header that ends with a line `DATA`")


def _from_text(content: bytes, points: int, width: int, columns: list[int]) -> NDArray[np.float64]:
    lines = content.decode("ascii", errors="replace").split("\n")
    rows = [line.split() for line in lines if line.strip()]
    if len(rows) != points:
        raise DamageError(f"its header promises {points} points, and it has {len(rows)}")
    if any(len(row) != width for row in rows):
        raise DamageError(f"a point has not the {width} values that its header names")
    try:
        return np.array([[number_in(row[column]) for column in columns] for row in rows], np.float64).reshape(-1, 3)
    except (ValueError, IndexError) as error:
        raise DamageError(f"a point is not x y z ({error})") from None


def _from_bytes(
    content: bytes, points: int, record: np.dtype[np.void], names: list[str], encoding: str
) -> NDArray[np.float64]:
    if encoding == "binary_compressed":
        packed_size, size = (int.from_bytes(content[start : start + 4], "little") for start in (0, 4))
        if size != points * record.itemsize or len(content) < 8 + packed_size:
            raise DamageError(f"its header promises {points} points, and its data are shorter")
        require_within(BYTES, size)
        content = _unpack_lzf(content[8 : 8 + packed_size], size)
        # Compressed data are sorted by field: all x, all y, all z.
        columns, start = [], {}
        offset = 0
        for name in record.names or ():
            start[name] = offset
            offset += record[name].itemsize * points
        for name in names:
            columns.append(np.frombuffer(content, record[name].base, points, start[name]))
        return np.stack(columns, axis=1).astype(np.float64)
    size = points * record.itemsize
    if len(content) < size:
        raise DamageError(f"its header promises {points} points, and its data are shorter")
    if any(content[size:]):
        found = f"{len(content)} bytes instead of {size}"
        raise DamageError(f"its header promises {points} points, and its data are longer ({found}): correct the header")
    rows = np.frombuffer(content, record, points)
    return np.stack([rows[name][:, 0] for name in names], axis=1).astype(np.float64)


def _unpack_lzf(content: bytes, size: int) -> bytes:
    """LZF (M. Lehmann's liblzf): runs of literal bytes, and references to bytes before."""
    result, place = bytearray(), 0
    try:
        while place < len(content):
            control, place = content[place], place + 1
            if control < 32:
                result += content[place : place + control + 1]
                place += control + 1
                continue
            length = control >> 5
            if length == 7:
                length, place = length + content[place], place + 1
            start = len(result) - ((control & 31) << 8) - content[place] - 1
            place += 1
            if start < 0:
                raise DamageError("its compressed data are faulty")
            for step in range(length + 2):
                result.append(result[start + step])
    except IndexError:
        raise DamageError("its compressed data are faulty") from None
    if len(result) != size:
        raise DamageError(f"its compressed data hold {len(result)} bytes instead of {size}")
    return bytes(result)
