"""Which axis of an array counts points."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.data.items import DamageError
from crosspath.data.readers.cloud_arrays import xyz_rows
from crosspath.modalities.load import load_data, read_file
from tests.errors import refused


def numbered(rows: int, columns: int) -> np.ndarray:
    """Every value tells its place."""
    return np.arange(rows)[:, None] * 1000.0 + np.arange(columns)


@pytest.mark.parametrize(
    "shape", [(1, 3), (2, 3), (4, 3), (6, 3), (10, 3), (2000, 3), (1, 6), (2, 6), (17, 6), (2000, 7), (17, 16)]
)
def test_rows_are_points(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(xyz_rows(numbered(*shape)), numbered(*shape)[:, :3])


@pytest.mark.parametrize("shape", [(3, 17), (3, 2000), (6, 2000), (4, 100), (16, 17)])
def test_columns_are_points_where_only_they_can_be(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(xyz_rows(numbered(*shape)), numbered(*shape)[:3].T)


@pytest.mark.parametrize(
    "shape", [(3, 3), (3, 6), (6, 6), (10, 4), (3, 16), (17, 17), (2, 17), (5, 2), (0, 0), (1, 5, 3), (3, 5, 5), (9,)]
)
def test_shapes_that_leave_it_open_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DamageError) as caught:
        xyz_rows(np.zeros(shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("kind", [bool, complex, "U3", object, [("x", "f4"), ("y", "f4")]])
def test_what_is_no_number_is_refused(kind: object) -> None:
    with pytest.raises(DamageError, match="expected numbers"):
        xyz_rows(np.zeros((20, 3), kind))  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int8, np.uint16, np.int64])
def test_every_type_of_number_keeps_its_value(tmp_path: Path, kind: type) -> None:
    cloud = np.random.default_rng(0).integers(0, 100, (40, 3))
    np.save(tmp_path / "rows.npy", cloud.astype(kind))
    np.save(tmp_path / "columns.npy", cloud.T.astype(kind))
    section = PointData(points=40, normalise=False)
    for name in ("rows.npy", "columns.npy"):
        np.testing.assert_array_equal(read_file(section, tmp_path / name), cloud)


def test_clouds_of_an_h5_file_are_turned_too(tmp_path: Path) -> None:
    folder = tmp_path / "modelnet10"
    folder.mkdir()
    (folder / "shape_names.txt").write_text("a\nb\n")
    clouds = np.random.default_rng(0).random((8, 50, 3)).astype(np.float32)
    for part in ("train", "test"):
        (folder / f"{part}_files.txt").write_text(f"{part}.h5\n")
        with h5py.File(folder / f"{part}.h5", "w") as file:
            file["data"], file["label"] = clouds.transpose(0, 2, 1), np.arange(8) % 2
    data = load_data(PointData(dataset="modelnet10", points=50, normalise=False), tmp_path, 0)
    np.testing.assert_array_equal(data.test.inputs[:], clouds)


@pytest.mark.parametrize("value", [0.0, 4.5, np.inf, np.nan])
def test_points_that_are_all_the_same_or_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    np.save(tmp_path / "a.npy", np.full((20, 3), value))
    with refused("a.npy"):
        read_file(PointData(points=16), tmp_path / "a.npy")
