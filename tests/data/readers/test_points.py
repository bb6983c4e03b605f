"""Clouds and meshes in every format, the ModelNet h5 layout, and damaged ones."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import trimesh

from crosspath.config.data import PointData
from crosspath.data.readers.points import PointReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from tests.data.files import class_folders, cut_in_half, write_cloud
from tests.errors import refused

SECTION = PointData(points=64)
TRIANGLE = "0 0 0\n1 0 0\n0 1 0\n"


def random_cloud(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3))


def normalised(points: np.ndarray) -> np.ndarray:
    points = points - points.mean(axis=0)
    return points / max(math_norm(point) for point in points)


def math_norm(point: np.ndarray) -> float:
    return float((point**2).sum() ** 0.5)


def damage_of(path: Path) -> str:
    """Why the file is refused, through the reading of a user's file."""
    with pytest.raises(InputError) as caught:
        read_file(SECTION, path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)
    return caught.value.found


def test_a_cloud_is_centred_and_scaled_into_the_unit_sphere(tmp_path: Path) -> None:
    cloud = random_cloud(64) * 7 + 3
    np.save(tmp_path / "a.npy", cloud)
    actual = read_file(SECTION, tmp_path / "a.npy")
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, normalised(cloud), atol=1e-6)


def test_coordinates_far_from_the_origin_keep_their_shape(tmp_path: Path) -> None:
    cloud = random_cloud(64)
    np.savetxt(tmp_path / "a.xyz", cloud + np.array([5e5, 5e6, 100]), fmt="%.6f")
    np.testing.assert_allclose(read_file(SECTION, tmp_path / "a.xyz"), normalised(cloud), atol=1e-5)


def test_a_large_cloud_is_thinned_without_repetition_and_a_small_one_repeats(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", random_cloud(500))
    large = read_file(SECTION, tmp_path / "large.npy")
    assert len(np.unique(large, axis=0)) == 64
    np.testing.assert_array_equal(large, read_file(SECTION, tmp_path / "large.npy"))
    np.save(tmp_path / "small.npy", random_cloud(10))
    small = read_file(SECTION, tmp_path / "small.npy")
    np.testing.assert_array_equal(small[:10], small[10:20])
    assert len(np.unique(small, axis=0)) == 10


def test_one_point_is_the_origin(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[3.0, 2.0, 1.0]]))
    assert not read_file(SECTION, tmp_path / "a.npy").any()


@pytest.mark.parametrize("name", ["a.txt", "a.XYZ", "a.pts"])
def test_text_may_have_commas_more_columns_comments_and_a_count(tmp_path: Path, name: str) -> None:
    cloud = random_cloud(64)
    rows = "\n".join(f"{x:.7f}, {y:.7f} ,{z:.7f},0,0,1" for x, y, z in cloud)
    (tmp_path / name).write_text(f"# x y z normals\n64\n\n{rows}\n")
    np.testing.assert_allclose(read_file(SECTION, tmp_path / name), normalised(cloud), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRIANGLE + "a b c\n", "row 4: expected numbers, found 'a b c'"),
        (TRIANGLE + "1 2\n", "row 4: expected x y z, found '1 2'"),
        (TRIANGLE + "0 0 nan\n", "not finite"),
        ("", "no points"),
        ("# nothing\n", "no points"),
    ],
)
def test_a_faulty_text_file_says_where(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert expected in damage_of(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[1, 2, None]], dtype=object), "allow_pickle"),
        (np.full((5, 3), np.nan), "not finite"),
        (np.zeros((5, 2)), "shape (5, 2)"),
        (np.zeros((0, 3)), "shape (0, 3)"),
        (np.zeros(3), "shape (3,)"),
        (np.zeros((5, 3), complex), "complex"),
        (np.array([["a", "b", "c"]]), "<U1"),
    ],
)
def test_an_array_that_is_no_cloud_is_damaged(tmp_path: Path, array: np.ndarray, expected: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert expected in damage_of(tmp_path / "a.npy")


def test_half_an_array_an_empty_one_and_an_archive_are_damaged(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", random_cloud(64))
    cut_in_half(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(b"")
    np.savez(tmp_path / "c.npz", points=random_cloud(64))
    (tmp_path / "c.npz").rename(tmp_path / "c.npy")
    for name in ("a.npy", "b.npy", "c.npy"):
        assert damage_of(tmp_path / name)


@pytest.mark.parametrize("suffix", [".off", ".ply", ".obj", ".stl", ".OFF"])
def test_points_of_a_mesh_lie_on_its_surface(tmp_path: Path, suffix: str) -> None:
    trimesh.creation.box((2, 2, 2)).export(tmp_path / f"a{suffix}", file_type=suffix[1:].lower())
    reader = PointReader(PointData(points=2048))
    actual = reader.decode_file(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(actual, reader.decode_file(tmp_path / f"a{suffix}"))
    # On a cube's surface the largest coordinate is the same everywhere, up to the small shift of the mean.
    largest = np.abs(actual).max(axis=1)
    assert largest.max() - largest.min() < 0.1
    assert np.linalg.norm(actual, axis=1).max() == pytest.approx(1.0, abs=1e-6)
    sides = np.bincount(
        np.abs(actual).argmax(axis=1) * 2 + (actual[np.arange(2048), np.abs(actual).argmax(axis=1)] > 0)
    )
    assert sides.min() > 2048 / 6 * 0.75


def test_the_broken_header_of_modelnet_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text(f"OFF3 1 0\n{TRIANGLE}3 0 1 2\n")
    actual = read_file(SECTION, tmp_path / "a.off")
    assert np.ptp(actual[:, 2]) == 0
    assert np.ptp(actual[:, 0]) > 0.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.off", f"OFF\n3 0 0\n{TRIANGLE}"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
        (
            "a.ply",
            "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
            f"end_header\n{TRIANGLE}",
        ),
    ],
)
def test_a_mesh_without_faces_gives_its_vertices(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    expected = normalised(np.resize(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), (64, 3)))
    np.testing.assert_allclose(read_file(SECTION, tmp_path / name), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.off", ""),
        ("a.off", "OFF\n0 0 0\n"),
        ("a.off", "OFF\n4 4 0\n0 0 0\n1 0 0\n"),
        ("a.off", "OFF\n3 1 0\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n"),
        ("a.off", f"OFF\n3 1 0\n{TRIANGLE}3 0 1 7\n"),
        ("a.obj", "# nothing\n"),
        ("a.ply", "ply\nformat ascii 1.0\n"),
        ("a.stl", "solid nothing\n"),
    ],
)
def test_a_mesh_that_cannot_be_read_is_damaged(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert damage_of(tmp_path / name)


def test_half_a_binary_mesh_is_damaged(tmp_path: Path) -> None:
    for suffix in (".ply", ".stl"):
        trimesh.creation.icosphere(2).export(tmp_path / f"a{suffix}")
        cut_in_half(tmp_path / f"a{suffix}")
        assert damage_of(tmp_path / f"a{suffix}")


def modelnet_folder(root: Path, rows: int = 8) -> Path:
    """Train: `rows` of two classes; test: half as many, every other one marked `in_train`."""
    folder = root / "modelnet10"
    folder.mkdir()
    (folder / "shape_names.txt").write_text("night stand\nsofa\n")
    for part, count in (("train", rows), ("test", rows // 2)):
        (folder / f"{part}_files.txt").write_text(f"data/modelnet10/ply_data_{part}0.h5\n")
        with h5py.File(folder / f"ply_data_{part}0.h5", "w") as file:
            file["data"] = np.stack([random_cloud(64, seed) for seed in range(count)]).astype(np.float16)
            file["label"] = (np.arange(count) // 2 % 2).astype(np.uint8)[:, None]
            if part == "test":
                file["in_train"] = np.arange(count) % 2
    return root


MODELNET = PointData(dataset="modelnet10", points=64)


def test_an_h5_file_in_both_lists_is_a_leak_and_refused(tmp_path: Path) -> None:
    folder = modelnet_folder(tmp_path) / "modelnet10"
    (folder / "test_files.txt").write_text("ply_data_train0.h5\n")
    with refused("test_files.txt row 1", "ply_data_train0.h5", "train_files.txt row 1"):
        load_data(MODELNET, tmp_path, 0)


def test_the_h5_layout_leaves_out_what_was_trained_on(tmp_path: Path) -> None:
    data = load_data(MODELNET, modelnet_folder(tmp_path), 0)
    assert data.classes == ("night stand", "sofa")
    assert data.test.ids == ("ply_data_test0.h5/0", "ply_data_test0.h5/2")
    assert data.test.labels.tolist() == [0, 1]
    assert len(data.train) + len(data.validation) == 8
    expected = normalised(random_cloud(64, 2).astype(np.float16).astype(np.float64))
    np.testing.assert_allclose(data.test.inputs[1], expected, atol=1e-6)


@pytest.mark.parametrize("key", ["label", "data"])
def test_an_h5_without_a_key_names_file_and_keys(tmp_path: Path, key: str) -> None:
    path = modelnet_folder(tmp_path) / "modelnet10" / "ply_data_test0.h5"
    with h5py.File(path, "a") as file:
        file["other"] = file[key]
        del file[key]
    with pytest.raises(InputError, match=rf"ply_data_test0\.h5: expected a dataset `{key}`, found .*in_train, .*other"):
        load_data(MODELNET, tmp_path, 0)


def test_faults_of_the_h5_layout_are_named(tmp_path: Path) -> None:
    folder = modelnet_folder(tmp_path) / "modelnet10"
    path = folder / "ply_data_train0.h5"
    whole = path.read_bytes()
    for fault, expected in (
        (lambda file: file["label"].__setitem__(3, 9), r"train0\.h5 row 3: expected a label below 2, found 9"),
        (lambda file: (file.__delitem__("label"), file.__setitem__("label", [0, 1])), "expected 8 labels, found 2"),
    ):
        path.write_bytes(whole)
        with h5py.File(path, "a") as file:
            fault(file)
        with pytest.raises(InputError, match=expected):
            load_data(MODELNET, tmp_path, 0)
    path.write_bytes(whole[: len(whole) // 2])
    with refused("ply_data_train0.h5", "damaged") as caught:
        load_data(MODELNET, tmp_path, 0)
    assert "\n" not in str(caught.value)
    for name, expected in (
        ("ply_data_train0.h5", "expected an h5 file, found none"),
        ("train_files.txt", "expected names of h5 files, one on each line, found none"),
        ("shape_names.txt", "expected class names, one on each line, found none"),
    ):
        (folder / name).unlink()
        with pytest.raises(InputError, match=rf"{name}: {expected}"):
            load_data(MODELNET, tmp_path, 0)


def test_a_row_that_is_not_finite_is_named_and_skipped_on_request(tmp_path: Path) -> None:
    path = modelnet_folder(tmp_path) / "modelnet10" / "ply_data_train0.h5"
    with h5py.File(path, "a") as file:
        file["data"][5, 7] = np.nan
    with refused("ply_data_train0.h5", "--set", "data.skip_damaged"):
        load_data(MODELNET, tmp_path, 0)
    data = load_data(MODELNET.model_copy(update={"skip_damaged": True}), tmp_path, 0)
    assert len(data.train) + len(data.validation) == 7
    assert data.damaged_files[0].reason.startswith("row 5")


def test_a_prepared_h5_set_is_read_without_h5py(tmp_path: Path) -> None:
    load_data(MODELNET, modelnet_folder(tmp_path), 0)
    code = (
        "import sys; sys.modules['h5py'] = None\n"
        "from pathlib import Path\n"
        "from crosspath.config.data import PointData\n"
        "from crosspath.modalities.load import load_data\n"
        f"print(len(load_data(PointData(dataset='modelnet10', points=64), Path({str(tmp_path)!r}), 0).test))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "2\n", ended.stderr


def test_clouds_in_class_folders(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", write_cloud, ".npy")
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / "._0.npy").write_bytes(b"x")
    data = load_data(SECTION.model_copy(update={"folder": folder}), None, 0)
    assert len(data.train) + len(data.validation) + len(data.test) == 12
    np.testing.assert_array_equal(data.train.inputs[0], read_file(SECTION, folder / data.train.ids[0]))


def test_modelnet10(data_root: Path) -> None:
    data = load_data(PointData(dataset="modelnet10"), data_root, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3586, 398, 836]
    assert data.classes == tuple((data_root / "modelnet10" / "shape_names.txt").read_text().split())
    clouds = data.test.inputs[:]
    assert clouds.shape == (836, 1024, 3)
    np.testing.assert_allclose(clouds.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(clouds, axis=2).max(axis=1), 1, atol=1e-5)
    with h5py.File(data_root / "modelnet10" / "ply_data_test0.h5") as file:
        kept = np.flatnonzero(np.asarray(file["in_train"]) == 0)
        np.testing.assert_array_equal(data.test.labels, np.asarray(file["label"])[kept, 0])
