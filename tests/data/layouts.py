"""Folders as people bring them, whole and faulty, of every modality: what `data check` and a run must agree on."""

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.data.files import cut_in_half, write_clip, write_cloud, write_image, write_sound, zipped
from tests.data.published_masks import write_masked

SMALL = {
    "image": ("data.image_size=16", "augment.crop_padding=2"),
    "audio": ("data.frames=16", "data.mels=16", "augment.time_mask=2", "augment.mel_mask=2"),
    "point": ("data.points=32", "model.tokenizer.groups=4", "model.tokenizer.group_size=8"),
    "video": ("data.frames=2", "data.image_size=28", "augment.crop_padding=2"),
    "image/boxes": ("data.image_size=32", "detection.channels=16"),
    "image/masks": ("data.image_size=16", "segmentation.decoder=linear", "train.workers=0"),
    "point/parts-folder": (
        *("data.points=32", "data.stored_points=48"),
        *("model.tokenizer.groups=4", "model.tokenizer.group_size=8", "model.head_hidden=[8,8,8]"),
    ),
}
"""Settings for one quick step: of the `*/folder` recipe of a modality, or of another recipe."""


def write_short_sound(path: Path, seed: int) -> None:
    write_sound(path, seed, seconds=0.1)


def write_short_clip(path: Path, seed: int) -> None:
    write_clip(path, [20 + 10 * seed % 200] * 3, codec="mpeg4", size=16)


def write_small_image(path: Path, seed: int) -> None:
    write_image(path, 10 * seed % 230, (20, 18))


WRITERS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "image": (write_small_image, ".png"),
    "audio": (write_short_sound, ".wav"),
    "point": (write_cloud, ".npy"),
    "video": (write_short_clip, ".mp4"),
}


class Own:
    """A folder that is being filled with files of one modality."""

    def __init__(self, root: Path, modality: str) -> None:
        self.root, self.modality = root, modality
        self.write, self.suffix = WRITERS[modality]
        self.count = 0
        root.mkdir()

    def fill(self, folder: str, count: int = 5) -> Path:
        """Whole files in a folder below."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            self.write(self.root / folder / f"{self.count}{self.suffix}", self.count)
            self.count += 1
        return self.root / folder

    def classes(self, *names: str, count: int = 5) -> "Own":
        for name in names or ("cat", "dog"):
            self.fill(name, count)
        return self

    def parts(self, *parts: str, names: Sequence[str] = ("cat", "dog"), count: int = 4) -> "Own":
        for part in parts:
            for name in names:
                self.fill(f"{part}/{name}", count)
        return self

    def damage(self, folder: str, count: int = 1) -> "Own":
        for path in sorted((self.root / folder).iterdir())[:count]:
            cut_in_half(path, 0.4)
        return self

    def touch(self, *names: str) -> "Own":
        for name in names:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(b"x")
        return self

    def link(self, name: str, target: Path) -> "Own":
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(target)
        return self

    def table(self, *rows: str, header: str = "file,label") -> "Own":
        (self.root / "list.csv").write_text("\n".join([header, *rows]) + "\n")
        return self


@dataclass(frozen=True)
class FolderCase:
    """A folder, and the recipe's settings for it."""

    modality: str
    build: Callable[[Own], object]
    settings: tuple[str, ...] = ()
    recipe: str = ""
    """Instead of the `*/folder` recipe of the modality."""


SKIP = "data.skip_damaged=true"
STREAM = "data.stream=true"
TABLE = "data.csv=list.csv"


def elsewhere(own: Own, name: str) -> Path:
    """Files of the same kind beside the folder."""
    other = Own(own.root.parent / name, own.modality)
    other.count = 100
    return other.fill("files", 3)


def linked(own: Own) -> None:
    own.classes().link("cat/more", elsewhere(own, "store"))


def linked_class(own: Own) -> None:
    own.fill("cat", 4)
    own.link("dog", elsewhere(own, "store"))


def zip_file(own: Own, inside: str = "") -> None:
    """The folder is replaced by a zip of the same name."""
    archive = zipped(own.root, own.root.with_suffix(".zip"), inside)
    moved = own.root.with_name("unzipped")
    own.root.rename(moved)
    archive.rename(own.root.with_name("own.zip"))


def zipped_parts_and_stray(own: Own) -> None:
    own.parts("train", "test")
    own.fill("extra", 2)
    zip_file(own)


def zipped_classes(own: Own) -> None:
    own.classes().touch("cat/a.heic", "readme.md")
    zip_file(own, "top/")


def zipped_damage(own: Own) -> None:
    own.classes().damage("cat")
    zip_file(own)


def bad_zip(own: Own) -> None:
    zipped_classes(own)
    cut_in_half(own.root.with_name("own.zip"))


def not_a_zip_of_images(own: Own) -> None:
    own.classes()
    own.root.rename(own.root.with_name("unzipped"))
    with zipfile.ZipFile(own.root.with_name("own.zip"), "w") as archive:
        archive.writestr("cat/a.wav", b"x")


def table_rows(own: Own, count: int = 10) -> list[str]:
    folder = own.fill("files", count)
    return [f"files/{path.name},{'ab'[place % 2]}" for place, path in enumerate(sorted(folder.iterdir()))]


def plain_table(own: Own) -> None:
    own.table(*table_rows(own))


def table_with_missing(own: Own) -> None:
    own.table(*table_rows(own), f"files/none{own.suffix},a")


def table_with_damage(own: Own) -> None:
    rows = table_rows(own)
    own.table(*rows).damage("files", 2)


def table_with_parts(own: Own) -> None:
    rows = table_rows(own, 12)
    parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    own.table(*(f"{row},{part}" for row, part in zip(rows, parts, strict=True)), header="file,label,part")


def table_of_some_files(own: Own) -> None:
    own.table(*table_rows(own))
    own.fill("files", 2)
    own.fill("more", 1)


def table_of_one_class(own: Own) -> None:
    own.table(*(row[:-1] + "a" for row in table_rows(own)))


def table_of_numbers(own: Own) -> None:
    own.table(*(f"{row[:-2]},{place}.5" for place, row in enumerate(table_rows(own))))


def boxes(own: Own) -> None:
    """Pictures with a box each, or two, and COCO's JSON beside them."""
    names = [path.name for path in sorted(own.fill("images", 10).iterdir())]
    places = [place for place in range(len(names)) for _ in range(1 + place % 2)]
    tree = {
        "images": [{"id": place, "file_name": name, "width": 20, "height": 18} for place, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": place, "category_id": 5 + number % 2, "bbox": [2, 3, 9, 8], "area": 72}
            for number, place in enumerate(places)
        ],
        "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}],
    }
    (own.root / "set.json").write_text(json.dumps(tree))


def damaged_boxes(own: Own) -> None:
    boxes(own)
    own.damage("images", 2)


def masks(own: Own, foreground: int = 1, classes: tuple[str, ...] = ("ground", "cat")) -> None:
    """Pictures of a ground and a foreground, each value with its own brightness."""
    for number in range(10):
        mask = np.zeros((20, 18), np.uint8)
        mask[4:9, number : number + 6] = foreground
        write_masked(own.root, str(number), mask)
    (own.root / "classes.txt").write_text("\n".join(classes) + "\n")


def cloud_parts(own: Own, parts: int = 2) -> None:
    """Clouds of two categories, whose points have parts from 0."""
    for place, path in enumerate(path for name in ("cat", "dog") for path in sorted(own.fill(name).iterdir())):
        points = np.random.default_rng(place).standard_normal((50, 3))
        np.save(path, np.column_stack([points, np.arange(50) % parts]))


def every_file_damaged(own: Own) -> None:
    own.classes().damage("cat", 5).damage("dog", 5)


def damaged_in(own: Own, part: str) -> None:
    own.parts("train", "val", "test").damage(f"{part}/dog")


def in_every_modality() -> dict[str, FolderCase]:
    layouts: dict[str, tuple[Callable[[Own], object], tuple[str, ...]]] = {
        "classes": (lambda own: own.classes(), ()),
        "parts": (lambda own: own.parts("train", "val", "test"), ()),
        "damaged": (lambda own: own.classes().damage("cat", 2), ()),
        "damaged, skipped": (lambda own: own.classes().damage("cat", 2), (SKIP,)),
        "unread suffixes": (lambda own: own.classes().touch("cat/a.docx", "cat/b.DOCX", "dog/LICENCE", ".git/a"), ()),
        "a class of unread files": (lambda own: own.classes().touch("eel/a.docx"), ()),
        "linked folder": (linked, ()),
        "a class called train": (lambda own: own.classes("bus", "train"), ()),
    }
    return {
        f"{modality}: {name}": FolderCase(modality, build, settings)
        for modality in WRITERS
        for name, (build, settings) in layouts.items()
    }


def touched(*names: str) -> Callable[[Own], object]:
    return lambda own: own.classes().touch(*names)


CASES: dict[str, FolderCase] = {
    **in_every_modality(),
    "empty": FolderCase("image", lambda own: None),
    "one class": FolderCase("image", lambda own: own.classes("cat", count=8)),
    "one folder around the classes": FolderCase("image", lambda own: own.classes("photos/cat", "photos/dog")),
    "three of a class, one of another": FolderCase("image", lambda own: (own.fill("cat", 6), own.fill("dog", 1))),
    "one file a class": FolderCase("image", lambda own: own.classes(count=1)),
    "two files a class": FolderCase("image", lambda own: own.classes(count=2)),
    "files beside the classes": FolderCase("image", touched("cover.png", "readme.md")),
    "files without classes": FolderCase("image", lambda own: own.fill(".", 6)),
    "an empty class": FolderCase("image", lambda own: (own.classes(), (own.root / "eel").mkdir())),
    "nested classes": FolderCase("image", lambda own: own.classes("pet/cat", "pet/dog", "farm/cow")),
    "system files": FolderCase("image", touched("cat/Thumbs.db", "dog/.DS_Store", "__MACOSX/cat/._0.png")),
    "an archive in a class": FolderCase("image", touched("cat/more.zip")),
    "archives alone": FolderCase("image", lambda own: own.touch("cat.zip", "dog.tar.gz")),
    "mixed with sounds": FolderCase("image", touched("cat/a.wav", "dog/b.wav")),
    "parts beside a stray folder": FolderCase("image", lambda own: (own.parts("train", "val"), own.fill("extra", 2))),
    "parts without train": FolderCase("image", lambda own: own.parts("val", "test")),
    "train alone": FolderCase("image", lambda own: own.parts("train")),
    "two folders for a part": FolderCase("image", lambda own: own.parts("train", "val", "valid")),
    "a part without classes": FolderCase("image", lambda own: (own.parts("train"), own.fill("test", 3))),
    "an empty part": FolderCase("image", lambda own: (own.parts("train"), (own.root / "test").mkdir())),
    "parts inside classes": FolderCase("image", lambda own: own.parts("cat", "dog", names=("train", "test"))),
    "a test part that lacks a class": FolderCase(
        "image", lambda own: (own.parts("train", names=("cat", "dog")), own.parts("test", names=("cat",)))
    ),
    "a class that is tested only": FolderCase(
        "image", lambda own: (own.parts("train"), own.parts("test", names=("cat", "eel")))
    ),
    "twins": FolderCase("image", lambda own: own.classes("cat", "cat ")),
    "letters in both cases": FolderCase("image", lambda own: own.classes("a", "A")),
    "a linked class": FolderCase("image", linked_class),
    "a link around": FolderCase("image", lambda own: own.classes().link("cat/again", own.root)),
    "a file twice by links": FolderCase("image", lambda own: own.classes().link("dog/cats", own.root / "cat")),
    "a broken link": FolderCase("image", lambda own: own.classes().link("cat/x.png", own.root / "gone")),
    "a broken link, skipped": FolderCase(
        "image", lambda own: own.classes().link("cat/x.png", own.root / "gone"), (SKIP,)
    ),
    "a broken link, streamed": FolderCase(
        "image", lambda own: own.classes().link("cat/x.png", own.root / "gone"), (STREAM,)
    ),
    "a broken class": FolderCase("image", lambda own: own.classes().link("eel", own.root / "gone")),
    "a device": FolderCase("image", lambda own: own.classes().link("cat/x.png", Path(os.devnull))),
    "a device, skipped": FolderCase("image", lambda own: own.classes().link("cat/x.png", Path(os.devnull)), (SKIP,)),
    "every file of a class damaged, skipped": FolderCase("image", lambda own: own.classes().damage("cat", 5), (SKIP,)),
    "every file of a class damaged": FolderCase("image", lambda own: own.classes().damage("cat", 5)),
    "everything damaged": FolderCase("image", every_file_damaged),
    "everything damaged, skipped": FolderCase("image", every_file_damaged, (SKIP,)),
    "streamed": FolderCase("image", touched("cat/a.heic"), (STREAM,)),
    "streamed, damaged in training": FolderCase("image", partial(damaged_in, part="train"), (STREAM,)),
    "streamed, damaged in training, skipped": FolderCase("image", partial(damaged_in, part="train"), (STREAM, SKIP)),
    "streamed, damaged in validation, skipped": FolderCase("image", partial(damaged_in, part="val"), (STREAM, SKIP)),
    "streamed, damaged in test, skipped": FolderCase("image", partial(damaged_in, part="test"), (STREAM, SKIP)),
    "few labels": FolderCase("image", lambda own: own.classes(), ("data.labels_per_class=2",)),
    "another number of classes": FolderCase("image", lambda own: own.classes(), ("data.classes=3",)),
    "patches that do not fit": FolderCase("image", lambda own: own.classes(), ("data.image_size=18",)),
    "parts of a batch that are too small": FolderCase("image", lambda own: own.classes(), ("train.accumulate=30",)),
    "larger held-out parts": FolderCase(
        "image", lambda own: own.classes(), ("data.test_fraction=0.4", "data.validation_fraction=0.5")
    ),
    "a zip": FolderCase("image", zipped_classes),
    "a zip with damage": FolderCase("image", zipped_damage),
    "a zip with damage, skipped": FolderCase("image", zipped_damage, (SKIP,)),
    "a zip with parts and a stray folder": FolderCase("image", zipped_parts_and_stray),
    "a damaged zip": FolderCase("image", bad_zip),
    "a zip of sounds": FolderCase("image", not_a_zip_of_images),
    **{
        f"{modality}: {name}": FolderCase(modality, build, (TABLE, *settings))
        for modality in ("audio", "video")
        for name, build, settings in (
            ("table", plain_table, ()),
            ("table with a missing file", table_with_missing, ()),
            ("table with damage", table_with_damage, ()),
            ("table with damage, skipped", table_with_damage, (SKIP,)),
            ("table with parts", table_with_parts, ("data.split_column=part",)),
            ("table of some files", table_of_some_files, ()),
            ("table of one class", table_of_one_class, ()),
            ("no table", lambda own: own.fill("files", 4), ()),
        )
    },
    **{
        f"{modality}: numbers": FolderCase(modality, table_of_numbers, (TABLE, "objective=regression"))
        for modality in ("image", "audio")
    },
    "boxes": FolderCase("image", boxes, recipe="image/boxes"),
    "boxes, damaged": FolderCase("image", damaged_boxes, recipe="image/boxes"),
    "masks": FolderCase("image", masks, recipe="image/masks"),
    "masks of 0 and 255": FolderCase("image", partial(masks, foreground=255), recipe="image/masks"),
    "parts of clouds": FolderCase("point", cloud_parts, recipe="point/parts-folder"),
    "clouds of one part": FolderCase("point", partial(cloud_parts, parts=1), recipe="point/parts-folder"),
    "point: few-shot with too few clouds": FolderCase(
        "point", lambda own: own.classes(), ("data.way=2", "data.shot=8")
    ),
    "point: few-shot": FolderCase("point", lambda own: own.classes(count=8), ("data.way=2", "data.shot=2")),
}


REASONS: dict[str, str] = {
    **dict.fromkeys((f"{modality}: damaged" for modality in WRITERS), "cat/0"),
    **dict.fromkeys((f"{modality}: a class of unread files" for modality in WRITERS), "1 .docx"),
    **dict.fromkeys((f"{modality}: a class called train" for modality in WRITERS), "train beside bus"),
    "empty": "class folders",
    "one class": "one, cat",
    "one folder around the classes": "own/photos",
    "one file a class": "2 train, 0 val, 0 test",
    "two files a class": "2 train, 0 val, 2 test",
    "files without classes": "6 .png",
    "an empty class": "own/eel",
    "archives alone": "1 .gz, 1 .zip",
    "parts beside a stray folder": "train, val beside extra",
    "parts without train": "only test, val",
    "two folders for a part": "val and valid",
    "a part without classes": "3 .png",
    "an empty part": "own/test",
    "parts inside classes": "own/cat/test",
    "a class that is tested only": "train/eel",
    "twins": "'cat' and 'cat '",
    "a file twice by links": "cat/0.png as well",
    "a broken link": "leads nowhere",
    "a broken link, streamed": "leads nowhere",
    "a broken class": "own/eel",
    "a device": "a pipe or a device",
    "every file of a class damaged": "class cat has no training sample",
    "everything damaged": "0 train, 0 val, 0 test",
    "everything damaged, skipped": "0 train, 0 val, 0 test",
    "streamed, damaged in training": "train/dog",
    "streamed, damaged in validation, skipped": "val/dog",
    "streamed, damaged in test, skipped": "test/dog",
    "another number of classes": "data.classes",
    "patches that do not fit": "model.tokenizer.patch",
    "parts of a batch that are too small": "train.batch_size",
    "a zip with damage": "cat/0.png",
    "a zip with parts and a stray folder": "test, train beside extra",
    "a damaged zip": "own.zip",
    "a zip of sounds": "1 .wav",
    **{f"{modality}: table with a missing file": "list.csv row 12" for modality in ("audio", "video")},
    **{f"{modality}: table with damage": "files/0" for modality in ("audio", "video")},
    **{f"{modality}: table of one class": "one, a" for modality in ("audio", "video")},
    **{f"{modality}: no table": "list.csv" for modality in ("audio", "video")},
    "boxes, damaged": "images/0.png",
    "masks of 0 and 255": "ground alone",
    "clouds of one part": "one part in each",
    "point: few-shot with too few clouds": "data.shot",
}
"""What the refusal of a case shows; all other cases train."""
