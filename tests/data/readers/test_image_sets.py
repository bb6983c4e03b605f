"""ImageNet's folders: class numbers, the three parts, and what is said where folders are incomplete."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from crosspath.config.data import ImageData
from crosspath.data.readers.image_sets import list_imagenet
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from tests.data.files import write_image
from tests.data.published_images import SYNSETS, write_imagenet
from tests.errors import refused

SECTION = ImageData(dataset="imagenet", image_size=8, validation_fraction=0.2)


def test_class_numbers_are_the_order_of_the_folders(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    listing = list_imagenet(root)
    for part, folder in (("train", "train"), ("test", "val")):
        expected = ImageFolder(str(root / "imagenet" / folder))
        assert list(listing.classes) == expected.classes
        actual = [(str(item.path), item.label) for item in listing.items if item.part == part]
        assert actual == expected.samples


def test_the_published_validation_folder_is_the_test_part_and_never_chooses_an_epoch(tmp_path: Path) -> None:
    data = load_data(SECTION, write_imagenet(tmp_path, per_class=10, held=3), 0)
    assert data.classes == SYNSETS
    assert np.bincount(data.train.labels).tolist() == [8, 8, 8]
    assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]
    assert np.bincount(data.test.labels).tolist() == [3, 3, 3]
    assert {name.split("/")[0] for name in data.test.ids} == {"val"}
    assert {name.split("/")[0] for name in data.train.ids + data.validation.ids} == {"train"}
    assert len(set(data.train.ids + data.validation.ids + data.test.ids)) == 39


@pytest.mark.parametrize("stream", [False, True])
def test_pictures_keep_their_labels(tmp_path: Path, stream: bool) -> None:
    section = SECTION.model_copy(update={"stream": stream})
    data = load_data(section, write_imagenet(tmp_path), 0)
    for part in (data.train, data.validation, data.test):
        assert [data.classes[label] for label in part.labels] == [name.split("/")[1] for name in part.ids]
        for sample, name in zip(part.inputs[:], part.ids, strict=True):
            np.testing.assert_array_equal(sample, read_file(section, tmp_path / "imagenet" / name))


def test_fault_a_class_missing_from_val_shifted_all_later_classes(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    shutil.rmtree(root / "imagenet" / "val" / SYNSETS[1])
    # What the fault is: the reader of folders that published code uses numbers each part by itself.
    assert ImageFolder(str(root / "imagenet" / "val")).class_to_idx[SYNSETS[2]] == 1
    with pytest.raises(InputError, match=rf"the same class folders .*1 in one of them only \({SYNSETS[1]}\)"):
        list_imagenet(root)


def test_pictures_of_val_that_were_not_sorted_into_folders_are_reported(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    for path in list((root / "imagenet" / "val").rglob("*.JPEG")):
        path.rename(root / "imagenet" / "val" / path.name)
    for folder in list((root / "imagenet" / "val").iterdir()):
        if folder.is_dir():
            folder.rmdir()
    with refused("val", "found none"):
        list_imagenet(root)


def test_the_unlabelled_test_folder_and_bookkeeping_are_left_alone(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    before = list_imagenet(root)
    (root / "imagenet" / "test").mkdir()
    write_image(root / "imagenet" / "test" / "ILSVRC2012_test_00000001.JPEG")
    (root / "imagenet" / "train" / ".ipynb_checkpoints").mkdir()
    (root / "imagenet" / "train" / SYNSETS[0] / "wget.log").write_text("x")
    after = list_imagenet(root)
    assert after.items == before.items
    assert dict(after.unread) == {".log": 1, "hidden": 1}


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_picture_that_a_link_puts_into_both_parts_is_refused(tmp_path: Path, link: str) -> None:
    root = write_imagenet(tmp_path)
    train, val = (sorted((root / "imagenet" / part / SYNSETS[0]).iterdir())[0] for part in ("train", "val"))
    val.unlink()
    getattr(val, link)(train)
    with refused(f"val/{SYNSETS[0]}/{val.name}", f"train/{SYNSETS[0]}/{train.name}"):
        list_imagenet(root)


def test_hard_links_within_a_part_are_noted_once(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    for part in ("train", "val"):
        first = sorted((root / "imagenet" / part / SYNSETS[0]).iterdir())[0]
        first.with_name("again.JPEG").hardlink_to(first)
    (note,) = list_imagenet(root).notes
    assert note.startswith("2 samples are hard links")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with refused("imagenet", "train/<class>/", "val/<class>/"):
        list_imagenet(tmp_path)
    (write_imagenet(tmp_path) / "imagenet" / "val").rename(tmp_path / "elsewhere")
    with refused("val", "folder", "class"):
        list_imagenet(tmp_path)
