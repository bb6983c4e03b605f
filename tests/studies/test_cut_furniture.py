"""The maker of a small real set of parts: its rule on grids made by hand, and its layout."""

import json
from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.modalities.load import load_data
from studies.tasks.cut_furniture import CATEGORIES, draw_points, parts_of_slabs, write_set

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def table() -> np.ndarray:
    """Four legs of eight cells below a plate two cells thick."""
    grid = np.zeros((30, 30, 30), bool)
    grid[5:25, 5:25, 18:20] = True
    for x in (5, 24):
        for y in (5, 24):
            grid[x, y, 10:18] = True
    return grid


def test_the_widest_slabs_are_the_top_and_what_is_below_are_legs() -> None:
    parts = parts_of_slabs(table(), "Table")
    assert parts is not None
    assert parts[10:20].tolist() == [0] * 8 + [1] * 2
    chair = table()
    chair[5:25, 23, 20:28] = True
    parts = parts_of_slabs(chair, "Chair")
    assert parts is not None
    assert parts[10:28].tolist() == [0] * 8 + [1] * 2 + [2] * 8
    assert parts_of_slabs(np.zeros((30, 30, 30), bool), "Bed") is None


def test_points_lie_in_surface_cells_of_their_part() -> None:
    parts = parts_of_slabs(table(), "Table")
    assert parts is not None
    cloud = draw_points(table(), parts, np.random.default_rng(0))
    assert cloud is not None
    assert 500 <= len(cloud) <= 1000
    assert np.linalg.norm(cloud[:, :3], axis=1).max() == pytest.approx(1.0)
    legs, top = cloud[cloud[:, 6] == 0], cloud[cloud[:, 6] == 1]
    assert legs[:, 2].max() <= top[:, 2].min()
    # A cell between two empty ones has no normal.
    lengths = np.linalg.norm(cloud[:, 3:6], axis=1)
    assert np.isclose(lengths[:, None], (0.0, 1.0)).any(axis=1).all()
    assert (cloud[cloud[:, 2] == top[:, 2].max(), 5] > 0).all()
    few = np.zeros((30, 30, 30), bool)
    few[5:25, 5:25, 18:20] = few[5, 5, 10:18] = True
    slabs = parts_of_slabs(few, "Table")
    assert slabs is not None
    assert draw_points(few, slabs, np.random.default_rng(0)) is None


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "modelnet10").is_dir(), reason="no real data")
def test_the_set_is_read_as_shapenetparts_layout_and_is_the_same_again(tmp_path: Path) -> None:
    counts = write_set(DATA, tmp_path / "one", 0, 6, 2)
    assert counts == {"train": 15, "val": 3, "test": 6}
    root = next((tmp_path / "one").iterdir())
    section = PointData(folder=root, points=600, label_kind="dense", cache_folder=tmp_path / "cache")
    data = load_data(section, None, 0)
    assert data.classes == tuple(CATEGORIES)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [15, 3, 6]
    listed = json.loads((root / "train_test_split" / "shuffled_test_file_list.json").read_text())
    assert {name.removeprefix("shape_data/") + ".txt" for name in listed} == set(data.test.ids)
