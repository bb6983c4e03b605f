"""The parts of a cloud stay with its points."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.data.items import DamageError
from crosspath.data.readers.part_labels import PARTS, part_labels
from crosspath.data.readers.points import PointReader
from tests.data.published_points import FIRST_PART, SHAPENETPART, write_shapenetpart


def test_the_fifty_parts_belong_to_sixteen_categories() -> None:
    assert tuple(PARTS) == tuple(SHAPENETPART)
    assert [part for parts in PARTS.values() for part in parts] == list(range(50))
    assert [parts.start for parts in PARTS.values()] == list(FIRST_PART[:-1])
    assert [len(parts) for parts in PARTS.values()] == [4, 2, 2, 4, 4, 3, 3, 2, 4, 2, 6, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("stored", [64, 40, 150])
def test_parts_follow_the_points_that_are_kept(tmp_path: Path, stored: int) -> None:
    write_shapenetpart(tmp_path)
    reader = PointReader(PointData(dataset="shapenetpart", points=stored))
    listing = reader.listing(tmp_path)
    for item in listing.items:
        points, parts = reader.decode_file(item.path), part_labels(item.path, stored)
        assert parts.shape == (stored,)
        assert isinstance(item.label, int)
        assert set(parts.tolist()) == set(PARTS[listing.classes[item.label]])
        # The generated parts are slices along x.
        assert (np.diff(parts[points[:, 0].argsort(kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 0 0 0 0 1 50", "whole numbers from 0 to 49"),
        ("0 0 0 0 0 1 0.5", "whole numbers from 0 to 49"),
        ("0 0 0 0 0 1 nan", "whole numbers from 0 to 49"),
        ("0 0 0 3", "found 4 columns"),
        ("0 0 0 0 0 1 x", "cannot be read"),
    ],
)
def test_a_file_without_parts_is_damaged(tmp_path: Path, row: str, expected: str) -> None:
    (tmp_path / "a.txt").write_text(f"{row}\n")
    with pytest.raises(DamageError, match=expected):
        part_labels(tmp_path / "a.txt", 4)
