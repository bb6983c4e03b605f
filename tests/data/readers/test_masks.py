"""Pictures with index masks: what is listed, what values mean, and what is refused, by the file's name."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crosspath.catalogue.recognise import guess_section, own_recipe
from crosspath.config.data import ImageData
from crosspath.data.annotations import NOT_LABELLED
from crosspath.data.items import DamageError, Item
from crosspath.data.readers.image import ImageReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.files import write_image, zipped
from tests.data.published_masks import write_ade20k, write_masked, write_own_masks
from tests.errors import refused

MASKED = ImageData(dataset="folder", image_size=8, stream=True, label_kind="dense")


def decode(root: Path, section: ImageData = MASKED) -> dict[str, NDArray[np.uint8]]:
    reader = ImageReader(section)
    with reader.open_decoder() as decoder:
        return {item.id: decoder(item) for item in reader.listing(root).items}


def test_pictures_carry_their_masks_at_their_own_size(tmp_path: Path) -> None:
    samples = decode(write_own_masks(tmp_path))
    assert sorted({name.split("/")[0] for name in samples}) == ["test", "training", "validation"]
    for name, sample in samples.items():
        number = int(name[-5])
        assert sample.shape == (4, 6 + number, 9)
        assert sample[3, 0, 0] == NOT_LABELLED
        labelled = sample[3] != NOT_LABELLED
        assert np.array_equal(sample[0][labelled], 10 * sample[3][labelled])


def test_a_set_is_split_by_its_folders_and_names_its_classes(tmp_path: Path) -> None:
    section = MASKED.model_copy(update={"folder": write_own_masks(tmp_path)})
    data = load_data(section, None, 0)
    assert data.classes == ("sky", "sea", "sand", "ship")
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 3, 3)
    assert data.train.labels.tolist() == [0, 0, 0]
    assert not any("no training sample" in note for note in data.notes)
    assert data.validation.inputs[np.arange(3)].shape == (3, 4, 8, 9)
    assert data.train.inputs.shape == (3, 4, 8, 8)


def test_in_the_published_layout_0_is_not_labelled_and_validation_is_the_test_part(tmp_path: Path) -> None:
    write_ade20k(tmp_path)
    data = load_data(MASKED.model_copy(update={"dataset": "ade20k"}), tmp_path, 0)
    assert data.classes == ("name 1, other", "name 2, other", "name 3, other")
    assert (len(data.train), len(data.validation), len(data.test)) == (11, 1, 3)
    assert data.test.ids == tuple(f"validation/ADE_val_{number:08d}.jpg" for number in (1, 2, 3))
    sample = data.test.inputs[0]
    values = np.random.default_rng(1).integers(0, 4, (10, 12), dtype=np.uint8)
    assert np.array_equal(sample[3], np.where(values == 0, NOT_LABELLED, values - 1))
    own = load_data(MASKED.model_copy(update={"folder": tmp_path / "ADEChallengeData2016"}), None, 0)
    assert own.classes == data.classes
    assert len(own.validation) == 3


def test_the_users_own_values_may_be_left_out(tmp_path: Path) -> None:
    section = MASKED.model_copy(update={"ignored_values": (0, 255), "folder": write_own_masks(tmp_path)})
    assert load_data(section, None, 0).classes == ("sea", "sand", "ship")
    samples = decode(tmp_path, section)
    plain = decode(tmp_path)
    for name, sample in samples.items():
        classes = plain[name][3].astype(int)
        expected = np.where((classes == 0) | (classes == NOT_LABELLED), NOT_LABELLED, classes - 1)
        assert np.array_equal(sample[3], expected)


def test_without_masks_the_pictures_alone_are_read(tmp_path: Path) -> None:
    section = ImageData(
        dataset="folder", image_size=8, folder=write_own_masks(tmp_path), cache_folder=tmp_path / "cache"
    )
    section = section.model_copy(update={"cache_folder": tmp_path.parent / f"{tmp_path.name}-cache"})
    data = load_data(section, None, 0)
    assert data.classes == ("pictures",)
    assert data.train.inputs.shape == (3, 3, 8, 8)


def _swap(mask: Path, content: Image.Image, **options: object) -> None:
    content.save(mask, **options)  # type: ignore[arg-type]


GREY = np.zeros((6, 9), np.uint8)
FAULTS = {
    "colours": lambda mask: _swap(mask, Image.fromarray(np.zeros((6, 9, 3), np.uint8))),
    "16 bits": lambda mask: _swap(mask, Image.fromarray(np.zeros((6, 9), np.uint16))),
    "1 bit": lambda mask: _swap(mask, Image.fromarray(GREY > 0)),
    "9 x 7": lambda mask: _swap(mask, Image.fromarray(np.zeros((7, 9), np.uint8))),
    "value 9": lambda mask: _swap(mask, Image.fromarray(GREY + 9)),
    "no PNG": lambda mask: mask.write_bytes(b"GIF89a and more"),
    "EXIF": lambda mask: _swap(mask, Image.fromarray(GREY), exif=_turned()),
}


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_mask_that_is_none_is_refused_by_its_name(tmp_path: Path, fault: str) -> None:
    write_own_masks(tmp_path, 1)
    FAULTS[fault](tmp_path / "annotations" / "training" / "0.png")
    with pytest.raises(DamageError) as error:
        decode(tmp_path)
    assert "annotations/training/0.png" in str(error.value)
    assert fault in str(error.value)
    section = MASKED.model_copy(update={"folder": tmp_path})
    with refused("training/0.png", fault):
        load_data(section, None, 0).train.inputs[np.arange(1)]


def test_grey_levels_of_few_bits_are_not_taken_for_class_numbers(tmp_path: Path) -> None:
    """Pillow spreads them: value 1 of 4 bits comes back as 17."""
    write_own_masks(tmp_path, 1)
    mask = tmp_path / "annotations" / "training" / "0.png"
    mask.write_bytes(_png_of_four_bits(9, 6))
    with pytest.raises(DamageError, match="4 bits"):
        decode(tmp_path)


def _png_of_four_bits(width: int, height: int) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 4, 0, 0, 0, 0)
    rows = b"".join(b"\0" + b"\x11" * ((width + 1) // 2) for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_turned_picture_is_refused(tmp_path: Path) -> None:
    write_own_masks(tmp_path, 1)
    picture = tmp_path / "images" / "training" / "0.png"
    Image.open(picture).save(picture, exif=_turned())
    with pytest.raises(DamageError, match="turned"):
        decode(tmp_path)


def test_a_picture_without_a_mask_is_refused_or_left_out(tmp_path: Path) -> None:
    write_own_masks(tmp_path)
    (tmp_path / "annotations" / "training" / "1.png").unlink()
    section = MASKED.model_copy(update={"folder": tmp_path})
    with refused("images/training/1.png", "no mask annotations/training/1.png"):
        load_data(section, None, 0)
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert len(data.train) == 2
    write_masked(tmp_path, "training/7", np.zeros((6, 9), np.uint8))
    (tmp_path / "images" / "training" / "7.png").unlink()
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert any("1 of the masks" in note for note in data.notes)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    write_own_masks(tmp_path)
    picture = tmp_path / "images" / "training" / "1.png"
    Image.open(picture).save(picture.with_suffix(".jpg"))
    with refused("images/training", "1.jpg and 1.png"):
        ImageReader(MASKED).listing(tmp_path)


def test_pictures_beside_the_folders_of_parts_are_refused(tmp_path: Path) -> None:
    write_own_masks(tmp_path)
    write_masked(tmp_path, "stray", np.zeros((6, 9), np.uint8))
    with refused("images/stray.png", "beside"):
        ImageReader(MASKED).listing(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("classes.txt", "sky\n\nsea\n", "classes.txt row 2"),
        ("classes.txt", "sky\nsea\nsky\n", "classes.txt row 3"),
        ("classes.txt", "sky\n", "classes.txt"),
        ("classes.txt", "".join(f"c{number}\n" for number in range(257)), "classes.txt"),
        ("classes.txt", None, "neither"),
        ("objectInfo150.txt", "Idx\tName\n1\ta\n1\tb\n", "objectInfo150.txt row 3"),
        ("objectInfo150.txt", "Idx Name\n1 a\n2 b\n", "objectInfo150.txt row 2"),
    ],
)
def test_a_faulty_file_of_classes_is_refused(tmp_path: Path, name: str, content: str | None, where: str) -> None:
    write_own_masks(tmp_path)
    (tmp_path / "classes.txt").unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as error:
        ImageReader(MASKED).listing(tmp_path)
    assert where in str(error.value)


def test_two_files_that_name_the_classes_are_refused(tmp_path: Path) -> None:
    write_own_masks(tmp_path)
    (tmp_path / "objectInfo150.txt").write_text("Idx\tName\n1\ta\n2\tb\n")
    with refused(str(tmp_path), "classes.txt", "objectInfo150.txt"):
        ImageReader(MASKED).listing(tmp_path)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with refused(str(tmp_path), "no annotations"):
        ImageReader(MASKED).listing(tmp_path)


def test_a_changed_mask_is_another_file(tmp_path: Path) -> None:
    write_own_masks(tmp_path, 1)
    before: list[Item] = list(ImageReader(MASKED).listing(tmp_path).items)
    Image.fromarray(np.ones((6, 9), np.uint8)).save(tmp_path / "annotations" / "training" / "0.png", compress_level=0)
    after = list(ImageReader(MASKED).listing(tmp_path).items)
    changed = [one.id for one, other in zip(before, after, strict=True) if one.stamp != other.stamp]
    assert changed == ["training/0.png"]
    assert [item.stamp.partition("-")[0] for item in before] != [item.stamp.partition("-")[0] for item in after]


def test_a_mask_is_found_whatever_the_case_of_its_suffix(tmp_path: Path) -> None:
    expected = decode(write_own_masks(tmp_path, 2))
    for name, suffix in (("0", ".PNG"), ("1", ".Png")):
        mask = tmp_path / "annotations" / "training" / f"{name}.png"
        mask.rename(mask.with_suffix(suffix))
    samples = decode(tmp_path)
    assert samples.keys() == expected.keys()
    assert all(np.array_equal(samples[name], expected[name]) for name in expected)


def test_masks_whose_suffix_has_capitals_are_recognised(tmp_path: Path) -> None:
    write_own_masks(tmp_path)
    for mask in (tmp_path / "annotations").rglob("*.png"):
        mask.rename(mask.with_suffix(".PNG"))
    section = guess_section(tmp_path)
    recipe = own_recipe(section)
    assert recipe is not None
    assert recipe.name == "image/masks"
    assert ImageReader(ImageData()).listing(tmp_path).classes == ("pictures",)


@pytest.mark.parametrize("names", [("images", "masks"), ("Images", "labels", "Annotations")])
def test_pictures_beside_their_masks_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in (*names, "other"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "a.jpg")
    assert len(ImageReader(ImageData()).listing(tmp_path).classes) == len(names) + 1
    (tmp_path / "other" / "a.jpg").rename(tmp_path / names[1] / "b.jpg")
    (tmp_path / "other").rmdir()
    with refused(tmp_path, names[1], "image/masks"):
        ImageReader(ImageData()).listing(tmp_path)
    with refused("set.zip", names[1]):
        ImageReader(ImageData()).listing(zipped(tmp_path, tmp_path.with_name("set.zip")))


@pytest.mark.parametrize("section", [MASKED, ImageData()])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_picture_in_two_parts_is_refused(tmp_path: Path, section: ImageData, link: str) -> None:
    write_own_masks(tmp_path)
    picture = tmp_path / "images" / "validation" / "0.png"
    picture.unlink()
    getattr(picture, link)(tmp_path / "images" / "training" / "0.png")
    with refused("images/validation/0.png", "training/0.png"):
        ImageReader(section).listing(tmp_path)


def test_a_file_that_is_older_than_1970_is_listed(tmp_path: Path) -> None:
    write_own_masks(tmp_path, 1)
    os.utime(tmp_path / "images" / "training" / "0.png", (-5, -5))
    sizes, _, times = ImageReader(MASKED).listing(tmp_path).items[1].stamp.partition("-")
    assert sizes.count("+") == times.count("+") == 1
    assert times.startswith("-5")
