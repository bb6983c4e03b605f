"""COCO's JSON and folders: what is read, what is clipped or left out with a note, and what is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosspath.config.data import ImageData
from crosspath.data.boxes import CLASS, Fit, box_array
from crosspath.data.generated.shapes import SHAPES
from crosspath.data.items import Listing
from crosspath.data.readers.coco_folders import list_coco
from crosspath.data.readers.image import SUFFIXES, ImageReader
from crosspath.modalities.load import load_data
from tests.data.coco import CATEGORY_IDS, write_coco
from tests.errors import refused

PARTS = {"train2017": 6, "val2017": 4}


def section(folder: Path, size: int = 48, **values: Any) -> ImageData:
    return ImageData(folder=folder, image_size=size, label_kind="boxes", **values)


def listing(folder: Path, size: int = 48) -> Listing:
    return list_coco(folder, size, SUFFIXES)


def test_files_in_the_published_layout_read_as_they_were_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    inputs, rows = write_coco(tmp_path / "coco", PARTS)
    data = load_data(section(tmp_path / "coco"), None, 0)
    assert data.classes == SHAPES
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [5, 1, 4]
    assert any(note.startswith("annotations/instances_val2017.json is the test part") for note in data.notes)
    order = {
        f"{part}/{number:012d}.png": number
        for part, numbers in (("train2017", range(6)), ("val2017", range(6, 10)))
        for number in numbers
    }
    expected = box_array(rows)
    for part in parts:
        for sample, boxes, name in zip(part.inputs[np.arange(len(part))], part.labels, part.ids, strict=True):
            assert np.array_equal(sample, inputs[order[name]])
            np.testing.assert_array_equal(boxes, expected[order[name], : boxes.shape[0]])
    again = load_data(section(tmp_path / "coco"), None, 0)  # from the cache
    np.testing.assert_array_equal(again.train.labels, data.train.labels)
    streamed = load_data(section(tmp_path / "coco", stream=True), None, 0)
    np.testing.assert_array_equal(streamed.train.inputs[np.arange(5)], data.train.inputs[np.arange(5)])


def test_a_picture_of_another_shape_fills_its_square_with_its_boxes(tmp_path: Path) -> None:
    """A white rectangle on black: its box encloses the bright pixels of the sample."""
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[12:30, 45:81] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    tree = {
        "images": [{"id": 5, "file_name": "a.png", "width": 90, "height": 60}],
        "annotations": [{"id": 1, "image_id": 5, "category_id": 3, "bbox": [45, 12, 36, 18]}],
        "categories": [{"id": 3, "name": "white"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(tree), encoding="utf-8")
    items = listing(tmp_path, 30).items
    assert [item.part for item in items] == [None]
    x0, y0, x1, y1, kind, crowd, area, width, height = items[0].label[0]  # type: ignore[index,misc]
    assert (x0, y0, x1, y1) == pytest.approx((15, 4, 27, 10))
    assert (kind, crowd, area, width, height) == (0, 0, 36 * 18, 90, 60)
    with ImageReader(section(tmp_path, 30)).open_decoder() as decode:
        sample = decode(items[0])
    assert sample.shape == (3, 30, 30)
    bright = sample[0] > 200
    assert np.flatnonzero(bright.any(axis=0)).tolist() == list(range(15, 27))
    assert np.flatnonzero(bright.any(axis=1)).tolist() == list(range(4, 10))
    assert (sample[:, 20:] == 128).all()  # the mean colour, 0 once it is normalised
    assert Fit(90, 60, 30).inside == (30, 20)


def test_boxes_are_clipped_left_out_or_crowds_and_notes_say_how_many(tmp_path: Path) -> None:
    def change(part: str, tree: dict[str, Any]) -> None:
        if part == "val2017":
            return
        boxes = ([-5, 2, 20, 10], [3, 4, 0, 9], [40, 40, 8.5, 8.2], [1, 1, 9, 9], [0, 48, 3, 5])
        tree["annotations"] = [
            {"id": 70 + place, "image_id": 100, "category_id": 7, "bbox": box, "iscrowd": int(place == 3)}
            for place, box in enumerate(boxes)
        ]

    write_coco(tmp_path / "coco", PARTS, change=change)
    found = listing(tmp_path / "coco")
    rows: Any = next(item.label for item in found.items if item.id == "train2017/000000000000.png")
    assert [row[:6] for row in rows] == [(0, 2, 15, 12, 1, 0), (40, 40, 48, 48, 1, 0), (1, 1, 10, 10, 1, 1)]
    notes = "\n".join(found.notes)
    assert "left out: 2 boxes without area, first annotation 71" in notes
    assert "1 box" in notes
    assert "first annotation 70" in notes
    assert "5 of 6 pictures have no box" in notes


def test_layouts_of_users(tmp_path: Path) -> None:
    """Parts named by files, by folders with the JSON in them, and by nothing."""
    write_coco(tmp_path / "a", {"train": 3, "val": 2, "test": 2})
    assert [item.part for item in listing(tmp_path / "a").items] == ["test"] * 2 + ["train"] * 3 + ["val"] * 2
    for part in ("train", "val", "test"):
        name = "valid" if part == "val" else part
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "a" / part).rename(tmp_path / "b" / name)
        (tmp_path / "a" / "annotations" / f"instances_{part}.json").rename(
            tmp_path / "b" / name / "_annotations.coco.json"
        )
    found = listing(tmp_path / "b")
    assert [item.part for item in found.items] == ["test"] * 2 + ["train"] * 3 + ["val"] * 2
    write_coco(tmp_path / "c", {"images": 4})
    (tmp_path / "c" / "annotations" / "instances_images.json").rename(tmp_path / "c" / "result.json")
    assert [item.part for item in listing(tmp_path / "c").items] == [None] * 4
    (tmp_path / "c" / "images" / "more.png").write_bytes(b"")
    assert listing(tmp_path / "c").unread == ((".png in no annotations", 1),)


Change = Callable[[dict[str, Any]], Any]
FAULTS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "no list of annotations": (lambda tree: tree.pop("annotations"), ("instances_train2017.json", "annotations")),
    "an id twice": (lambda tree: tree["annotations"][1].update(id=1000), ("annotation 1000", "two entries")),
    "an image twice": (lambda tree: tree["images"][1].update(id=100), ("image 100", "two entries")),
    "a file twice": (lambda tree: tree["images"][1].update(file_name="000000000000.png"), ("image 101", "100")),
    "a category twice": (lambda tree: tree["categories"][1].update(id=18), ("category 18", "two entries")),
    "a name twice": (lambda tree: tree["categories"][1].update(name="disc"), ("category 2", "disc")),
    "no categories": (lambda tree: tree["categories"].clear(), ("instances_train2017.json", "category")),
    "a text for an id": (lambda tree: tree["annotations"][1].update(id="1"), ("annotations[1]", "id")),
    "an unknown image": (lambda tree: tree["annotations"][2].update(image_id=9), ("annotation 1002", "9")),
    "an unknown category": (lambda tree: tree["annotations"][2].update(category_id=3), ("annotation 1002", "3")),
    "three numbers": (lambda tree: tree["annotations"][0].update(bbox=[1, 2, 3]), ("annotation 1000", "bbox")),
    "no box": (lambda tree: tree["annotations"][0].pop("bbox"), ("annotation 1000", "null")),
    "NaN": (lambda tree: tree["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), ("annotation 1000", "NaN")),
    "two corners": (lambda tree: tree["annotations"][0].update(bbox=[30, 30, -9, 4]), ("annotation 1000", "-9 x 4")),
    "outside": (lambda tree: tree["annotations"][0].update(bbox=[50, 1, 4, 4]), ("annotation 1000", "48 x 48")),
    "a crowd of two": (lambda tree: tree["annotations"][0].update(iscrowd=2), ("annotation 1000", "iscrowd", "2")),
    "a negative area": (lambda tree: tree["annotations"][0].update(area=-1), ("annotation 1000", "area", "-1")),
    "a number of 400 digits": (
        lambda tree: tree["annotations"][0].update(bbox=[0, 0, 10**400, 5]),
        ("annotation 1000", "bbox"),
    ),
    "a width of 400 digits": (lambda tree: tree["images"][0].update(width=10**400), ("image 100", "width")),
    "no width": (lambda tree: tree["images"][0].pop("width"), ("image 100", "width")),
    "a way out": (lambda tree: tree["images"][0].update(file_name="../a.png"), ("image 100", "../a.png")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_by_file_and_number(fault: str, tmp_path: Path) -> None:
    change, (where, *values) = FAULTS[fault]
    write_coco(tmp_path, PARTS, change=lambda part, tree: change(tree) if part == "train2017" else None)
    with refused(where, *values) as caught:
        listing(tmp_path)
    assert "instances_train2017.json" in caught.value.where
    assert "\n" not in str(caught.value)


def test_files_that_are_no_annotations_are_refused(tmp_path: Path) -> None:
    with refused(tmp_path.name, "annotations"):
        listing(tmp_path)
    (tmp_path / "a.json").write_text("[1, 2", encoding="utf-8")
    with refused("a.json", "JSON"):
        listing(tmp_path)
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with refused("a.json", "JSON"):
        listing(tmp_path)
    (tmp_path / "b.json").write_text("{}", encoding="utf-8")
    with refused("json", "a.json"):
        listing(tmp_path)


def test_parts_with_other_categories_and_sets_without_boxes_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path / "a", PARTS, change=lambda part, tree: tree["categories"][0].update(name=part))
    with refused("instances_val2017.json", "18", "train2017"):
        listing(tmp_path / "a")
    write_coco(tmp_path / "b", PARTS, change=lambda part, tree: tree["annotations"].clear())
    with refused("instances_train2017.json", "box"):
        listing(tmp_path / "b")
    write_coco(tmp_path / "c", {"val2017": 2})
    with refused("c", "training"):
        listing(tmp_path / "c")


def test_missing_pictures_and_pictures_of_another_size_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    write_coco(tmp_path / "coco", PARTS)
    (tmp_path / "coco" / "train2017" / "000000000002.png").unlink()
    with refused("000000000002.png", "image 102", "data.skip_damaged"):
        load_data(section(tmp_path / "coco"), None, 0)
    data = load_data(section(tmp_path / "coco", skip_damaged=True), None, 0)
    assert len(data.train) + len(data.validation) == 5
    assert len(data.damaged_files) == 1
    picture = tmp_path / "coco" / "train2017" / "000000000001.png"
    Image.open(picture).crop((0, 0, 48, 40)).save(picture)
    data = load_data(section(tmp_path / "coco", skip_damaged=True), None, 0)
    assert [file.reason for file in data.damaged_files if file.path == picture] == [
        "it is 48 x 40, and its annotations say 48 x 48"
    ]


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_picture_that_a_link_puts_into_two_parts_is_refused(tmp_path: Path, link: str) -> None:
    write_coco(tmp_path, PARTS)
    picture = tmp_path / "val2017" / "000000000007.png"
    picture.unlink()
    getattr(picture, link)(tmp_path / "train2017" / "000000000002.png")
    with refused("val2017/000000000007.png", "train2017/000000000002.png"):
        listing(tmp_path)


def test_pictures_have_no_class_that_a_note_could_name(tmp_path: Path) -> None:
    write_coco(tmp_path, PARTS)
    (tmp_path / "train2017" / "000000000002.png").unlink()
    (tmp_path / "train2017" / "000000000002.png").hardlink_to(tmp_path / "train2017" / "000000000001.png")
    assert "1 sample is a hard link to another one, and counted beside it" in listing(tmp_path).notes


def test_published_categories_are_those_of_the_recipe(tmp_path: Path) -> None:
    write_coco(tmp_path, PARTS)
    assert list_coco(tmp_path, 48, SUFFIXES, (2, 7, 18)).classes == SHAPES
    with refused("instances_train2017.json", "2, 7, 18"):
        list_coco(tmp_path, 48, SUFFIXES, (1, 2, 3))
    assert {row[CLASS] for item in listing(tmp_path).items for row in item.label if row[CLASS] == row[CLASS]} == {
        0,
        1,
        2,
    }  # type: ignore[union-attr,index]


def test_the_numbers_of_a_recipes_categories_are_those_of_the_users_own_files(tmp_path: Path) -> None:
    write_coco(tmp_path, PARTS)
    assert ImageReader(section(tmp_path, category_ids=CATEGORY_IDS)).listing(tmp_path).classes == SHAPES
    for numbers in ((18, 7, 2), (2, 7), (11, 12, 13)):
        with refused("instances_train2017.json", "2, 7, 18", "data.category_ids", *numbers):
            ImageReader(section(tmp_path, category_ids=numbers)).listing(tmp_path)


def _in_shares(tree: dict[str, Any], size: int = 48) -> None:
    for annotation in tree["annotations"]:
        annotation["bbox"] = [value / size for value in annotation["bbox"]]


def test_boxes_in_shares_of_their_pictures_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path / "a", PARTS, change=lambda part, tree: _in_shares(tree))
    with refused("instances_train2017.json annotation 1000", "pixels"):
        listing(tmp_path / "a")
    small = lambda part, tree: tree["annotations"][0].update(bbox=[0.2, 0.5, 0.6, 0.5])  # noqa: E731
    write_coco(tmp_path / "b", PARTS, change=small)
    assert len(listing(tmp_path / "b").items) == 10


def test_a_turned_picture_is_read_where_its_size_says_what_its_boxes_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirrored or square one has the size that its annotations give, whether they follow the tag or not."""
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    write_coco(tmp_path / "coco", PARTS)
    picture = tmp_path / "coco" / "train2017" / "000000000001.png"
    turned, mirrored = Image.Exif(), Image.Exif()
    turned[0x0112], mirrored[0x0112] = 6, 3
    for exif, size in ((turned, (48, 48)), (mirrored, (48, 48)), (turned, (48, 40))):
        Image.new("RGB", size).save(picture, exif=exif)
        data = load_data(section(tmp_path / "coco", skip_damaged=True), None, 0)
        (reason,) = [file.reason for file in data.damaged_files if file.path == picture]
        assert ("turned" in reason) == (size == (48, 48))
    image = Image.new("RGB", (40, 48))
    image.save(picture, exif=turned)
    path = tmp_path / "coco" / "annotations" / "instances_train2017.json"
    tree = json.loads(path.read_text())
    next(entry for entry in tree["images"] if entry["file_name"] == picture.name)["height"] = 40
    number = next(entry["id"] for entry in tree["images"] if entry["file_name"] == picture.name)
    tree["annotations"] = [entry for entry in tree["annotations"] if entry["image_id"] != number]
    path.write_text(json.dumps(tree))
    data = load_data(section(tmp_path / "coco", skip_damaged=True), None, 0)
    assert picture not in [file.path for file in data.damaged_files]
