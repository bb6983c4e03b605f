"""Clouds with the part of each point: columns found by place or name, parts that stay with their points."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.data.items import DamageError
from crosspath.data.readers.part_clouds import PARTS, read_part_cloud
from crosspath.data.readers.points import PointReader
from tests.data.published_points import FIRST_PART, SHAPENETPART, write_shapenetpart

ROWS = [(0.0, 1.0, 2.0, 5), (3.0, 4.0, 5.0, 0), (6.0, 7.0, 9.0, 12)]
"""x, y, z and part."""


def annotated(**fields: object) -> PointReader:
    return PointReader(PointData(label_kind="dense", **fields))  # type: ignore[arg-type]


def test_the_fifty_parts_belong_to_sixteen_categories() -> None:
    assert tuple(PARTS) == tuple(SHAPENETPART)
    assert [part for parts in PARTS.values() for part in parts] == list(range(50))
    assert [parts.start for parts in PARTS.values()] == list(FIRST_PART[:-1])
    assert [len(parts) for parts in PARTS.values()] == [4, 2, 2, 4, 4, 3, 3, 2, 4, 2, 6, 2, 3, 3, 3, 3]


def write_text(path: Path) -> None:
    path.write_text("\n".join(f"{x} {y} {z} 0.5 0.5 0.5 {part:.6f}" for x, y, z, part in ROWS))


def write_heading(path: Path) -> None:
    path.write_text("label,x,y,z,intensity\n" + "\n".join(f"{part},{x},{y},{z},1" for x, y, z, part in ROWS))


def write_array(path: Path) -> None:
    np.save(path, np.array(ROWS))


def write_structured(path: Path) -> None:
    kinds = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1"), ("scalar_Label", "f4")]
    np.save(path, np.array([(x, y, z, 9, part) for x, y, z, part in ROWS], dtype=kinds))


def write_ply(path: Path) -> None:
    names = ("float x", "float y", "float z", "uchar red", "int part")
    head = ["ply", "format ascii 1.0", "element vertex 3", *(f"property {name}" for name in names), "end_header"]
    path.write_text("\n".join([*head, *(f"{x} {y} {z} 9 {part}" for x, y, z, part in ROWS), ""]))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.txt", write_text),
        ("a.csv", write_heading),
        ("a.npy", write_array),
        ("b.npy", write_structured),
        ("a.ply", write_ply),
    ],
)
def test_coordinates_and_part_are_found_by_name_or_place(tmp_path: Path, name: str, write) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / name)
    assert read_part_cloud(tmp_path / name).tolist() == [list(row) for row in ROWS]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "0 0 0 0 0 1 254", "whole numbers from 0 to 253"),
        ("a.txt", "0 0 0 0 0 1 0.5", "whole numbers from 0 to 253"),
        ("a.txt", "0 0 0 0 0 1 -2", "whole numbers from 0 to 253"),
        ("a.txt", "0 0 0", "found 3 columns"),
        ("a.txt", "0 0 0 -1\n1 1 1 255", "none of its points"),
        ("a.txt", "0 0 0 0 0 1 x", "row 1"),
        ("a.csv", "x,y,z,red\n0,0,0,3", "one column of parts .* found x, y, z, red"),
        ("a.csv", "x,y,z,part,label\n0,0,0,3,3", "found several"),
    ],
)
def test_a_file_without_parts_is_damaged(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(f"{text}\n")
    with pytest.raises(DamageError, match=expected):
        read_part_cloud(tmp_path / name)


@pytest.mark.parametrize("stored", [64, 40, 150])
def test_no_point_comes_twice_and_parts_stay_with_their_points(tmp_path: Path, stored: int) -> None:
    write_shapenetpart(tmp_path)
    reader = annotated(dataset="shapenetpart", points=stored)
    listing = reader.listing(tmp_path)
    assert listing.label_kind == "dense"
    with reader.open_decoder() as decode:
        for item in listing.items:
            sample = decode(item)
            assert sample.shape == (stored, 4)
            own = sample[: min(stored, 64)]
            assert len(np.unique(own[:, :3], axis=0)) == len(own)
            assert (sample[64:, 3] == OUTSIDE).all()
            assert (sample[64:, :3] == sample[0, :3]).all()
            assert isinstance(item.label, int)
            assert set(own[:, 3].tolist()) == set(PARTS[listing.classes[item.label]])
            # The generated parts are slices along x.
            assert (np.diff(own[own[:, 0].argsort(kind="stable"), 3]) >= 0).all()


def test_the_whole_cloud_is_scaled_whatever_is_drawn_of_it(tmp_path: Path) -> None:
    """So that a file to predict, of which every point is asked for, is scaled as training clouds are."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(5, 3, (50, 3)), rng.integers(0, 3, 50)])
    np.save(tmp_path / "a.npy", rows)
    reader = annotated(points=20)
    whole = reader.decode_whole(tmp_path / "a.npy")
    assert whole.shape == (50, 3)
    assert np.abs(whole.mean(0)).max() < 1e-6
    assert np.linalg.norm(whole, axis=1).max() == pytest.approx(1.0)
    (tmp_path / "c").mkdir()
    np.save(tmp_path / "c" / "a.npy", rows)
    with reader.open_decoder() as decode:
        sample = decode(reader.listing(tmp_path).items[0])
    assert {tuple(row) for row in sample[:, :3]} < {tuple(row) for row in whole}
    np.save(tmp_path / "b.npy", rows[:, :3])
    assert np.array_equal(reader.decode_whole(tmp_path / "b.npy"), whole)


def test_points_without_a_label_stay_and_are_marked(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0.0, 0, 0, 2], [1, 0, 0, -1], [0, 1, 0, 255]]))
    assert read_part_cloud(tmp_path / "a.npy")[:, 3].tolist() == [2, NOT_LABELLED, NOT_LABELLED]
