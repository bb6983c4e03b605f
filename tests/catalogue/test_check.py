"""Verified folders: what is missing, what is damaged, and which set a folder is."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from crosspath.catalogue.check import CheckReport, Fault, check, guess_section, own_recipe, recognise_set
from crosspath.catalogue.sets import PUBLISHED_SETS
from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from tests.data.coco import write_coco
from tests.data.files import (
    class_folders,
    cut_in_half,
    listing_of,
    write_clip,
    write_cloud,
    write_image,
    write_sound,
    zipped,
)
from tests.data.layouts import Own, cloud_parts, masks
from tests.errors import refused

ESC10 = AudioData(dataset="esc10", frames=8, mels=8)


def small_clip(path: Path, seed: int) -> None:
    write_clip(path, [seed * 5, 200])


OWN = {
    "image": (write_image, ".jpg", ImageData),
    "audio": (write_sound, ".wav", AudioData),
    "point": (write_cloud, ".npy", PointData),
    "video": (small_clip, ".mp4", VideoData),
}


@pytest.fixture
def esc10(tmp_path: Path) -> Path:
    """The layout of ESC-10 in small: a recording of each of two classes in each fold."""
    folder = tmp_path / "esc10"
    for name in ("meta", "audio"):
        (folder / name).mkdir(parents=True)
    rows = ["filename,fold,target,category"]
    for fold in range(1, 6):
        for target, category in ((0, "dog"), (1, "rooster")):
            write_sound(folder / "audio" / f"{fold}-{target}.ogg", seed=fold, seconds=0.2)
            rows.append(f"{fold}-{target}.ogg,{fold},{target},{category}")
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows))
    return folder


def checked(folder: Path, *sections: Data) -> CheckReport:
    return check(folder, recognise_set(folder), sections)


def test_a_whole_folder_has_no_faults_and_is_not_touched(esc10: Path) -> None:
    before = listing_of(esc10)
    reports: list[tuple[int, int]] = []
    actual = check(esc10, PUBLISHED_SETS["esc10"], [ESC10], lambda done, total: reports.append((done, total)))
    assert (actual.folder, actual.set, actual.modality) == (str(esc10), "esc10", "audio")
    assert (actual.classes, actual.faults, actual.refusal) == (2, (), None)
    assert actual.samples == {"train": 6, "val": 2, "test": 2}
    assert actual.used == {"train": 6, "validation": 2, "test": 2}
    assert reports == [(done, 10) for done in range(1, 11)]
    assert listing_of(esc10) == before


def test_every_damaged_file_is_listed_with_a_reason(esc10: Path) -> None:
    cut_in_half(esc10 / "audio" / "2-0.ogg")
    (esc10 / "audio" / "4-1.ogg").write_bytes(b"")
    actual = checked(esc10, ESC10)
    assert [fault.path for fault in actual.faults] == ["audio/2-0.ogg", "audio/4-1.ogg"]
    assert "no complete end-of-stream page" in actual.faults[0].reason
    assert all("\n" not in fault.reason for fault in actual.faults)
    assert sum(actual.samples.values()) == 10


def test_missing_pieces_are_all_listed(esc10: Path) -> None:
    shutil.rmtree(esc10 / "audio")
    (esc10 / "meta" / "esc50.csv").unlink()
    actual = checked(esc10, ESC10)
    assert [fault.path for fault in actual.faults[:2]] == ["meta/esc50.csv", "audio/*"]
    assert actual.faults[0].reason.startswith("missing: one row for each recording")
    assert actual.samples == {}


def test_a_faulty_table_is_a_fault_with_its_row(esc10: Path) -> None:
    (esc10 / "audio" / "3-1.ogg").unlink()
    (fault,) = checked(esc10, ESC10).faults
    assert fault == Fault("meta/esc50.csv row 7", "expected the name of a file, found 3-1.ogg, which is missing")


def test_missing_files_of_a_json_list_are_all_listed(tmp_path: Path) -> None:
    folder = tmp_path / "esc50"
    folder.mkdir()
    (folder / "esc_class_labels_indices.csv").write_text("index,mid,display_name\n0,/m/a,dog\n1,/m/b,pig\n")
    for fold in range(1, 6):
        entries = [{"wav": f"{fold}-{label}.wav", "labels": f"/m/{'ab'[label]}"} for label in (0, 1)]
        (folder / f"esc_eval_data_{fold}.json").write_text(json.dumps({"data": entries}))
        write_sound(folder / f"{fold}-0.wav", seconds=0.1)
    actual = checked(folder, AudioData(dataset="esc50", frames=8, mels=8))
    assert sorted(fault.path for fault in actual.faults) == [f"{fold}-1.wav" for fold in range(1, 6)]
    assert all("missing" in fault.reason for fault in actual.faults)
    assert sum(actual.samples.values()) == 5


def test_a_zip_member_is_named_inside_its_zip(tmp_path: Path) -> None:
    for part in ("train", "test"):
        class_folders(tmp_path / part, write_image, ".png", per_class=2)
    (tmp_path / "test" / "dog" / "1.png").write_bytes(b"no picture")
    (tmp_path / "cifar10").mkdir()
    for part in ("train", "test"):
        zipped(tmp_path / part, tmp_path / "cifar10" / f"{part}.zip", f"{part}/")
    actual = checked(tmp_path / "cifar10", ImageData(dataset="cifar10"))
    assert actual.samples == {"train": 4, "test": 4}
    (fault,) = actual.faults
    assert fault.path == "test.zip/test/dog/1.png"


def test_every_row_of_an_array_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "modelnet10"
    folder.mkdir()
    (folder / "shape_names.txt").write_text("bed\nsofa\n")
    for part in ("train", "test"):
        (folder / f"{part}_files.txt").write_text(f"{part}.h5\n")
        with h5py.File(folder / f"{part}.h5", "w") as file:
            clouds = np.random.default_rng(0).standard_normal((4, 32, 3))
            clouds[2 if part == "test" else slice(0)] = np.nan
            file["data"], file["label"] = clouds, np.array([[0], [1], [0], [1]])
    (fault,) = checked(folder, PointData(dataset="modelnet10", points=16)).faults
    assert fault.path == "test.h5"
    assert "row 2" in fault.reason


def test_variants_of_a_set_are_read_one_by_one_and_a_file_only_once(tmp_path: Path) -> None:
    folder = tmp_path / "scanobjectnn"
    (folder / "main_split").mkdir(parents=True)
    for part in ("training", "test"):
        with h5py.File(folder / "main_split" / f"{part}_objectdataset_augmentedrot_scale75.h5", "w") as file:
            file["data"], file["label"] = np.random.default_rng(0).standard_normal((3, 32, 3)), np.arange(3)
    hardest = PointData(dataset="scanobjectnn-hardest", points=16)
    actual = checked(folder, hardest, hardest)
    assert actual.faults == ()
    assert actual.samples == {"train": 3, "test": 3}
    assert PUBLISHED_SETS["scanobjectnn"].here(folder) == ("scanobjectnn-hardest",)
    both = checked(folder, hardest, PointData(dataset="scanobjectnn-objbg", points=16))
    assert [fault.path for fault in both.faults] == ["main_split/training_objectdataset.h5"]
    assert both.samples == actual.samples


def test_classes_without_a_training_pixel_are_noted(tmp_path: Path) -> None:
    section = ImageData(folder=tmp_path, stream=True, label_kind="dense")
    masks(Own(tmp_path / "own", "image"), foreground=255, classes=("ground", "sea", "cat"))
    first, second, third = checked(tmp_path / "own", section).notes
    assert (first, second) == ("class sea has no training pixel", "class cat has no training pixel")
    assert "pixels of 255 are not labelled" in third
    for path in (tmp_path / "own" / "annotations").iterdir():
        mask = np.array(Image.open(path))
        Image.fromarray(np.where(mask == 255, 1, mask).astype(np.uint8)).save(path)
    assert checked(tmp_path / "own", section).notes == ("class cat has no training pixel",)


def test_parts_without_a_training_point_are_noted(tmp_path: Path) -> None:
    cloud_parts(Own(tmp_path / "own", "point"))
    section = PointData(points=16, label_kind="dense", parts=((0, 1), (0, 1, 2)))
    assert checked(tmp_path / "own", section).notes == ("part 2 of dog has no training point",)


@pytest.mark.parametrize("modality", OWN)
def test_a_folder_of_ones_own_is_read_by_its_modality(modality: str, tmp_path: Path) -> None:
    write, suffix, section = OWN[modality]
    folder = class_folders(tmp_path / "own", write, suffix, per_class=3)
    (folder / "notes.txt").write_text("x")
    found_section = guess_section(folder)
    assert type(found_section) is section
    assert recognise_set(folder) is None
    assert checked(folder, found_section).samples == {"unsplit": 6}
    cut_in_half(folder / "dog" / f"2{suffix}", 0.4)
    (fault,) = checked(folder, found_section).faults
    assert fault.path == f"dog/2{suffix}"


@pytest.mark.parametrize("layout", ["published", "parts", "one file"])
def test_pictures_with_boxes_are_recognised(layout: str, tmp_path: Path) -> None:
    write_coco(tmp_path, {"train": 2, "val": 1})
    if layout == "parts":
        for part in ("train", "val"):
            (tmp_path / f"annotations/instances_{part}.json").rename(tmp_path / part / "_annotations.coco.json")
    if layout == "one file":
        (tmp_path / "annotations/instances_train.json").rename(tmp_path / "boxes.json")
        (tmp_path / "annotations/instances_val.json").unlink()
    recipe = own_recipe(guess_section(tmp_path))
    assert recipe is not None
    assert (recipe.name, recipe.data.label_kind) == ("image/boxes", "boxes")


def test_class_folders_beside_json_without_boxes_are_class_folders(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".png")
    for annotations in ([], [{"id": 1, "image_id": 1, "category_id": 1}]):
        tree = {"images": [], "annotations": annotations, "categories": [{"id": 1, "name": "dog"}]}
        (folder / "list.json").write_text(json.dumps(tree))
        recipe = own_recipe(guess_section(folder))
        assert recipe is not None
        assert recipe.name == "image/folder"


def test_a_zip_of_ones_own_is_read(tmp_path: Path) -> None:
    archive = zipped(class_folders(tmp_path / "own", write_image, ".png"), tmp_path / "own.zip")
    assert recognise_set(archive) is None
    assert checked(archive, guess_section(archive)).samples == {"unsplit": 12}


def test_of_generated_samples_no_folder_is_checked(tmp_path: Path) -> None:
    with refused(tmp_path, "files", "digits", "--recipe"):
        checked(tmp_path, ImageData(dataset="digits"))


def test_a_folder_without_media_is_refused(tmp_path: Path) -> None:
    with refused("", "found none", "--recipe"):
        guess_section(tmp_path)
    with refused("absent", "found none"):
        recognise_set(tmp_path / "absent")


def test_a_known_set_is_recognised_by_its_folder(esc10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recognise_set(esc10) is PUBLISHED_SETS["esc10"]
    monkeypatch.chdir(esc10)
    assert recognise_set(Path()) is PUBLISHED_SETS["esc10"]
    assert checked(Path(), ESC10).faults == ()
    monkeypatch.chdir(esc10 / "audio")
    assert recognise_set(Path("..")) is PUBLISHED_SETS["esc10"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "esc10").symlink_to(esc10)
    assert checked(tmp_path / "elsewhere" / "esc10", ESC10).faults == ()


def zips(folder: Path, classes: tuple[str, ...]) -> Path:
    """`train.zip` and `test.zip` of class folders."""
    folder.mkdir()
    for part in ("train", "test"):
        class_folders(folder.parent / f"{folder.name}_files" / part, write_image, ".png", classes, per_class=1)
        zipped(folder.parent / f"{folder.name}_files" / part, folder / f"{part}.zip", f"{part}/")
    return folder


def test_a_known_set_under_another_name_is_reported_its_name(tmp_path: Path) -> None:
    folder = zips(tmp_path / "pictures", ("airplane", "truck"))
    with refused("pictures", "cifar10"):
        recognise_set(folder)
    with refused("pictures", "cifar10"):
        check(folder, None, [ImageData(dataset="cifar10")])


def test_other_sets_in_the_layout_of_a_published_one_are_not_taken_for_it(tmp_path: Path) -> None:
    assert recognise_set(zips(tmp_path / "tiny", ("goldfish", "toad"))) is None
    with refused("tiny", "2 .zip", "unpack"):
        guess_section(tmp_path / "tiny")
    others = {
        "songs": {"metadata.csv": "filename,genre,split\n", "recordings/0.wav": ""},
        "lips": {"clips.csv": "file,word\n", "words.csv": "word\n", "videos/a.mp4": ""},
        "chairs": {"shape_names.txt": "stool\n", "train_files.txt": "", "test_files.txt": "", "a.h5": ""},
        "calls": {"validation_list.txt": "owl/0.wav\n", "testing_list.txt": "", "owl/0.wav": ""},
    }
    for name, files in others.items():
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        assert recognise_set(tmp_path / name) is None, name


@pytest.mark.parametrize("name", ["ucf101", "imagenet", "fsdd", "esc50", "modelnet10"])
def test_class_folders_with_the_name_of_a_published_set_are_ones_own(tmp_path: Path, name: str) -> None:
    write, suffix, section = OWN[PUBLISHED_SETS[name].modality]
    folder = class_folders(tmp_path / name, write, suffix, per_class=3)
    assert recognise_set(folder) is None
    assert recognise_set(tmp_path) is None, "a folder that holds one is no data root of published sets"
    assert isinstance(guess_section(folder), section)


def test_parts_of_ones_own_with_the_name_of_imagenet_are_ones_own(tmp_path: Path) -> None:
    for part in ("train", "val"):
        class_folders(tmp_path / "imagenet" / part, write_image, ".jpg", per_class=1)
    assert recognise_set(tmp_path / "imagenet") is None
    for part in ("train", "val"):
        (tmp_path / "imagenet" / part / "cat").rename(tmp_path / "imagenet" / part / "n01440764")
    assert recognise_set(tmp_path / "imagenet") is PUBLISHED_SETS["imagenet"]


def test_notes_beside_pictures_do_not_make_them_clouds(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "own", write_image, ".jpg")
    for path in folder.glob("*/*.jpg"):
        path.with_suffix(".txt").write_text("0 0.5 0.5 0.1 0.1")
    (folder / "licence.txt").write_text("x")
    assert guess_section(folder).modality == "image"
    for path in folder.glob("*/*.jpg"):
        path.unlink()
    assert guess_section(folder).modality == "point"


@pytest.mark.parametrize("name", ["cifar10", "esc10", "fsdd", "grid_s1", "modelnet10"])
def test_the_real_sets_are_recognised_under_any_name(name: str, data_root: Path, tmp_path: Path) -> None:
    assert recognise_set(data_root / name) is PUBLISHED_SETS[name]
    (tmp_path / "other").symlink_to(data_root / name)
    if name == "esc10":  # two sets have its files
        assert recognise_set(tmp_path / "other") is None
        return
    with refused("other", name):
        recognise_set(tmp_path / "other")


def test_a_data_root_is_reported_from_a_set(esc10: Path) -> None:
    with refused("", "esc10"):
        recognise_set(esc10.parent)


def test_class_folders_in_parts_are_not_taken_for_a_known_set(tmp_path: Path) -> None:
    for part in ("train", "val"):
        class_folders(tmp_path / "own" / part, write_image, ".jpg", per_class=1)
    assert recognise_set(tmp_path / "own") is None


def test_of_the_real_esc10_only_the_recording_that_lost_its_end_is_bad(data_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "esc10"
    (copy / "audio").mkdir(parents=True)
    shutil.copytree(data_root / "esc10" / "meta", copy / "meta")
    files = sorted((data_root / "esc10" / "audio").iterdir())
    for path in files:
        (copy / "audio" / path.name).symlink_to(path)
    damaged = copy / "audio" / files[7].name
    damaged.unlink()
    damaged.write_bytes(files[7].read_bytes()[:-100])
    actual = checked(copy, ESC10)
    assert [fault.path for fault in actual.faults] == [f"audio/{files[7].name}"]
    assert actual.samples == {"train": 240, "val": 80, "test": 80}
    assert sum(actual.samples.values()) == sum(PUBLISHED_SETS["esc10"].samples.values())
