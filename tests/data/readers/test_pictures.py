"""Known levels of every sample type of pictures, and refusals of those without a rule."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import AvifImagePlugin, EpsImagePlugin, Image, features

from crosspath.config.data import ImageData
from crosspath.data.items import DamageError
from crosspath.data.readers.pictures import picture_of, read_picture
from crosspath.modalities.load import load_data
from tests.errors import refused

RAMP = np.array([[0, 16384, 40000, 65535]], np.uint16)
"""Four pixels of 16 bits."""
UPPER = [0, 64, 156, 255]


def levels_of(content: bytes) -> np.ndarray:
    image = read_picture(io.BytesIO(content))
    assert image.mode == "RGB"
    return np.asarray(image)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def tiff(
    samples: np.ndarray, sample_format: int = 1, photometric: int | None = None, order: str = "<", bits: int = 0
) -> bytes:
    """An uncompressed TIFF of samples (H, W) or (H, W, 3); `bits` where the data are packed rows of bytes."""
    rgb = samples.ndim == 3
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    bits = bits or samples.dtype.itemsize * 8
    width = samples.shape[1] * (8 * samples.dtype.itemsize) // bits
    tags = [
        (256, width), (257, samples.shape[0]), (258, bits), (259, 1),
        (262, (2 if rgb else 1) if photometric is None else photometric), (273, 8), (277, 3 if rgb else 1),
        (278, samples.shape[0]), (279, len(data)), (339, sample_format),
    ]  # fmt: skip
    directory = 8 + len(data) + len(data) % 2
    extra = directory + 2 + 12 * len(tags) + 4
    out = (
        (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory) + data + b"\0" * (len(data) % 2)
    )
    out += struct.pack(f"{order}H", len(tags))
    tail = b""
    for tag, value in tags:
        if rgb and tag in (258, 339):
            out += struct.pack(f"{order}HHII", tag, 3, 3, extra + len(tail))
            tail += struct.pack(f"{order}3H", value, value, value)
        else:
            out += struct.pack(f"{order}HHII", tag, 4, 1, value)
    return out + bytes(4) + tail


def png(bits: int, colour: int, rows: list[bytes], width: int) -> bytes:
    """Written by hand: Pillow writes no 16 bits a channel, and no 2 and 4 bits of grey."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def colours(samples: np.ndarray) -> np.ndarray:
    """(1, 4) grey as red, its reverse as green, and blue at its highest."""
    return np.stack([samples, samples[:, ::-1], np.full_like(samples, samples.max())], axis=2)


def array(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, samples, allow_pickle=True)
    return file.getvalue()


def jpeg2000(samples: np.ndarray, form: str) -> bytes:
    """Of 16 bits (1, 4, 3), which Pillow writes of grey alone; as a file (`jp2`) or a bare codestream (`j2k`)."""
    import av

    encoder: Any = av.CodecContext.create("jpeg2000", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 4, 1, "rgb48le", Fraction(1)
    encoder.options = {"format": form, "pred": "dwt53"}
    frame = av.VideoFrame.from_ndarray(samples, format="rgb48le")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


FLOATS = np.array([[0.0, 0.25, 0.61, 1.0]], np.float32)
BYTES = np.array([[0, 64, 156, 255]], np.uint8)
GREY = {
    "8-bit PNG": saved(Image.fromarray(BYTES), "PNG"),
    "8-bit TIFF, white is zero": tiff(255 - BYTES, photometric=0),
    "16-bit PNG": saved(Image.fromarray(RAMP), "PNG"),
    "16-bit TIFF": tiff(RAMP),
    "16-bit TIFF, big-endian": tiff(RAMP, order=">"),
    "16-bit TIFF, compressed": saved(Image.fromarray(RAMP), "TIFF", compression="tiff_lzw"),
    "16-bit TIFF, white is zero": tiff(65535 - RAMP, photometric=0),
    "16-bit PGM": saved(Image.fromarray(RAMP), "PPM"),
    "12-bit PGM": b"P5 4 1 4095 " + (RAMP >> 4).astype(">u2").tobytes(),
    "16-bit JPEG 2000": saved(Image.fromarray(RAMP), "JPEG2000"),
    "float TIFF": tiff(FLOATS, 3),
    "float TIFF, white is zero": tiff(1 - FLOATS, 3, photometric=0),
    "float PFM": b"Pf\n4 1\n-1.0\n" + FLOATS.tobytes(),
    "uint8 array": array(BYTES),
    "uint16 array": array(RAMP),
    "uint16 array, high byte first": array(RAMP.astype(">u2")),
    "float64 array": array(FLOATS.astype(float)),
    "float16 array": array(FLOATS.astype(np.float16)),
    "array with a channel": array(np.tile(BYTES, (5, 2))[:, :, None]),
    "array with a channel first": array(np.tile(BYTES, (5, 2))[None]),
}


@pytest.mark.parametrize("name", GREY)
def test_grey(name: str) -> None:
    actual = levels_of(GREY[name])
    assert actual[0, :4, 0].tolist() == UPPER
    assert (actual == actual[:, :, :1]).all()


LARGE = colours(np.repeat(np.repeat(BYTES, 8, axis=0), 8, axis=1))
OPAQUE = np.concatenate([colours(BYTES), np.full((1, 4, 1), 255, np.uint8)], axis=2)
COLOUR = {
    "8-bit PNG": saved(Image.fromarray(np.tile(colours(BYTES), (5, 2, 1))), "PNG"),
    "16-bit PNG": png(16, 2, [colours(RAMP).astype(">u2").tobytes()], 4),
    "16-bit TIFF": tiff(colours(RAMP)),
    "16-bit TIFF, big-endian": tiff(colours(RAMP), order=">"),
    "16-bit PPM": b"P6 4 1 65535 " + colours(RAMP).astype(">u2").tobytes(),
    "12-bit PPM": b"P6 4 1 4095 " + colours(RAMP >> 4).astype(">u2").tobytes(),
    "BMP": saved(Image.fromarray(np.tile(colours(BYTES), (5, 2, 1))), "BMP"),
    "WebP": saved(Image.fromarray(np.tile(colours(BYTES), (5, 2, 1))), "WEBP", lossless=True),
    "JPEG 2000": saved(Image.fromarray(np.tile(colours(BYTES), (5, 2, 1))), "JPEG2000"),
    "palette": saved(Image.fromarray(np.tile(colours(BYTES), (5, 2, 1))).quantize(4), "PNG"),
    "RGBA": saved(Image.fromarray(OPAQUE), "PNG"),
    "array, channels last": array(np.tile(colours(BYTES), (5, 2, 1))),
    "array, channels first": array(np.moveaxis(np.tile(colours(BYTES), (5, 2, 1)), 2, 0)),
    "array with transparency": array(np.tile(OPAQUE, (5, 2, 1))),
    "float array": array(np.tile(colours(FLOATS), (5, 2, 1))),
    "CMYK": saved(Image.fromarray(255 - np.concatenate([colours(BYTES), OPAQUE[:, :, 3:]], axis=2), "CMYK"), "TIFF"),
}


@pytest.mark.parametrize("name", COLOUR)
def test_colour(name: str) -> None:
    actual = levels_of(COLOUR[name])
    np.testing.assert_array_equal(actual[0, :4], colours(BYTES)[0])


@pytest.mark.parametrize("name", ["JPEG", "AVIF", "YCbCr", "CMYK JPEG"])
def test_formats_that_round_colours(name: str) -> None:
    picture = Image.fromarray(np.full((16, 16, 3), (200, 30, 60), np.uint8))
    contents = {
        "JPEG": lambda: saved(picture, "JPEG", quality=95),
        "AVIF": lambda: saved(picture, "AVIF", quality=95),
        "YCbCr": lambda: saved(picture.convert("YCbCr"), "TIFF"),
        "CMYK JPEG": lambda: saved(picture.convert("CMYK"), "JPEG", quality=95),
    }
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this build of Pillow has no AVIF")
    np.testing.assert_allclose(levels_of(contents[name]()).astype(int), np.asarray(picture).astype(int), atol=4)


@pytest.mark.parametrize(("bits", "expected"), [(1, [0, 0, 0, 255]), (2, [0, 85, 170, 255]), (4, [17, 187])])
def test_few_bits(bits: int, expected: list[int]) -> None:
    assert levels_of(png(bits, 0, [bytes([0b00011011])], 8 // bits))[0, : len(expected), 0].tolist() == expected


def test_one_bit_of_arrays_and_tiff() -> None:
    assert levels_of(array(np.array([[True, False]])))[0, :, 0].tolist() == [255, 0]
    bits = Image.fromarray(np.array([[255, 0, 255, 255]], np.uint8)).convert("1")
    for form in ("TIFF", "PNG"):
        assert levels_of(saved(bits, form))[0, :, 0].tolist() == [255, 0, 255, 255]


def test_twelve_bits_that_the_file_states() -> None:
    packed = np.frombuffer(bytes.fromhex("000400" + "9c4fff"), np.uint8).reshape(1, 6)  # 0, 0x400, 0x9c4, 0xfff
    content = tiff(packed, bits=12)
    assert levels_of(content)[0, :, 0].tolist() == UPPER


DIM = np.array([[0, 100, 2000, 4095]], np.uint16)
UNCOVERED = {
    "12 bits in 16, PNG": saved(Image.fromarray(DIM), "PNG"),
    "12 bits in 16, TIFF": tiff(DIM),
    "12 bits in 16, colour PNG": png(16, 2, [colours(DIM).astype(">u2").tobytes()], 4),
    "12 bits in 16, colour TIFF": tiff(colours(DIM)),
    "12 bits in 16, colour PPM": b"P6 4 1 65535 " + colours(DIM).astype(">u2").tobytes(),
    "12 bits in 16, plain colour PPM": f"P3 4 1 65535 {' '.join(map(str, colours(DIM).ravel()))}\n".encode(),
    "16-bit colour JPEG 2000": jpeg2000(colours(RAMP), "jp2"),
    "16-bit colour codestream of JPEG 2000": jpeg2000(colours(RAMP), "j2k"),
    "12 bits in 16, array": array(np.tile(DIM, (5, 1))),
    "14 bits in 16": tiff(DIM * 4),
    "signed 8": tiff(BYTES.view(np.int8), 2),
    "signed 16": tiff(RAMP.view(np.int16), 2),
    "signed 32": tiff(RAMP.astype(np.int32), 2),
    "unsigned 32": tiff(RAMP.astype(np.uint32)),
    "floats to 255": tiff(FLOATS * 255, 3),
    "negative floats": tiff(FLOATS - 0.5, 3),
    "high dynamic range": tiff(FLOATS * 7, 3),
    "NaN": tiff(np.full((1, 4), np.nan, np.float32), 3),
    "32-bit floats of three colours": tiff(colours(FLOATS), 3),
    "LAB": saved(Image.new("LAB", (4, 1)), "TIFF"),
    "int64 array": array(BYTES.astype(np.int64)),
    "int16 array": array(BYTES.astype(np.int16)),
    "float array to 255": array(BYTES.astype(np.float32)),
    "complex array": array(FLOATS.astype(complex)),
    "object array": array(BYTES.astype(object)),
    "array of either order": array(np.zeros((3, 5, 3), np.uint8)),
    "array of no order": array(np.zeros((5, 5, 2), np.uint8)),
    "array of pictures": array(np.zeros((2, 8, 8, 3), np.uint8)),
    "row of numbers": array(np.zeros(8, np.uint8)),
    "empty array": array(np.zeros((0, 4), np.uint8)),
}


@pytest.mark.parametrize("name", UNCOVERED)
def test_samples_without_a_rule_are_refused(name: str) -> None:
    with pytest.raises(DamageError) as caught:
        levels_of(UNCOVERED[name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_in_memory_that_fit_no_sixteen_bits_are_refused(value: int) -> None:
    picture = Image.fromarray(np.array([[0, 65535, value]], np.int32))
    assert picture.mode == "I"
    with pytest.raises(DamageError, match=str(value)):
        picture_of(picture)
    picture = Image.fromarray(RAMP.astype(np.int32))
    assert np.asarray(picture_of(picture))[0, :, 0].tolist() == UPPER


def test_a_picture_that_was_loaded_before_is_read_in_memory() -> None:
    content = saved(Image.fromarray(colours(BYTES)), "JPEG2000")
    picture = Image.open(io.BytesIO(content))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(picture_of(picture)), levels_of(content))
    with io.BytesIO(content) as file:
        unread = Image.open(file)
    with pytest.raises(DamageError, match="closed file"):
        picture_of(unread)


def test_a_dim_picture_of_twelve_bits_that_the_file_states_is_read() -> None:
    assert levels_of(b"P6 4 1 4095 " + colours(RAMP >> 8).astype(">u2").tobytes())[0, 3, 0] == 16


def test_a_black_picture_of_sixteen_bits_is_black() -> None:
    for samples in (np.zeros((1, 4), np.uint16), np.zeros((1, 4, 3), np.uint16)):
        assert not levels_of(tiff(samples)).any()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(form: str, orientation: int) -> None:
    upright = np.kron([[250, 120, 60], [20, 180, 90]], np.ones((16, 16))).astype(np.uint8)
    turned = {  # as a camera stores the upright picture, by the tag's definition (where row 0 and column 0 are seen)
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(turned)), form, exif=exif)
    np.testing.assert_allclose(levels_of(content)[:, :, 0].astype(int), upright.astype(int), atol=12)


def test_of_pages_and_animations_the_first_is_read() -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    for form in ("TIFF", "GIF", "PNG", "WEBP"):
        options = {"lossless": True} if form == "WEBP" else {}
        content = saved(first, form, save_all=True, append_images=[second], **options)
        assert levels_of(content)[0, 0].tolist() == [255, 0, 0]


def test_a_missing_decoder_is_named_and_not_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\0\0\0\x20ftypavif" + bytes(40)
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    monkeypatch.setattr(features, "check", lambda name: False)
    with refused("Pillow", "AVIF", "pip"), pytest.warns(UserWarning, match="AVIF"):
        levels_of(content)


@pytest.mark.parametrize(("content", "word"), [(b"\0\0\0\x18ftypheic" + bytes(30), "HEIC"), (b"\0" * 40, "unknown")])
def test_other_content_is_damage(content: bytes, word: str) -> None:
    with pytest.raises(DamageError, match=word):
        levels_of(content)


def test_folders_of_arrays_are_read_and_arrays_beside_pictures_are_not(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for place in range(6):
            np.save(tmp_path / name / f"{place}.npy", np.full((3, 16, 16), 40 * number + place, np.uint8))
    section = ImageData(image_size=16, folder=tmp_path)
    data = load_data(section, None, 0)
    values = sorted(
        {int(sample.max()) for part in (data.train, data.validation, data.test) for sample in part.inputs[:]}
    )
    assert values == [*range(6), *range(40, 46)]
    for name in ("cat", "dog"):
        for place in range(6):
            Image.new("RGB", (16, 16)).save(tmp_path / name / f"{place}.png")
    ids = load_data(section, None, 0).train.ids
    assert all(name.endswith(".png") for name in ids)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("form", ["EPS", "ICO", "TGA", "PCX", "SGI", "DDS"])
def test_a_format_outside_of_the_list_is_not_opened_whatever_its_name(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments, **options: pytest.fail("a program starts"))
    content = EPS if form == "EPS" else saved(Image.new("RGB", (16, 16), "red"), form)
    with pytest.raises(DamageError, match="JPEG2000"):
        read_picture(io.BytesIO(content))


def test_a_photograph_of_several_pictures_is_read_as_its_first() -> None:
    """Telephones write JPEG with a second picture for depth, which Pillow calls MPO."""
    first, second = Image.new("RGB", (8, 8), (200, 200, 200)), Image.new("RGB", (8, 8), "black")
    content = saved(first, "MPO", save_all=True, append_images=[second])
    assert (levels_of(content) == 200).all()
