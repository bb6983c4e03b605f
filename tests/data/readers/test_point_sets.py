"""ModelNet40, ScanObjectNN, ShapeNet-55 and ShapeNetPart as published, and the faults that published readers have."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from crosspath.config.data import PointData
from crosspath.data.readers.points import PointReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.files import listing_of
from tests.data.published_points import (
    MODELNET40,
    SHAPENETPART,
    cloud,
    write_modelnet40,
    write_scanobjectnn,
    write_shapenet55,
    write_shapenetpart,
)
from tests.errors import refused

NAMES = ("airplane", "night_stand", "xbox")


def section(dataset: str, points: int = 64, **fields: object) -> PointData:
    return PointData.model_validate({"dataset": dataset, "points": points, **fields})


def normalised(points: np.ndarray) -> np.ndarray:
    points = points - points.mean(axis=0)
    return points / np.sqrt((points**2).sum(axis=1)).max()


def ids_of(examples: object) -> set[str]:
    return set(examples.ids)  # type: ignore[attr-defined]


def test_modelnet40_reads_the_lists_and_the_coordinates(tmp_path: Path) -> None:
    write_modelnet40(tmp_path, NAMES, train=10, test=2)
    data = load_data(section("modelnet40"), tmp_path, 0)
    assert data.classes == NAMES
    assert ids_of(data.test) == {f"{name}/{name}_{number:04d}.txt" for name in NAMES for number in (11, 12)}
    assert np.bincount(data.validation.labels).tolist() == [1, 1, 1]
    assert np.bincount(data.train.labels).tolist() == [9, 9, 9]
    place = data.test.ids.index("night_stand/night_stand_0012.txt")
    assert data.test.labels[place] == 1
    # Six digits are written; the normals are left out.
    np.testing.assert_allclose(data.test.inputs[place], normalised(cloud(64, 1, 12)), atol=1e-5)


def test_classes_are_numbered_by_the_lines_of_the_names_and_may_be_empty(tmp_path: Path) -> None:
    write_modelnet40(tmp_path, used=2)
    data = load_data(section("modelnet40", classes=40), tmp_path, 0)
    assert data.classes == MODELNET40
    assert any(note.startswith("no training sample of class") and note.endswith("more") for note in data.notes)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "modelnet40_test.txt",
            "xbox_0003",
            "xbox_0009",
            "row 3: expected the name of a file, found xbox_0009.txt, whi",
        ),
        ("modelnet40_train.txt", "night_stand_0001", "nightstand_0001", "row 3: expected <class>_<number>"),
        ("modelnet40_test.txt", "xbox_0003", "xbox_0001", "row 3: expected every file once, found xbox_0001, also in"),
        ("modelnet40_train.txt", "airplane_0002", "airplane", "row 2: expected <class>_<number>"),
    ],
)
def test_a_faulty_row_of_modelnet40_is_named(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    path = write_modelnet40(tmp_path, NAMES) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_data(section("modelnet40"), tmp_path, 0)
    assert str(caught.value).startswith(f"{path} {expected}")


def test_a_damaged_cloud_of_modelnet40_is_named_with_its_row(tmp_path: Path) -> None:
    path = write_modelnet40(tmp_path, NAMES) / "xbox" / "xbox_0003.txt"
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace(",", ";")
    path.write_text("\n".join(lines))
    with refused("xbox_0003.txt", "5", "point", "row"):
        load_data(section("modelnet40"), tmp_path, 0)


def test_quick_and_careful_reading_of_text_give_the_same(tmp_path: Path) -> None:
    rows = cloud(64, 0, 0)
    text = "".join(f"{x!r},{y!r},{z!r},0,0,1\n" for x, y, z in rows.tolist())
    (tmp_path / "quick.txt").write_text(text)
    (tmp_path / "careful.txt").write_text(f"# a heading\n{text}")
    reader = PointReader(section("folder"))
    quick, careful = (reader.decode_file(tmp_path / f"{name}.txt") for name in ("quick", "careful"))
    np.testing.assert_array_equal(quick, careful)
    np.testing.assert_allclose(quick, normalised(rows), atol=1e-6)


class Loaded:
    """Raises wherever it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (exec, ("raise SystemExit('the pickle was loaded')",))


def test_pickled_caches_in_the_data_folder_are_neither_read_nor_written(tmp_path: Path) -> None:
    folder = write_modelnet40(tmp_path, NAMES)
    for part in ("train", "test"):
        with (folder / f"modelnet40_{part}_8192pts_fps.dat").open("wb") as file:
            pickle.dump(Loaded(), file)
    before = listing_of(tmp_path)
    data = load_data(section("modelnet40"), tmp_path, 0)
    assert len(data.train) + len(data.validation) == 6
    assert listing_of(tmp_path) == before


def test_clouds_are_not_normalised_in_place(tmp_path: Path) -> None:
    # Published readers normalise the arrays that they keep, which every epoch then does again.
    write_shapenet55(tmp_path, taxonomies=3)
    reader = PointReader(section("shapenet55"))
    items = reader.listing(tmp_path).items
    before = [np.load(item.path) for item in items]
    with reader.open_decoder() as decode:
        first = [decode(item) for item in items]
        for one, again in zip(first, [decode(item) for item in items], strict=True):
            np.testing.assert_array_equal(one, again)
    for item, stored in zip(items, before, strict=True):
        np.testing.assert_array_equal(np.load(item.path), stored)
    data = load_data(section("shapenet55"), tmp_path, 0)
    once = data.test.inputs[:].copy()
    np.testing.assert_array_equal(data.test.inputs[:], once)


def test_stored_points_are_kept_of_each_cloud(tmp_path: Path) -> None:
    write_shapenet55(tmp_path, taxonomies=3, points=100)
    for stored, count in ((60, 60), (250, 100)):
        data = load_data(section("shapenet55", points=20, stored_points=stored), tmp_path, 0)
        assert data.train.inputs.shape[1:] == (stored, 3)
        kept = data.test.inputs[0]
        assert len(np.unique(kept, axis=0)) == count
        np.testing.assert_allclose(kept.mean(axis=0), 0, atol=0.02 if stored > 100 else 1e-6)
        assert np.linalg.norm(kept, axis=1).max() == pytest.approx(1.0, abs=1e-6)


def test_fewer_stored_points_than_are_drawn_are_refused(tmp_path: Path) -> None:
    write_shapenet55(tmp_path, taxonomies=3)
    with refused("data.stored_points", "64", "data.points", "32"):
        load_data(section("shapenet55", stored_points=32), tmp_path, 0)


VARIANTS = {"objbg": "main_split", "objonly": "main_split_nobg", "hardest": "main_split"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_scanobjectnn_as_it_is_stored(tmp_path: Path, variant: str) -> None:
    folder = write_scanobjectnn(tmp_path, variant, train=10, test=2)
    assert folder.name == VARIANTS[variant]
    data = load_data(section(f"scanobjectnn-{variant}", classes=15, normalise=False), tmp_path, 0)
    assert data.classes[:3] == ("bag", "bin", "box")
    assert data.classes[-1] == "toilet"
    assert np.bincount(data.test.labels).tolist() == [2] * 15
    assert np.bincount(data.validation.labels).tolist() == [1] * 15
    with h5py.File(next(folder.glob("test_*.h5"))) as file:
        np.testing.assert_array_equal(data.test.inputs[:], np.asarray(file["data"]))
        np.testing.assert_array_equal(data.test.labels, np.asarray(file["label"]))


def test_scanobjectnn_can_be_normalised_and_both_are_kept_apart(tmp_path: Path) -> None:
    write_scanobjectnn(tmp_path, "objbg", classes=3)
    plain = load_data(section("scanobjectnn-objbg", normalise=False), tmp_path, 0)
    scaled = load_data(section("scanobjectnn-objbg"), tmp_path, 0)
    expected = normalised(np.asarray(plain.test.inputs[0], np.float64))
    np.testing.assert_allclose(scaled.test.inputs[0], expected, atol=1e-6)
    again = load_data(section("scanobjectnn-objbg", normalise=False), tmp_path, 0)
    np.testing.assert_array_equal(again.test.inputs[:], plain.test.inputs[:])


def test_variants_of_scanobjectnn_in_one_folder_are_not_confused(tmp_path: Path) -> None:
    for variant, train in (("objbg", 3), ("hardest", 5)):
        write_scanobjectnn(tmp_path, variant, train=train, classes=2)
    for variant, train in (("objbg", 3), ("hardest", 5)):
        data = load_data(section(f"scanobjectnn-{variant}"), tmp_path, 0)
        assert len(data.train) + len(data.validation) == 2 * train


def test_faults_of_scanobjectnn_are_named(tmp_path: Path) -> None:
    with refused("scanobjectnn", "main_split/", "main_split_nobg/"):
        load_data(section("scanobjectnn-objbg"), tmp_path, 0)
    folder = write_scanobjectnn(tmp_path, "objbg", classes=2)
    with refused("training_objectdataset.h5", "found none"):
        load_data(section("scanobjectnn-objonly"), tmp_path, 0)
    with h5py.File(folder / "test_objectdataset.h5", "a") as file:
        file["label"][1] = 15
    with refused("test_objectdataset.h5 row 1", "15"):
        load_data(section("scanobjectnn-objbg"), tmp_path, 0)


def test_a_prepared_scanobjectnn_is_read_without_h5py(tmp_path: Path) -> None:
    write_scanobjectnn(tmp_path, "objbg", classes=2)
    load_data(section("scanobjectnn-objbg"), tmp_path, 0)
    code = (
        "import sys; sys.modules['h5py'] = None\n"
        "from pathlib import Path\n"
        "from crosspath.config.data import PointData\n"
        "from crosspath.modalities.load import load_data\n"
        f"section = PointData(dataset='scanobjectnn-objbg', points=64)\n"
        f"print(len(load_data(section, Path({str(tmp_path)!r}), 0).test))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "2\n", ended.stderr


def test_shapenet55_is_labelled_by_taxonomy(tmp_path: Path) -> None:
    folder = write_shapenet55(tmp_path, taxonomies=4, train=10, test=2)
    lists = folder / "ShapeNet-55"
    lines = (lists / "train.txt").read_text().splitlines()
    (lists / "train.txt").write_text("\n".join(reversed(lines)))  # classes follow the numbers, not the list
    data = load_data(section("shapenet55"), tmp_path, 0)
    assert data.classes == ("02691156", "02692156", "02693156", "02694156")
    assert ids_of(data.test) == set((lists / "test.txt").read_text().splitlines())
    assert ids_of(data.train) | ids_of(data.validation) == set(lines)
    assert [data.classes[label] for label in data.test.labels] == [name.partition("-")[0] for name in data.test.ids]
    stored = np.load(folder / "shapenet_pc" / data.test.ids[3])
    np.testing.assert_allclose(data.test.inputs[3], normalised(stored.astype(np.float64)), atol=1e-6)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("02691156-nothing.npy", "row 2: expected the name of a file, found 02691156-nothing.npy, which is missing"),
        ("nothing.npy", "row 2: expected <taxonomy>-<model>.npy, found 'nothing.npy'"),
        (None, "row 2: expected every file once"),
    ],
)
def test_a_faulty_row_of_shapenet55_is_named(tmp_path: Path, new: str | None, expected: str) -> None:
    lists = write_shapenet55(tmp_path, taxonomies=2) / "ShapeNet-55"
    lines = (lists / "test.txt").read_text().splitlines()
    lines[1] = new or (lists / "train.txt").read_text().splitlines()[0]
    (lists / "test.txt").write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        load_data(section("shapenet55"), tmp_path, 0)
    assert str(caught.value).startswith(f"{lists / 'test.txt'} {expected}")


def test_shapenetpart_is_labelled_by_category_in_its_own_parts(tmp_path: Path) -> None:
    write_shapenetpart(tmp_path, train=3, val=2, test=1)
    data = load_data(section("shapenetpart", classes=16), tmp_path, 0)
    assert data.classes == tuple(SHAPENETPART)
    for part, count in ((data.train, 3), (data.validation, 2), (data.test, 1)):
        assert np.bincount(part.labels).tolist() == [count] * 16
    place = data.test.ids.index(f"03467517/{6:016x}{5:016x}.txt")
    assert data.classes[data.test.labels[place]] == "Guitar"
    np.testing.assert_allclose(data.test.inputs[place], normalised(cloud(64, 6, 5)), atol=1e-5)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["shape_data/02691156/none"], "row 1: expected the name of a file, found none.txt, which is missing"),
        (["shape_data/123/none"], "row 1: expected shape_data/<offset>/<id> with an offset"),
        (["none"], "row 1: expected shape_data/<offset>/<id> with an offset"),
        ({"a": 1}, "expected a JSON list of strings, found dict"),
        ([1], "expected a JSON list of strings, found list"),
    ],
)
def test_a_faulty_row_of_shapenetpart_is_named(tmp_path: Path, content: object, expected: str) -> None:
    path = write_shapenetpart(tmp_path) / "train_test_split" / "shuffled_val_file_list.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        load_data(section("shapenetpart"), tmp_path, 0)
    assert str(caught.value).removeprefix(f"{path}").lstrip(": ").startswith(expected)


def test_other_faults_of_shapenetpart_are_named(tmp_path: Path) -> None:
    folder = write_shapenetpart(tmp_path)
    path = folder / "train_test_split" / "shuffled_val_file_list.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    with refused("shuffled_val_file_list.json", "JSON", "shapes"):
        load_data(section("shapenetpart"), tmp_path, 0)
    path.unlink()
    with refused("shuffled_val_file_list.json", "found none"):
        load_data(section("shapenetpart"), tmp_path, 0)
    (folder / "synsetoffset2category.txt").write_text("Airplane 02691156\nBag\n")
    with refused("synsetoffset2category.txt row 2", "row"):
        load_data(section("shapenetpart"), tmp_path, 0)
