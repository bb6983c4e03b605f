"""Class folders list samples, and faulty ones are named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.folders import class_folder_items
from crosspath.data.items import file_stamp
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.files import class_folders, write_image
from tests.errors import refused


def touch(path: Path, seed: int = 0) -> None:
    path.write_text(str(seed))


def listed(folder: Path) -> dict[str, tuple[str | None, str]]:
    """{id: (part, class)} of the text files in class folders."""
    listing = class_folder_items(folder, (".txt",), "texts")
    return {item.id: (item.part, listing.classes[item.label]) for item in listing.items}


def test_class_folders_are_classes_in_alphabetical_order(tmp_path: Path) -> None:
    class_folders(tmp_path, touch, ".txt", classes=("b", "a", "c d"), per_class=1)
    assert listed(tmp_path) == {"a/0.txt": (None, "a"), "b/0.txt": (None, "b"), "c d/0.txt": (None, "c d")}
    assert class_folder_items(tmp_path, (".txt",), "texts").classes == ("a", "b", "c d")


def test_only_visible_files_of_the_kind_count_at_any_depth(tmp_path: Path) -> None:
    class_folders(tmp_path, touch, ".TXT", per_class=1)
    (tmp_path / "cat" / "deep" / "er").mkdir(parents=True)
    touch(tmp_path / "cat" / "deep" / "er" / "x.txt")
    (tmp_path / "dog" / "a_folder.txt").mkdir()
    for name in (".hidden.txt", "notes.md", ".DS_Store", "._0.txt"):
        touch(tmp_path / "dog" / name)
    for folder in (".git", "__MACOSX", "dog/.ipynb_checkpoints"):
        (tmp_path / folder).mkdir()
        touch(tmp_path / folder / "y.txt")
    touch(tmp_path / "stray.txt")
    assert list(listed(tmp_path)) == ["cat/0.TXT", "cat/deep/er/x.txt", "dog/0.TXT"]


@pytest.mark.parametrize(
    ("folder", "part"), [("val", "val"), ("valid", "val"), ("Validation", "val"), ("TEST", "test")]
)
def test_folders_may_name_the_parts(tmp_path: Path, folder: str, part: str) -> None:
    class_folders(tmp_path / "train", touch, ".txt", per_class=2)
    class_folders(tmp_path / folder, touch, ".txt", per_class=1)
    actual = listed(tmp_path)
    assert actual["train/cat/1.txt"] == ("train", "cat")
    assert actual[f"{folder}/dog/0.txt"] == (part, "dog")
    assert len(actual) == 6


def test_a_part_may_lack_a_class_but_training_may_not(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", touch, ".txt")
    class_folders(tmp_path / "test", touch, ".txt", classes=("cat",))
    assert len(listed(tmp_path)) == 18
    class_folders(tmp_path / "val", touch, ".txt", classes=("eel",))
    with refused("eel", "found none"):
        listed(tmp_path)


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    with refused("", "found none"):
        listed(tmp_path)
    with refused("absent", "found none"):
        listed(tmp_path / "absent")
    class_folders(tmp_path, touch, ".txt")
    (tmp_path / "empty").mkdir()
    with refused("empty"):
        listed(tmp_path)


@pytest.mark.parametrize("change", [lambda path: write_image(path, 9), lambda path: path.touch()])
def test_the_stamp_of_a_changed_file_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    class_folders(tmp_path, write_image, ".png", per_class=1)

    def stamps() -> list[str]:
        return [item.stamp for item in class_folder_items(tmp_path, (".png",), "images").items]

    before = stamps()
    assert stamps() == before
    change(tmp_path / "cat" / "0.png")
    after = stamps()
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize(
    ("section", "folder", "inside"),
    [
        (ImageData(dataset="cifar10"), "cifar10", "train.zip"),
        (AudioData(dataset="esc10"), "esc10", "meta/esc50.csv"),
        (AudioData(dataset="fsdd"), "fsdd", "metadata.csv"),
        (PointData(dataset="modelnet10"), "modelnet10", "train_files.txt"),
        (VideoData(dataset="grid"), "grid_s1", "words.csv"),
    ],
)
def test_a_missing_shipped_set_says_what_was_expected_and_what_to_do(
    tmp_path: Path, section: Data, folder: str, inside: str
) -> None:
    section = section.model_copy(update={"cache_folder": tmp_path / "cache"})
    with pytest.raises(InputError) as caught:
        load_data(section, tmp_path, 0)
    assert caught.value.where == str(tmp_path / folder)
    assert inside in caught.value.expected
    assert "--data DIR" in caught.value.todo
    assert "CROSSPATH_DATA" in caught.value.todo


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("modality", ["image", "audio", "point", "video"])
def test_a_pipe_is_no_sample_and_is_waited_for_nowhere(modality: str, tmp_path: Path) -> None:
    suffix = {"image": ".png", "audio": ".wav", "point": ".npy", "video": ".mp4"}[modality]
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "cat" / f"x{suffix}")
    for name in ("cat", "dog"):
        (tmp_path / name / f"y{suffix}").touch()
    listing = class_folder_items(tmp_path, (suffix,), modality)
    assert [item.id for item in listing.items] == [f"cat/y{suffix}", f"dog/y{suffix}"]
    assert listing.skipped_files == ((tmp_path / "cat" / f"x{suffix}", "a pipe or a device"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_listed_pipe_is_refused(tmp_path: Path) -> None:
    """The lists of published sets name files; all are stamped before they are opened."""
    os.mkfifo(tmp_path / "x.ply")
    with refused("x.ply", "pipe"):
        file_stamp(tmp_path / "x.ply")
