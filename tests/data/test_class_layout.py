"""Which files are samples, which are said to be unread, and which layouts are refused with advice that works."""

import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from crosspath.data.folder_tree import suffix_of
from crosspath.data.folders import class_folder_items
from crosspath.data.items import Listing
from crosspath.data.readers.zip_folders import list_zip, parts_of
from tests.data.files import zipped
from tests.errors import refused

NFC, NFD = (unicodedata.normalize(form, "éclair") for form in ("NFC", "NFD"))


def fill(root: Path, *names: str) -> Path:
    """Empty files, and folders where a name ends in a slash."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if name.endswith("/") else path.touch()
    return root


def listed(root: Path) -> Listing:
    return class_folder_items(root, (".png", ".jpg"), "images")


def places(listing: Listing) -> dict[str, tuple[str | None, str]]:
    """{id: (part, class)}."""
    return {item.id: (item.part, listing.classes[item.label]) for item in listing.items}


@pytest.mark.parametrize("name", ["train", "Test", "val", "valid", "VALIDATION", "training", "testing"])
@pytest.mark.parametrize("archive", [False, True])
def test_a_class_named_as_a_part_is_refused_and_the_advice_works(tmp_path: Path, name: str, archive: bool) -> None:
    root = fill(tmp_path / "own", "bus/0.png", "car/0.png", f"{name}/0.png", f"{name}/express/1.png")
    read = (lambda: list_zip(zipped(root, tmp_path / "own.zip"), None, (".png",))) if archive else lambda: listed(root)
    with refused("own.zip" if archive else root, f"{name} beside bus, car", f"{name}_class") as caught:
        read()
    (root / name).rename(root / f"{name}_class")
    assert f"{name}_class" in caught.value.todo
    assert len(read().classes) == 3
    assert len(read().items) == 4


@pytest.mark.parametrize("stray", ["annotations", "extra", "dev", "unlabelled"])
def test_parts_with_a_stray_folder_are_refused_and_the_advice_works(tmp_path: Path, stray: str) -> None:
    root = fill(tmp_path / "own", "train/a/0.png", "train/b/0.png", "val/a/1.png", "val/b/1.png", f"{stray}/2.png")
    with refused(root, f"train, val beside {stray}", f"move {stray} out of {root}"):
        listed(root)
    (root / stray).rename(tmp_path / stray)
    assert {part for part, _ in places(listed(root)).values()} == {"train", "val"}


def test_parts_without_train_and_two_folders_of_a_part_are_refused(tmp_path: Path) -> None:
    held_out = fill(tmp_path / "held_out", "val/a/0.png", "test/a/0.png")
    with refused(held_out, "only test, val"):
        listed(held_out)
    twice = fill(tmp_path / "twice", "train/a/0.png", "val/a/0.png", "valid/a/1.png")
    with refused(twice, "val and valid"):
        listed(twice)
    (twice / "valid" / "a" / "1.png").rename(twice / "val" / "a" / "1.png")
    shutil.rmtree(twice / "valid")
    assert len(listed(twice).items) == 3


@pytest.mark.parametrize("inside", [(), ("0.png", "1.png")])
def test_a_part_without_class_folders_is_refused_and_the_advice_works(tmp_path: Path, inside: tuple[str, ...]) -> None:
    root = fill(tmp_path / "own", "train/a/0.png", "train/b/0.png", "test/", *(f"test/{name}" for name in inside))
    with refused(root / "test", "2 .png" if inside else "found none", f"move test out of {root}"):
        listed(root)
    (root / "test").rename(tmp_path / "test")
    assert len(listed(root).items) == 2


def test_parts_inside_classes_are_refused_and_the_advice_works(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", *(f"{name}/{part}/0.png" for name in ("bed", "sofa") for part in ("train", "test")))
    with refused(root / "bed" / "test", root / "test" / "bed"):
        listed(root)
    for name in ("bed", "sofa"):
        for part in ("train", "test"):
            (root / part).mkdir(exist_ok=True)
            (root / name / part).rename(root / part / name)
        (root / name).rmdir()
    assert places(listed(root)) == {
        f"{part}/{name}/0.png": (part, name) for part in ("test", "train") for name in ("bed", "sofa")
    }


@pytest.mark.parametrize(("one", "other"), [("cat", "cat "), (NFC, NFD), (" cat", "cat")])
def test_class_folders_that_look_alike_are_refused(tmp_path: Path, one: str, other: str) -> None:
    root = fill(tmp_path / "own", f"{one}/0.png", f"{other}/1.png", "dog/0.png")
    if len({path.name for path in root.iterdir()}) < 3:
        pytest.skip("this file system takes the two names for one")
    with refused(root) as caught:
        listed(root)
    shown = [repr(name) if one.isascii() else ascii(name) for name in (one, other)]
    assert all(name in caught.value.found for name in shown)
    in_parts = fill(tmp_path / "parts", f"train/{one}/0.png", f"test/{other}/0.png", "train/dog/0.png")
    with refused(in_parts):
        listed(in_parts)


def test_classes_of_letters_in_both_cases_are_two_and_said(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", "a/0.png", "A/0.png")
    if len(list(root.iterdir())) < 2:
        pytest.skip("this file system takes the two names for one")
    listing = listed(root)
    assert listing.classes == ("A", "a")
    assert any("A and a" in note for note in listing.notes)


def test_files_that_are_not_read_are_counted_by_kind(tmp_path: Path) -> None:
    root = fill(
        tmp_path / "own",
        *("a/0.png", "a/1.heic", "a/2.HEIC", "a/LICENCE", "b/0.PNG", "b/deep/1.wav"),
        *("b/Thumbs.db", "b/desktop.ini", "a/.DS_Store", "__MACOSX/a/._0.png", "b/@eaDir/0.png", ".git/config"),
        *("readme.md", "cover.png"),
    )
    listing = listed(root)
    assert [item.id for item in listing.items] == ["a/0.png", "b/0.PNG"]
    expected = {
        ".heic": 2,
        "without suffix": 1,
        ".wav": 1,
        "hidden": 6,
        ".md beside the class folders": 1,
        ".png beside the class folders": 1,
    }
    assert dict(listing.unread) == expected
    inside = list_zip(zipped(root, tmp_path / "own.zip"), None, (".png", ".jpg"))
    assert dict(inside.unread) == expected


def test_the_remarks_name_sub_folders_blanks_and_archives(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", "cat/0.png", "dog /poodle/1.png", "dog /0.png", "cat/more.zip", "dog /rest.tar.gz")
    listing = listed(root)
    assert places(listing)["dog /poodle/1.png"] == (None, "dog ")
    notes = "\n".join(listing.notes)
    assert all(part in notes for part in ("dog  (poodle)", "'dog '", "cat/more.zip", "dog /rest.tar.gz"))
    assert dict(listing.unread) == {".zip": 1, ".gz": 1}
    assert listed(fill(tmp_path / "plain", "cat/0.png", "dog/0.png")).notes == ()


@pytest.mark.parametrize(
    ("inside", "values"),
    [
        ((), ["found none", "fill the folder"]),
        (("x.heic", "y.heic"), ["2 .heic", "convert"]),
        (("all.zip",), ["1 .zip", "unpack"]),
        ((".DS_Store",), ["found none"]),
    ],
)
def test_a_class_without_files_says_what_it_holds(tmp_path: Path, inside: tuple[str, ...], values: list[str]) -> None:
    root = fill(tmp_path / "own", "cat/0.png", "eel/", *(f"eel/{name}" for name in inside))
    with refused(root / "eel", *values):
        listed(root)


def test_a_folder_of_archives_is_to_be_unpacked(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", "train.zip", "test.zip")
    with refused(root, "2 .zip", "unpack"):
        listed(root)
    with refused(fill(tmp_path / "flat", "0.png"), "1 .png", "put the files"):
        listed(tmp_path / "flat")


def test_a_member_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for name in ("a/0.png", "b/0.png"):
            archive.writestr(name, b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/0.png", b"y")
    with refused(tmp_path / "own.zip" / "a" / "0.png"):
        list_zip(tmp_path / "own.zip", None, (".png",))


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "cats/0.png", "cats/old/1.png", "2.png", "dogs/0.png")
    root = fill(tmp_path / "own", "cat/9.png")
    (root / "cat" / "linked").symlink_to(store / "cats")
    (root / "cat" / "2.png").symlink_to(store / "2.png")
    (root / "dog").symlink_to(store / "dogs")
    assert places(listed(root)) == {
        "cat/2.png": (None, "cat"),
        "cat/9.png": (None, "cat"),
        "cat/linked/0.png": (None, "cat"),
        "cat/linked/old/1.png": (None, "cat"),
        "dog/0.png": (None, "dog"),
    }


@pytest.mark.parametrize("target", ["", "cat", "cat/deep"])
def test_a_link_to_a_folder_around_it_is_named_and_not_followed(tmp_path: Path, target: str) -> None:
    root = fill(tmp_path / "own", "cat/deep/0.png", "dog/0.png")
    (root / "cat" / "deep" / "again").symlink_to(root / target)
    listing = listed(root)
    assert len(listing.items) == 2
    assert any("cat/deep/again" in note and str(root / target) in note for note in listing.notes)


def link_the_other_class(root: Path) -> None:
    (root / "dog" / "mixed").symlink_to(root / "cat")


def link_a_file_of_the_other_class(root: Path) -> None:
    (root / "dog" / "8.png").symlink_to(root / "cat" / "0.png")


def link_a_class_under_a_second_name(root: Path) -> None:
    (root / "eel").symlink_to(root / "cat")


@pytest.mark.parametrize(
    "link", [link_the_other_class, link_a_file_of_the_other_class, link_a_class_under_a_second_name]
)
def test_a_file_that_links_make_two_samples_is_refused(tmp_path: Path, link: Callable[[Path], None]) -> None:
    root = fill(tmp_path / "own", "cat/0.png", "dog/1.png")
    link(root)
    with refused("", "cat/0.png"):
        listed(root)
    (link_path,) = [path for path in root.rglob("*") if path.is_symlink()]
    link_path.unlink()
    assert len(listed(root).items) == 2


def test_two_plain_copies_of_a_file_in_one_class_are_two_samples(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", "cat/0.png", "dog/1.png")
    (root / "dog" / "copy.png").hardlink_to(root / "dog" / "1.png")
    listing = listed(root)
    assert len(listing.items) == 3
    assert any("1 sample is a hard link" in note for note in listing.notes)


@pytest.mark.parametrize("copy", ["train/dog/2.png", "test/cat/2.png"])
def test_a_plain_copy_in_another_part_or_class_is_refused(tmp_path: Path, copy: str) -> None:
    root = fill(tmp_path / "own", "train/cat/0.png", "train/dog/1.png", "test/cat/3.png", "test/dog/4.png")
    (root / copy).hardlink_to(root / "train" / "cat" / "0.png")
    with refused("", "train/cat/0.png" if copy.startswith("train") else "test/cat/2.png"):
        listed(root)


def test_links_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    root = fill(tmp_path / "own", "cat/0.png", "dog/0.png")
    for name in ("1.png", "day2", "notes.md"):
        (root / "cat" / name).symlink_to(tmp_path / "gone" / name)
    listing = listed(root)
    assert [path.name for path, _ in listing.skipped_files] == ["1.png", "day2"]
    assert all(str(tmp_path / "gone") in reason for _, reason in listing.skipped_files)
    assert dict(listing.unread) == {".md": 1}
    (root / "eel").symlink_to(tmp_path / "gone")
    with refused(root / "eel", str(tmp_path / "gone")):
        listed(root)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *(
            ("a.JPG", ".jpg"),
            ("a.tar.gz", ".gz"),
            ("a", ""),
            (".jpg", ""),
            ("a.", ""),
            ("..a", ".a"),
            ("a .png", ".png"),
        ),
        *(("x.y/a", ""), ("x.y/a.b", ".b"), ("x/.b", ""), ("..", ""), ("", "")),
    ],
)
def test_suffixes_of_names(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    "name", ["a/b.png", "a//b", "./a/./b", "a/../b", "/a/b", "//a/b", "///a", "a/", "a\\b", " a / b", "", ".", "/"]
)
def test_parts_of_names_in_a_zip(name: str) -> None:
    assert parts_of(name) == PurePosixPath(name).parts


@pytest.mark.parametrize("tables", [(), ("list.csv",), ("list.csv", "more.csv")])
def test_a_folder_with_one_table_is_told_how_to_read_it(tables: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("a.wav", *tables):
        (tmp_path / name).touch()
    with refused(tmp_path, "1 .wav") as caught:
        class_folder_items(tmp_path, (".wav",), "recordings")
    assert ("data.csv=list.csv" in caught.value.todo) == (len(tables) == 1)


def test_back_slashes_in_a_zip_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for name in ("cat\\0.png", "dog\\0.png"):
            archive.writestr(name, "0")
    with refused("own.zip", "back-slashes", "cat\\0.png", "by /"):
        list_zip(tmp_path / "own.zip", None, (".png",))
