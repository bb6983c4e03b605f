"""PartNet's h5 files as published: lists, categories and levels, part 0 that counts nowhere."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.data.readers.points import PointReader
from crosspath.modalities.load import load_data
from tests.data.published_points import write_partnet
from tests.errors import refused


def section(**fields: object) -> PointData:
    values = {"dataset": "partnet", "category": "Chair", "points": 64, "label_kind": "dense", **fields}
    return PointData.model_validate(values)


def test_clouds_and_parts_are_read_from_every_listed_file(tmp_path: Path) -> None:
    folder = write_partnet(tmp_path)
    data = load_data(section(), tmp_path, 0)
    assert data.classes == ("Chair",)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [5, 2, 2]
    assert data.test.ids == ("Chair-3/test-00.h5/0", "Chair-3/test-00.h5/1")
    cloud = data.test.inputs[np.array([1])][0]
    with h5py.File(folder / "test-00.h5") as file:
        points, parts = np.asarray(file["data"][1]), np.asarray(file["label_seg"][1])
    centred = points - points.mean(0)
    expected = np.column_stack([centred / np.linalg.norm(centred, axis=1).max(), np.where(parts == 0, 255, parts)])
    order = np.lexsort(cloud[:, :3].T)
    np.testing.assert_allclose(cloud[order], expected[np.lexsort(expected[:, :3].T)], atol=1e-6)
    assert (cloud[:, 3] == NOT_LABELLED).sum() == 7


def test_points_beyond_the_stated_number_are_none(tmp_path: Path) -> None:
    folder = write_partnet(tmp_path)
    with h5py.File(folder / "val-00.h5", "a") as file:
        file["data_num"][0] = 40
    reader = PointReader(section())
    item = next(item for item in reader.listing(tmp_path).items if item.part == "val")
    with reader.open_decoder() as decode:
        assert (decode(item)[:, 3] == OUTSIDE).sum() == 24


def test_a_category_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    write_partnet(tmp_path)
    write_partnet(tmp_path, "Lamp", 1)
    for fields in ({"category": "Table"}, {"category": None}, {"level": 2}):
        with refused("sem_seg_h5", "data.category", "Chair-3", "Lamp-1"):
            PointReader(section(**fields)).listing(tmp_path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda file: file.pop("label_seg"), "label_seg"),
        (lambda file: (file.pop("label_seg"), file.__setitem__("label_seg", np.zeros((2, 3), np.uint8))), "(2, 3)"),
    ],
)
def test_a_faulty_file_is_named(tmp_path: Path, change, found: str) -> None:  # type: ignore[no-untyped-def]
    folder = write_partnet(tmp_path)
    with h5py.File(folder / "test-00.h5", "a") as file:
        change(file)
    with refused("test-00.h5") as caught:
        PointReader(section()).listing(tmp_path)
    assert found in str(caught.value)
    (folder / "test-00.h5").unlink()
    with refused("test_files.txt row 1"):
        PointReader(section()).listing(tmp_path)
