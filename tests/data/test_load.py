"""From a `data` section to a data set: users' own folders, damaged files, few labels, the fingerprint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.config import apply_overrides
from crosspath.config.data import AudioData, Data, ImageData, PointData, TextData, VideoData
from crosspath.data.examples import DataSet
from crosspath.data.places import data_root as root_of
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from crosspath.recipes import recipe_named
from tests.data.files import class_folders, cut_in_half, write_clip, write_cloud, write_image, write_sound
from tests.errors import refused

Writer = Callable[[Path, int], None]


def small_clip(path: Path, seed: int) -> None:
    write_clip(path, [seed * 5, seed * 5 + 40, 200])


MODALITIES: dict[str, tuple[Data, Writer, str]] = {
    "image": (ImageData(image_size=8), write_image, ".jpg"),
    "audio": (AudioData(frames=8, mels=8), write_sound, ".ogg"),
    "point": (PointData(points=16), write_cloud, ".npy"),
    "video": (VideoData(frames=2, image_size=8), small_clip, ".mp4"),
}
every_modality = pytest.mark.parametrize("modality", MODALITIES)


def own_set(modality: str, folder: Path, **changes: Any) -> Data:
    section, write, suffix = MODALITIES[modality]
    class_folders(folder, write, suffix)
    return section.model_copy(update={"folder": folder, **changes})


def ids(data: DataSet) -> list[str]:
    return sorted(data.train.ids + data.validation.ids + data.test.ids)


@every_modality
def test_class_folders_of_ones_own(modality: str, tmp_path: Path) -> None:
    section = own_set(modality, tmp_path / "own")
    data = load_data(section, None, 0)
    suffix = MODALITIES[modality][2]
    assert data.modality == modality
    assert data.classes == ("cat", "dog")
    assert ids(data) == sorted(f"{name}/{number}{suffix}" for name in ("cat", "dog") for number in range(6))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 2, 2]
    for part in (data.train, data.validation, data.test):
        assert part.labels.dtype == np.int64
        assert [data.classes[label] for label in part.labels] == [name.split("/")[0] for name in part.ids]
        for sample, name in zip(part.inputs[:], part.ids, strict=True):
            one = read_file(section, tmp_path / "own" / name)
            assert one.dtype == sample.dtype
            np.testing.assert_array_equal(one, sample)


@every_modality
def test_folders_of_ones_own_may_name_the_parts(modality: str, tmp_path: Path) -> None:
    section, write, suffix = MODALITIES[modality]
    for part, count in (("train", 4), ("val", 1), ("test", 2)):
        class_folders(tmp_path / part, write, suffix, per_class=count)
    data = load_data(section.model_copy(update={"folder": tmp_path}), None, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 2, 4]
    assert {name.split("/")[0] for name in data.validation.ids} == {"val"}
    assert {name.split("/")[0] for name in data.test.ids} == {"test"}


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_table_of_ones_own(modality: str, tmp_path: Path) -> None:
    section, write, suffix = MODALITIES[modality]
    rows = ["clip,kind,part"]
    for number, part in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 2):
        write(tmp_path / f"{number}{suffix}", number)
        rows.append(f"{number}{suffix},{'ab'[number % 2]},{part}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    table = {"csv": "t.csv", "file_column": "clip", "label_column": "kind", "split_column": "part"}
    section = section.model_copy(update={"folder": tmp_path, **table})
    data = load_data(section, None, 0)
    assert data.classes == ("a", "b")
    assert data.test.ids == (f"6{suffix}", f"7{suffix}")
    assert data.test.labels.tolist() == [0, 1]
    with refused("t.csv row 1", "columns", "label"):
        load_data(section.model_copy(update={"label_column": "label"}), None, 0)
    unsplit = load_data(section.model_copy(update={"split_column": None}), None, 0)
    assert ids(unsplit) == ids(data)


@every_modality
def test_damaged_files_are_named_and_skipped_on_request(modality: str, tmp_path: Path) -> None:
    section = own_set(modality, tmp_path / "own")
    suffix = MODALITIES[modality][2]
    first, second, third = (
        tmp_path / "own" / name / f"{n}{suffix}" for name, n in (("cat", 1), ("cat", 4), ("dog", 0))
    )
    cut_in_half(first)
    second.write_bytes(b"")
    third.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError) as caught:
        load_data(section, None, 0)
    assert caught.value.where == str(first)
    assert caught.value.expected == f"a readable {modality} file"
    assert caught.value.found.endswith(" (and 2 more damaged files)")
    assert "--set data.skip_damaged=true" in caught.value.todo
    assert "\n" not in str(caught.value)
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert [file.path for file in data.damaged_files] == [first, second, third]
    assert all(file.reason for file in data.damaged_files)
    assert len(ids(data)) == 9
    assert f"cat/1{suffix}" not in ids(data)
    with pytest.raises(InputError, match=r"expected a readable .*choose another file"):
        read_file(section, first)


def test_one_damaged_file_is_not_counted(tmp_path: Path) -> None:
    section = own_set("image", tmp_path / "own")
    cut_in_half(tmp_path / "own" / "dog" / "5.jpg")
    with refused("5.jpg", "decoder") as caught:
        load_data(section, None, 0)
    assert "more damaged" not in str(caught.value)


def test_nothing_left_is_reported(tmp_path: Path) -> None:
    section = own_set("image", tmp_path / "own")
    for path in (tmp_path / "own").rglob("*.jpg"):
        path.write_bytes(b"")
    with refused("0.jpg", "11"):
        load_data(section, None, 0)
    with refused("own", "0", "samples", "part"):
        load_data(section.model_copy(update={"skip_damaged": True}), None, 0)


def test_a_set_too_small_to_hold_anything_out_is_refused(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, write_image, ".png", per_class=1)
    with refused("", "2", "0", "samples", "part"):
        load_data(ImageData(image_size=8, folder=folder), None, 0)


def test_a_file_that_cannot_be_opened_is_damaged(tmp_path: Path) -> None:
    section = own_set("image", tmp_path / "own", skip_damaged=True)
    loop = tmp_path / "own" / "cat" / "9.jpg"
    loop.write_bytes(b"x")
    import crosspath.data.readers.image as module

    opened = module.ImageReader.decode_file

    def refuse(self: module.ImageReader, path: Path) -> Any:
        if path == loop:
            raise PermissionError(13, "Permission denied")
        return opened(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.ImageReader, "decode_file", refuse)
        data = load_data(section, None, 0)
    assert [(file.path, file.reason) for file in data.damaged_files] == [
        (loop, "it cannot be read (Permission denied)")
    ]


@every_modality
def test_a_missing_file_or_a_folder_cannot_be_read(modality: str, tmp_path: Path) -> None:
    section, _, suffix = MODALITIES[modality]
    for path in (tmp_path / f"none{suffix}", tmp_path):
        with pytest.raises(InputError, match=f"expected a readable {modality} file, found") as caught:
            read_file(section, path)
        assert caught.value.where == str(path)


@every_modality
def test_a_folder_must_be_named(modality: str) -> None:
    with refused("data.folder", "found none", "--set", "data.folder=DIR"):
        load_data(MODALITIES[modality][0], None, 0)


def test_a_folder_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_set("image", tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(ids(load_data(ImageData(image_size=8, folder=Path("~/own")), None, 0))) == 12


def test_the_data_root_is_the_named_one_else_the_environments_else_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert root_of(tmp_path / "a") == tmp_path / "a"
    monkeypatch.setenv("CROSSPATH_DATA", str(tmp_path / "b"))
    assert root_of(None) == tmp_path / "b"
    monkeypatch.delenv("CROSSPATH_DATA")
    assert root_of(None).name == "crosspath"


def test_another_number_of_classes_than_stated_is_refused(tmp_path: Path) -> None:
    section = own_set("image", tmp_path, classes=3)
    with refused("data.classes", "3", "2", "classes"):
        load_data(section, None, 0)


def test_the_parts_do_not_move_with_the_seed(tmp_path: Path) -> None:
    section = own_set("image", tmp_path)
    first, second = (load_data(section, None, seed) for seed in (0, 1))
    for part in ("train", "validation", "test"):
        assert getattr(first, part).ids == getattr(second, part).ids
    assert len(set(ids(first))) == 12


def test_few_labels_cut_training_only_and_by_the_seed(tmp_path: Path) -> None:
    section = own_set("image", tmp_path)
    few = section.model_copy(update={"labels_per_class": 2})
    whole = load_data(section, None, 0)
    drawn = [load_data(few, None, seed) for seed in range(6)]
    for data in drawn:
        assert np.bincount(data.train.labels).tolist() == [2, 2]
        assert set(data.train.ids) < set(whole.train.ids)
        assert data.validation.ids == whole.validation.ids
        assert data.test.ids == whole.test.ids
        assert data.fingerprint == whole.fingerprint
        assert data.notes == ()
    assert len({data.train.ids for data in drawn}) > 1
    assert load_data(few, None, 3).train.ids == drawn[3].train.ids


def test_a_smaller_class_gives_all_it_has_and_is_reported(tmp_path: Path) -> None:
    section = own_set("image", tmp_path, labels_per_class=3)
    for number in range(3):
        (tmp_path / "dog" / f"{number}.jpg").unlink()
    data = load_data(section, None, 0)
    assert np.bincount(data.train.labels).tolist() == [3, 1]
    assert data.notes == ("fewer than 3 labels of class dog (1), beside what validates and tests",)


def test_many_smaller_classes_are_one_note(tmp_path: Path) -> None:
    for label in range(9):
        (tmp_path / f"class{label}").mkdir()
        for number in range(4):
            (tmp_path / f"class{label}" / f"{number}.txt").write_text(f"text {label} {number}")
    section = TextData(folder=tmp_path, dataset="folder", labels_per_class=4)
    (note,) = load_data(section, None, 0).notes
    assert note.startswith("fewer than 4 labels of class class0 (")
    assert "and 4 more" in note


@pytest.mark.parametrize("few", [None, 2])
def test_a_class_that_lost_all_its_samples_is_reported(tmp_path: Path, few: int | None) -> None:
    section = own_set("image", tmp_path, skip_damaged=True, labels_per_class=few)
    for path in (tmp_path / "dog").iterdir():
        path.write_bytes(b"")
    expected = "no training sample of class dog" if few is None else "fewer than 2 labels of class dog (0)"
    (note,) = load_data(section, None, 0).notes
    assert note.startswith(expected)


def test_the_fingerprint_is_of_content_labels_and_split(tmp_path: Path) -> None:
    section = own_set("image", tmp_path / "first")
    first = load_data(section, None, 0).fingerprint
    assert load_data(own_set("image", tmp_path / "second"), None, 5).fingerprint == first
    fingerprints = {first}
    fingerprints.add(load_data(section.model_copy(update={"test_fraction": 0.4}), None, 0).fingerprint)
    fingerprints.add(load_data(section.model_copy(update={"image_size": 4}), None, 0).fingerprint)
    write_image(tmp_path / "first" / "cat" / "3.jpg", 222)
    fingerprints.add(load_data(section, None, 0).fingerprint)
    (tmp_path / "first" / "cat").rename(tmp_path / "first" / "cow")
    fingerprints.add(load_data(section, None, 0).fingerprint)
    assert len(fingerprints) == 5


OWN = ("image/folder", "image/masks", "image/boxes", "point/parts-folder")


@pytest.mark.parametrize(("recipe", "objective"), [*((name, None) for name in OWN), ("image/folder", "regression")])
def test_a_folder_that_is_missing_is_said_to_be(recipe: str, objective: str | None, tmp_path: Path) -> None:
    """Not what to write into it."""
    settings = [f"data.folder={tmp_path / 'nope'}", *([f"objective={objective}"] if objective else [])]
    section = apply_overrides(recipe_named(recipe), settings).data
    with refused(str(tmp_path / "nope"), "nothing there", "--data"):
        load_data(section, None, 0)
