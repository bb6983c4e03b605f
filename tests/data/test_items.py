"""What folders and tables list, and what is said where they are faulty."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.items import class_folder_items, read_table, table_items
from crosspath.data.load import load_data
from crosspath.errors import InputError
from tests.data.files import class_folders, write_image


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
    found = listed(tmp_path)
    assert found["train/cat/1.txt"] == ("train", "cat")
    assert found[f"{folder}/dog/0.txt"] == (part, "dog")
    assert len(found) == 6


def test_a_part_may_lack_a_class_but_training_may_not(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", touch, ".txt")
    class_folders(tmp_path / "test", touch, ".txt", classes=("cat",))
    assert len(listed(tmp_path)) == 18
    class_folders(tmp_path / "val", touch, ".txt", classes=("eel",))
    with pytest.raises(InputError, match=r"train/eel: expected texts \(\.txt\), found none; fill the folder or remove"):
        listed(tmp_path)


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected class folders with texts, found none"):
        listed(tmp_path)
    with pytest.raises(InputError, match=r"absent: expected a folder of class folders with texts, found none"):
        listed(tmp_path / "absent")
    class_folders(tmp_path, touch, ".txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: expected texts"):
        listed(tmp_path)


def write_table(folder: Path, text: str, files: str = "abcd") -> Path:
    for name in files:
        touch(folder / f"{name}.txt")
    (folder / "t.csv").write_text(text)
    return folder


def rows(folder: Path, split: str | None = None) -> list[tuple[str, str, str | None]]:
    listing = table_items(folder, "t.csv", "file", "label", split)
    return [(item.id, listing.classes[item.label], item.part) for item in listing.items]


def test_a_table_lists_files_labels_and_parts(tmp_path: Path) -> None:
    text = "\ufefflabel, file ,split\n\ncat,a.txt,train\n dog ,b.txt, Validation\ncat,c.txt,TEST\n"
    write_table(tmp_path, text)
    assert rows(tmp_path, "split") == [("a.txt", "cat", "train"), ("b.txt", "dog", "val"), ("c.txt", "cat", "test")]
    assert {part for _, _, part in rows(tmp_path)} == {None}


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (("10", "9", "1"), ("1", "9", "10")),
        (("bb", "a", "ccc"), ("a", "bb", "ccc")),
        (("zoo", "b10", "b9"), ("b10", "b9", "zoo")),
        (("x", "10", "9"), ("9", "10", "x")),
    ],
)
def test_classes_are_sorted_numbers_by_value(tmp_path: Path, labels: tuple[str, ...], order: tuple[str, ...]) -> None:
    text = "file,label\n" + "".join(f"{name}.txt,{label}\n" for name, label in zip("abc", labels, strict=True))
    assert table_items(write_table(tmp_path, text), "t.csv", "file", "label", None).classes == order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,label\na.txt,x\n", r"t\.csv row 1: expected columns file, split, found path, label;"),
        ("", r"t\.csv row 1: expected columns file, label, split, found no header"),
        ("file,label,split\n", r"t\.csv row 2: expected a row for each file, found none"),
        ("file,label,split\na.txt,x,train\nz.txt,x,test\n", r"t\.csv row 3: .*found z\.txt, which is missing"),
        ("file,label,split\na.txt,x,train\nb.txt,x,holdout\n", r"row 3: expected train, val or test, found 'holdout'"),
        ("file,label,split\na.txt,x\n", r"t\.csv row 2: expected 3 values, found fewer"),
        ("file,label,split\na.txt,,train\n", r"t\.csv row 2: expected a label, found none"),
        ("file,label,split\na.txt,x,train\nb.txt,x,val\na.txt,x,test\n", r"row 4: .*a\.txt, named in row 2 too"),
        ("file,label,split\n,x,train\n", r"t\.csv row 2: .*which is missing"),
    ],
)
def test_a_faulty_table_names_its_row(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        rows(write_table(tmp_path, text), "split")
    assert "\n" not in str(caught.value)


def test_a_table_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.csv: expected a csv file, found none"):
        list(read_table(tmp_path / "t.csv", ()))
    (tmp_path / "t.csv").write_bytes("file,label\nä.txt,x\n".encode("latin-1"))
    with pytest.raises(InputError, match="expected a csv in UTF-8"):
        list(read_table(tmp_path / "t.csv", ("file",)))


def test_rows_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file,note\na,"two\nlines"\n\nb,x\n')
    assert [(line, row["file"]) for line, row in read_table(tmp_path / "t.csv", ("file",))] == [(3, "a"), (5, "b")]


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
