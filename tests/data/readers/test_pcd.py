"""Clouds in the Point Cloud Library's format: each encoding gives the same points, and damaged files are named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosspath.data.items import DamageError
from crosspath.data.readers.pcd import read_pcd

RECORD = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f8"), ("_", "u1", (3,)), ("label", "<u2")])
HEADER = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z _ label
SIZE 4 4 8 1 2
TYPE F F F U U
COUNT 1 1 1 3 1
WIDTH {count}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {count}
DATA {encoding}
"""


def rows_of(points_P3: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(points_P3), RECORD)
    for place, axis in enumerate("xyz"):
        rows[axis] = points_P3[:, place]
    rows["_"], rows["label"] = 7, np.arange(len(rows))
    return rows


def ascii_data(rows: np.ndarray) -> bytes:
    lines = [f"{row['x']:.9g} {row['y']:.9g} {row['z']:.17g} 7 7 7 {row['label']}" for row in rows]
    return "\n".join(lines).encode() + b"\n"


def literal_lzf(content: bytes) -> bytes:
    """Content in runs of 32 literal bytes at most."""
    return b"".join(
        bytes([len(content[start : start + 32]) - 1]) + content[start : start + 32]
        for start in range(0, len(content), 32)
    )


def compressed_data(rows: np.ndarray) -> bytes:
    content = b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in RECORD.names or ())
    packed = literal_lzf(content)
    return len(packed).to_bytes(4, "little") + len(content).to_bytes(4, "little") + packed


ENCODINGS: dict[str, Callable[[np.ndarray], bytes]] = {
    "ascii": ascii_data,
    "binary": np.ndarray.tobytes,
    "binary_compressed": compressed_data,
}


def write_pcd(path: Path, points_P3: np.ndarray, encoding: str) -> None:
    header = HEADER.format(count=len(points_P3), encoding=encoding)
    path.write_bytes(header.encode() + ENCODINGS[encoding](rows_of(points_P3)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_gives_the_points_that_were_measured(tmp_path: Path, encoding: str) -> None:
    points = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    with_gaps = points.copy()
    with_gaps[[3, 17]] = np.nan
    write_pcd(tmp_path / "a.pcd", with_gaps, encoding)
    np.testing.assert_array_equal(read_pcd(tmp_path / "a.pcd").astype(np.float32), np.delete(points, [3, 17], axis=0))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_fewer_points_than_promised_are_damage(tmp_path: Path, encoding: str) -> None:
    write_pcd(tmp_path / "a.pcd", np.ones((40, 3)), encoding)
    content = (tmp_path / "a.pcd").read_bytes()
    (tmp_path / "a.pcd").write_bytes(content[: -len(content) // 4])
    with pytest.raises(DamageError, match="40 points"):
        read_pcd(tmp_path / "a.pcd")


def test_more_data_than_promised_are_damage(tmp_path: Path) -> None:
    write_pcd(tmp_path / "a.pcd", np.ones((40, 3)), "binary")
    content = (tmp_path / "a.pcd").read_bytes()
    (tmp_path / "a.pcd").write_bytes(content + bytes(16))  # padding
    assert len(read_pcd(tmp_path / "a.pcd")) == 40
    (tmp_path / "a.pcd").write_bytes(content.replace(b" 40\n", b" 30\n"))
    with pytest.raises(DamageError, match="30 points, and its data are longer"):
        read_pcd(tmp_path / "a.pcd")


def test_references_of_compressed_data_repeat_bytes_before_them(tmp_path: Path) -> None:
    header = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 4\nHEIGHT 1\nDATA binary_compressed\n"
    one = np.float32(1).tobytes()
    # Four literal bytes; then 44 bytes copied from four bytes before: length 7 + 35 + 2.
    packed = bytes([3]) + one + bytes([7 << 5, 35, 3])
    sizes = len(packed).to_bytes(4, "little") + (48).to_bytes(4, "little")
    (tmp_path / "a.pcd").write_bytes(header.encode() + sizes + packed)
    np.testing.assert_array_equal(read_pcd(tmp_path / "a.pcd"), np.ones((4, 3)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("FIELDS x y z", "FIELDS x y w"), ("DATA ascii", "DATA zipped"), ("SIZE 4 4 8", "SIZE 4 4"), ("DATA", "DAT")],
)
def test_a_faulty_header_is_damage(tmp_path: Path, old: str, new: str) -> None:
    write_pcd(tmp_path / "a.pcd", np.ones((4, 3)), "ascii")
    (tmp_path / "a.pcd").write_text((tmp_path / "a.pcd").read_text().replace(old, new))
    with pytest.raises(DamageError):
        read_pcd(tmp_path / "a.pcd")


def test_a_row_that_is_cut_or_too_long_is_damage(tmp_path: Path) -> None:
    write_pcd(tmp_path / "a.pcd", np.ones((4, 3)), "ascii")
    content = (tmp_path / "a.pcd").read_bytes()
    for changed in (content[:-3], content.replace(b"7 7 7 1", b"7 7 7 7 1")):
        (tmp_path / "a.pcd").write_bytes(changed)
        with pytest.raises(DamageError, match="7 values"):
            read_pcd(tmp_path / "a.pcd")


def test_digits_with_underscores_are_no_number(tmp_path: Path) -> None:
    write_pcd(tmp_path / "a.pcd", np.full((4, 3), 1.5), "ascii")
    content = (tmp_path / "a.pcd").read_bytes()
    (tmp_path / "a.pcd").write_bytes(content.replace(b"1.5", b"1_5"))
    with pytest.raises(DamageError, match="1_5"):
        read_pcd(tmp_path / "a.pcd")
