"""Pictures of every kind, class folders and zips of them, and damaged ones."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from crosspath.config.data import ImageData
from crosspath.data.items import DamageError
from crosspath.data.readers.image import ImageReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from tests.data.files import class_folders, cut_in_half, write_image, zipped
from tests.errors import refused

SECTION = ImageData(image_size=16)


def decode(path: Path, size: int = 16) -> np.ndarray:
    return ImageReader(ImageData(image_size=size)).decode_file(path)


def test_a_picture_of_the_right_size_is_kept_bit_by_bit(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    actual = read_file(SECTION, tmp_path / "a.png")
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("side", [16, 17, 20, 33])
def test_every_size_is_resized_to_the_short_side_before_the_square_is_cut(tmp_path: Path, side: int) -> None:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.resize((20, 20), Image.Resampling.BICUBIC))[2:18, 2:18].transpose(2, 0, 1)
    reader = ImageReader(ImageData(image_size=16, resize=20))
    np.testing.assert_array_equal(reader.decode_file(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(reader.decode_object(pixels), expected)


def test_a_short_side_below_the_squares_is_refused() -> None:
    with refused("data.resize", "16 or more", "found 8", "--set data.resize=16"):
        ImageReader(ImageData(image_size=16, resize=8))
    # Windows of pictures with masks may be larger than these.
    ImageReader(ImageData(image_size=16, resize=8, label_kind="dense"))


def test_the_middle_square_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(pixels.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        assert (decode(tmp_path / name) == 255).all()


@pytest.mark.parametrize("size", [(100, 17), (17, 100), (5, 9), (33, 33), (31, 32)])
def test_every_size_becomes_the_square(tmp_path: Path, size: tuple[int, int]) -> None:
    write_image(tmp_path / "a.png", size=size)
    assert decode(tmp_path / "a.png").shape == (3, 16, 16)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).convert(mode)
    picture.save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    actual = decode(next(tmp_path.iterdir()))
    assert actual.shape == (3, 16, 16)
    assert (actual == 255).all()


def test_a_palette_with_transparency_gives_its_colours_and_no_warning(tmp_path: Path) -> None:
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.save(tmp_path / "a.png", transparency=bytes([0, 255]))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = decode(tmp_path / "a.png")
    assert actual[:, 0, 0].tolist() == [10, 200, 30]


def test_sixteen_bits_keep_their_upper_eight(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png")[0], grey >> 8)


def test_a_turned_photograph_stands_upright(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8] = 255  # white on the left; to be turned clockwise: white on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    actual = decode(tmp_path / "a.png")
    assert (actual[:, :8] == 255).all()
    assert (actual[:, 8:] == 0).all()


def test_of_several_pictures_the_first_counts(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 16), (level,) * 3) for level in (40, 200))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert decode(tmp_path / "a.gif").max() < 60


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp", ".tif"])
def test_half_a_picture_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path)
    decode(path)
    cut_in_half(path)
    with pytest.raises(DamageError):
        decode(path)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_file_that_is_no_picture_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with refused("a.jpg", "image", "decoder") as caught:
        read_file(SECTION, tmp_path / "a.jpg")
    assert "\n" not in str(caught.value)


def test_half_pictures_are_never_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.jpg")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with refused("PIL.ImageFile.LOAD_TRUNCATED_IMAGES"):
        decode(tmp_path / "a.jpg")


@pytest.mark.parametrize("inside", ["", "pets/", "a/b/train/"])
def test_a_zip_gives_what_the_folder_gives(tmp_path: Path, inside: str) -> None:
    folder = class_folders(tmp_path / "set", write_image, ".png")
    (folder / "cat" / "deeper").mkdir()
    write_image(folder / "cat" / "deeper" / "x.PNG", 99)
    archive = zipped(folder, tmp_path / "set.zip", inside)
    with zipfile.ZipFile(archive, "a") as file:  # what macOS and people leave in a zip
        file.writestr("__MACOSX/cat/._0.png", b"x")
        file.writestr(f"{inside}cat/.hidden.png", b"x")
        file.writestr(f"{inside}notes.txt", b"x")
        if inside:
            file.writestr(f"{inside}preview.png", b"x")
    from_folder = load_data(SECTION.model_copy(update={"folder": folder}), None, 0)
    from_zip = load_data(SECTION.model_copy(update={"folder": archive}), None, 0)
    assert from_zip.classes == from_folder.classes == ("cat", "dog")
    for part in ("train", "validation", "test"):
        ours, theirs = getattr(from_zip, part), getattr(from_folder, part)
        assert [name.removeprefix(f"set.zip/{inside}") for name in ours.ids] == list(theirs.ids)
        np.testing.assert_array_equal(ours.inputs[:], theirs.inputs[:])
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_arrays_are_pictures_whatever_else_is_hidden_or_linked(tmp_path: Path) -> None:
    (tmp_path / "own" / ".ipynb_checkpoints").mkdir(parents=True)
    write_image(tmp_path / "own" / ".ipynb_checkpoints" / "x.png")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.zeros((16, 16), np.uint8))
        (tmp_path / "own" / name).symlink_to(tmp_path / name)
    listing = ImageReader(SECTION).listing(tmp_path / "own")
    assert [item.id for item in listing.items] == ["cat/a.npy", "dog/a.npy"]


def test_a_zip_may_name_its_parts(tmp_path: Path) -> None:
    for part, count in (("train", 5), ("Validation", 2), ("test", 3)):
        class_folders(tmp_path / "set" / part, write_image, ".png", per_class=count)
    data = load_data(
        SECTION.model_copy(update={"folder": zipped(tmp_path / "set", tmp_path / "s.zip", "top/")}), None, 0
    )
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10, 4, 6]
    assert all(name.startswith("s.zip/top/test/") for name in data.test.ids)
    assert data.train.ids[0] == "s.zip/top/train/cat/0.png"


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    archive = zipped(class_folders(tmp_path / "set", write_image, ".png"), tmp_path / "s.zip")
    cut_in_half(archive)
    with refused("s.zip", "zip", "class"):
        load_data(SECTION.model_copy(update={"folder": archive}), None, 0)


def test_a_damaged_member_of_a_zip_is_named_and_skipped_on_request(tmp_path: Path) -> None:
    archive = tmp_path / "s.zip"
    folder = class_folders(tmp_path / "set", write_image, ".bmp")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*.bmp")):
            file.write(path, path.relative_to(folder).as_posix())
        start = file.infolist()[3].header_offset + 60
    content = bytearray(archive.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    archive.write_bytes(content)
    section = SECTION.model_copy(update={"folder": archive})
    with refused("s.zip/cat/3.bmp", "data.skip_damaged=true"):
        load_data(section, None, 0)
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert [file.path.name for file in data.damaged_files] == ["3.bmp"]
    assert len(data.train) + len(data.validation) + len(data.test) == 11


@pytest.mark.parametrize("names", [[], ["a.png"], ["cat/a.txt"]])
def test_a_zip_without_class_folders_is_refused(tmp_path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    with refused("s.zip", "found none"):
        load_data(SECTION.model_copy(update={"folder": tmp_path / "s.zip"}), None, 0)


def test_a_class_that_a_zip_only_tests_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path / "set" / "train", write_image, ".png")
    class_folders(tmp_path / "set" / "test", write_image, ".png", classes=("cat", "dog", "eel"))
    with pytest.raises(InputError, match=r"s\.zip/train/eel: expected images"):
        load_data(SECTION.model_copy(update={"folder": zipped(tmp_path / "set", tmp_path / "s.zip")}), None, 0)


@pytest.mark.slow
def test_cifar10(data_root: Path) -> None:
    section = ImageData(dataset="cifar10", classes=10, labels_per_class=100)
    data = load_data(section, data_root, 0)
    assert data.classes == tuple((data_root / "cifar10" / "classes.txt").read_text().split())
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1000, 5000, 10000]
    assert np.bincount(data.validation.labels).tolist() == [500] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.damaged_files == ()
    whole = load_data(section.model_copy(update={"labels_per_class": None}), data_root, 0)
    assert len(whole.train) == 45000
    assert whole.fingerprint == data.fingerprint
    with zipfile.ZipFile(data_root / "cifar10" / "test.zip") as archive, archive.open("test/cat/0007.jpg") as file:
        expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    np.testing.assert_array_equal(data.test.inputs[data.test.ids.index("test.zip/test/cat/0007.jpg")], expected)


def test_an_unchanged_zip_is_listed_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(class_folders(tmp_path / "set", write_image, ".png"), tmp_path / "set.zip")
    opened: list[object] = []
    real = zipfile.ZipFile.infolist

    def counted(self: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        opened.append(self)
        return real(self)

    monkeypatch.setattr(zipfile.ZipFile, "infolist", counted)
    reader = ImageReader(SECTION)
    first = reader.listing(archive)
    assert reader.listing(archive) == first
    assert len(opened) == 1
    write_image(tmp_path / "more.png")
    with zipfile.ZipFile(archive, "a") as file:
        file.write(tmp_path / "more.png", "cat/more.png")
    assert len(reader.listing(archive).items) == len(first.items) + 1
