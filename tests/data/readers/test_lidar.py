"""KITTI's and nuScenes' points, values that are none, and objects that are named after their scan."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.catalogue.recognise import guess_section, own_recipe
from crosspath.config.data import PointData
from crosspath.data.readers.lidar_objects import list_objects
from crosspath.modalities.load import load_data, read_file
from tests.errors import refused

SECTION = PointData(points=16, normalise=False)


def rows(count: int = 16, columns: int = 4, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((count, columns)).astype("<f4")
    values[:, 3:] = np.abs(values[:, 3:]) % 1
    return values


@pytest.mark.parametrize(("name", "columns"), [("a.bin", 4), ("A.BIN", 4), ("a.pcd.bin", 5)])
def test_the_coordinates_are_the_first_three_columns(tmp_path: Path, name: str, columns: int) -> None:
    values = rows(columns=columns)
    values.tofile(tmp_path / name)
    np.testing.assert_array_equal(read_file(SECTION, tmp_path / name), values[:, :3])


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    rows(count=16, columns=5).tofile(path)  # 320 bytes: 20 rows of four values as well
    with refused(path, "reflectance"):
        read_file(SECTION, path)
    path.write_bytes(rows().tobytes()[:-1])
    with refused(path, "255 bytes"):
        read_file(SECTION, path)
    path.write_bytes(b"")
    with refused(path, "no points"):
        read_file(SECTION, path)


def write_objects(folder: Path, frames: int = 60) -> None:
    folder.mkdir()
    for frame in range(frames):
        for number, name in enumerate(("Car", "Person_sitting")):
            rows(seed=2 * frame + number).tofile(folder / f"{frame:06d}_{name}_{number}.bin")
    (folder / "infos.pkl").write_bytes(b"")


def test_objects_of_one_scan_are_in_one_part(tmp_path: Path) -> None:
    folder = tmp_path / "gt_database"
    write_objects(folder)
    listing = list_objects(folder)
    assert listing.classes == ("Car", "Person_sitting")
    assert listing.unread == (("other names", 1),)
    parts: dict[str, set[str | None]] = {}
    for item in listing.items:
        parts.setdefault(item.id.partition("_")[0], set()).add(item.part)
    assert len(parts) == 60
    assert {len(names) for names in parts.values()} == {1}
    sizes = [sum(item.part == part for item in listing.items) / 120 for part in ("train", "val", "test")]
    np.testing.assert_allclose(sizes, [0.7, 0.1, 0.2], atol=0.12)


def test_a_folder_of_objects_is_read_as_one_set(tmp_path: Path) -> None:
    folder = tmp_path / "gt_database"
    write_objects(folder)
    assert guess_section(folder).modality == "point"
    recipe = own_recipe(guess_section(folder))
    assert recipe is not None
    assert (recipe.name, recipe.data.points) == ("point/lidar", 256)  # type: ignore[attr-defined]
    data = load_data(SECTION.model_copy(update={"folder": folder, "cache_folder": tmp_path / "cache"}), None, seed=0)
    assert data.classes == ("Car", "Person_sitting")
    assert sum(map(len, (data.train, data.validation, data.test))) == 120
