"""One picture of any sample type as upright RGB levels from 0 to 255: one rule for every type.

Black is 0 and white the highest value of the type; nothing is scaled by a picture's own minimum and maximum.

- Unsigned integers of b bits: 0 to 2^b - 1; of more than 8 bits the upper 8 are kept. A picture of 16 bits whose values
  fit into 14 is refused: a camera's or scanner's 12 bits, or a depth in millimetres, would be nearly black.
- Floating-point numbers: 0 to 1, rounded; a picture with values beyond is refused.
- Signed and 32-bit integers, CIELAB, and colour JPEG 2000 of more than 8 bits are refused.
- Grey, palettes, CMYK and YCbCr become RGB; transparency is dropped; colour profiles are not applied.
- The orientation tag is applied, and of several pictures in a file the first is read.
"""

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError, require_within
from crosspath.errors import InputError
from crosspath.limits import PIXELS

COLOURS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes of unsigned integers; of those of 16 bits a channel it keeps the upper 8."""
FEWEST_16_BIT = 1 << 14
"""The brightest value of a picture of 16 bits is at least this."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is turned."""
CHANNELS = (1, 3, 4)
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM")
"""Opened, by Pillow's names, whatever a file is called. Some others start a program: EPS is read by Ghostscript."""
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT = 258, 262, 339
"""Numbers of tags. Photometric 0: the lowest value is white."""
SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "float"}
DECODERS = (
    (b"ftypavif", 4, "AVIF", "avif", "pillow>=11.3"),
    (b"ftypavis", 4, "AVIF", "avif", "pillow>=11.3"),
    (b"jP  ", 4, "JPEG 2000", "jpg_2000", "pillow"),
    (b"\xff\x4f\xff\x51", 0, "JPEG 2000", "jpg_2000", "pillow"),
)
"""(signature, its place, format, Pillow's name of the decoder, what to install). Some builds of Pillow lack them."""


def read_picture(file: IO[bytes]) -> Any:
    """An upright RGB Pillow image of a picture's file, or of a `.npy` array (H, W), (H, W, C) or (C, H, W) in it.

    C is 1, 3 or 4 (RGB and transparency). Formats are recognised by content.

    Raises
    ------
    DamageError
        For a file that cannot be decoded, has more pixels than `limits.PIXELS`, or a sample type or range that the rule
        above does not cover.
    InputError
        Where Pillow has been told to accept truncated files, or lacks the decoder.
    """
    from PIL import Image, ImageFile, UnidentifiedImageError

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        todo = "turn it off: truncated images would be read as complete ones"
        raise InputError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", "False", "True", todo)
    head = file.read(16)
    file.seek(0)
    if head[:6] == b"\x93NUMPY":
        return _array_picture(load_array(file))
    most = PIXELS.most
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most  # at twice as many Pillow refuses by itself
    try:
        with Image.open(file, formats=FORMATS) as image:
            require_within(PIXELS, image.width * image.height)
            bits, kind, invert = _sample_type(image)
            image.load()
            return _rgb(image, bits, kind, invert)
    except UnidentifiedImageError:  # its message contains the address of an object
        raise _unknown(head) from None
    except (DamageError, InputError):
        raise
    except Image.DecompressionBombError:
        todo = f"set {PIXELS.variable} to as many as it has to read it"
        raise DamageError(f"it has more than {2 * most:,} pixels: {todo}") from None
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise DamageError(f"the image decoder fails ({error})".replace("\n", " ")) from None


def picture_of(value: Any) -> Any:
    """As `read_picture`, from a Pillow image or an array in memory. Raises `DamageError`."""
    from PIL import Image

    if isinstance(value, Image.Image):
        require_within(PIXELS, value.width * value.height)
        bits, kind, invert = 16 if value.mode.startswith("I") else 8, "unsigned", False
        try:
            if getattr(value, "tile", None) is not None:  # it was opened from a file
                bits, kind, invert = _sample_type(value)
            value.load()
        except DamageError:
            raise
        except Exception as error:  # of a picture that was opened, and is read only now
            raise DamageError(f"the image decoder fails ({error})".replace("\n", " ")) from None
        return _rgb(value, bits, kind, invert)
    return _array_picture(np.asarray(value))


def turned_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height as stored of a picture that its orientation tag turns or mirrors; None for an upright one, and
    for what cannot be opened, which whoever reads it refuses.

    What was annotated beside such a picture may follow the tag or not: programs differ.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            return image.size if image.getexif().get(ORIENTATION, 1) != 1 else None
    except Exception:
        return None
    finally:
        file.seek(0)


def _sample_type(image: Any) -> tuple[int, str, bool]:
    """(bits, kind, whether the lowest value is white and Pillow does not invert it) of an image not loaded yet."""
    if image.format == "TIFF":
        tags = image.tag_v2
        bits, kind = max(tags.get(TIFF_BITS, (1,))), SAMPLE_FORMATS.get(tags.get(TIFF_SAMPLE_FORMAT, (1,))[0], "other")
        return bits, kind, tags.get(TIFF_PHOTOMETRIC) == 0 and bits > 8
    arguments = image.tile[0].args if image.tile else ""
    rawmode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    deep = ";16" in str(rawmode) or image.mode.startswith("I")
    if image.format == "PPM" and isinstance(arguments, tuple):
        deep = deep or arguments[1] >= FEWEST_16_BIT  # its highest value
    # Pillow forgets the file of an image that was loaded.
    if image.format == "JPEG2000" and not deep and image.fp is not None and (bits := _jpeg2000_bits(image.fp)) > 8:
        # Pillow rounds white up to one more than 255, which is 0.
        raise DamageError(f"colours of {bits} bits in JPEG 2000 are not read: save it as 8-bit RGB")
    return 16 if deep else 8, "unsigned", False


def _jpeg2000_bits(file: IO[bytes]) -> int:
    """Bits of the first channel, which Pillow does not tell. From the codestream: encoders err in the box before it."""
    file.seek(0)
    _, _, codestream = file.read().partition(b"\xff\x4f\xff\x51")
    return (codestream[38] & 0x7F) + 1 if len(codestream) > 38 else 0


def _rgb(image: Any, bits: int, kind: str, invert: bool) -> Any:
    from PIL import Image, ImageOps

    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # a faulty tag does not make the image unreadable
        image = image.copy()
    if image.mode == "F":
        values = np.asarray(image)
        return Image.fromarray(_float_levels(1 - values if invert else values)).convert("RGB")
    if kind == "unsigned" and bits <= 16 and (image.mode.startswith("I;16") or image.mode == "I"):
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:  # of 32 bits, in memory
            raise DamageError(f"integers from {low} to {high}, not from 0 to 65535: save it as 8-bit RGB")
        values = values.astype(np.uint16)
        if bits == 12:  # stored without padding
            return Image.fromarray((values >> 4).astype(np.uint8)).convert("RGB")
        _require_16_bits(high)
        return Image.fromarray(((65535 - values if invert else values) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode not in COLOURS or kind != "unsigned" or bits > 16:
        raise DamageError(f"{kind} samples of {bits} bits (mode {image.mode}) have no rule: save it as 8-bit RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    rgb = image.convert("RGB")
    if bits == 16 and image.mode != "CMYK":
        _require_16_bits(max(high for _, high in rgb.getextrema()) << 8)
    return rgb


def _array_picture(array: NDArray[Any]) -> Any:
    from PIL import Image

    require_within(PIXELS, array.size)
    first, last = (array.ndim == 3 and array.shape[place] in CHANNELS for place in (0, -1))
    if first and not last:
        array = np.moveaxis(array, 0, -1)
    if not array.size or (array.ndim != 2 and first == last):
        raise DamageError(
            f"an array of shape {array.shape} is not clearly (H, W), (H, W, 1, 3 or 4) or (1, 3 or 4, H, W)"
        )
    if (array.dtype.kind, array.dtype.itemsize) == ("u", 2):  # in either order of bytes
        _require_16_bits(int(array[..., :3].max() if array.ndim == 3 else array.max()))
        levels = (array >> 8).astype(np.uint8)
    elif array.dtype == bool:
        levels = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind == "f":
        levels = _float_levels(array)
    elif array.dtype == np.uint8:
        levels = array
    else:
        raise DamageError(f"{array.dtype} samples have no rule: save uint8, uint16, bool, or floats from 0 to 1")
    levels = np.ascontiguousarray(levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels)
    return Image.fromarray(levels).convert("RGB")


def _float_levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also NaN
        raise DamageError(f"floats from {low:.6g} to {high:.6g}, not from 0 to 1: scale them, or save it as 8-bit RGB")
    return (values * 255).round().astype(np.uint8)


def _require_16_bits(brightest: int) -> None:
    if 0 < brightest < FEWEST_16_BIT:
        found = f"its 16-bit values reach {brightest} of 65535, as 12 or 14 bits in 16 do"
        raise DamageError(f"{found}: scale them to the whole range, or save it as 8-bit RGB")


def _unknown(head: bytes) -> Exception:
    """Why Pillow does not know a file that begins with `head`."""
    from PIL import features

    for signature, place, name, decoder, package in DECODERS:
        if head[place : place + len(signature)] == signature and not features.check(decoder):
            todo = f"install one that has it: pip install --upgrade '{package}'"
            return InputError("Pillow", f"a build that decodes {name}", "one without it", todo)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return DamageError("it is HEIC, which is not read: convert it to JPEG")
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return DamageError("its TIFF sample type is not read (such as 32-bit RGB): save it as 8-bit RGB")
    return DamageError(f"the image decoder fails (unknown image format, none of {', '.join(FORMATS)})")
