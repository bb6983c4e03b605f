"""Index masks, 8-bit PNGs, and the file that names the classes of their values."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosspath.data.annotations import MOST_CLASSES, NOT_LABELLED
from crosspath.data.items import DamageError, file_stamp, require_within
from crosspath.data.readers.pictures import ORIENTATION
from crosspath.errors import InputError
from crosspath.limits import PIXELS

TABLE = "objectInfo150.txt"
NAMES = "classes.txt"
VALUES = 256
NO_CLASS = 254
"""Of a value that no class has, in the table of values."""
GREY_BITS = {"L;2": 2, "L;4": 4, "1": 1}
"""Bits of the grey levels that Pillow spreads over 0 to 255."""


class MaskValues(NamedTuple):
    """What the values of masks mean."""

    classes: tuple[str, ...]
    source: str
    """The file that names them."""
    table: NDArray[np.uint8]
    """The class of each of 256 values, `NOT_LABELLED`, or `NO_CLASS`."""


def read_mask(path: Path, values: MaskValues) -> NDArray[np.uint8]:
    """Classes (H, W) of a PNG of 8 bits, grey or with a palette. Raises `DamageError`, in words that follow a name."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as image:
            require_within(PIXELS, image.width * image.height)
            rawmode = image.tile[0].args if image.tile else image.mode
            rawmode = rawmode[0] if isinstance(rawmode, tuple) else rawmode
            if image.mode.startswith("I") or ";16" in str(rawmode):
                raise DamageError("has 16 bits: save its class numbers with 8")
            if image.mode not in ("L", "P"):
                kind = f"{GREY_BITS[image.mode]} bit" if image.mode in GREY_BITS else f"colours ({image.mode})"
                raise DamageError(f"has {kind}, not class numbers: save it as 8-bit grey or with a palette")
            if str(rawmode) in GREY_BITS and image.mode == "L":
                raise DamageError(f"has grey levels of {GREY_BITS[str(rawmode)]} bits: save its class numbers with 8")
            if image.getexif().get(ORIENTATION, 1) != 1:
                raise DamageError("is turned by its EXIF tag: save it upright")
            indices = np.array(image)
    except DamageError:
        raise
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise DamageError(f"is no PNG that can be read ({type(error).__name__})") from None
    classes: NDArray[np.uint8] = values.table[indices]
    if (classes == NO_CLASS).any():
        value = int(indices[classes == NO_CLASS][0])
        names = f"the {len(values.classes)} classes of {values.source}"
        raise DamageError(f"has the value {value}, which is none of {names}: correct it, or set data.ignored_values")
    return classes


def mask_values(folder: Path, ignored_values: tuple[int, ...] | None) -> MaskValues:
    """What the values of masks mean, from the file of classes in `folder`. Raises `InputError` where it is faulty."""
    files = [folder / name for name in (TABLE, NAMES) if (folder / name).is_file()]
    if len(files) == 1:
        return _mask_values(files[0], ignored_values, file_stamp(files[0]))
    todo = f"write {NAMES}: one class name per line, the first for the value 0"
    if files:
        todo = "remove the one that does not say what the values of the masks mean"
    raise InputError(folder, f"one file {TABLE} or {NAMES}", "both" if files else "neither", todo)


@lru_cache(maxsize=4)
def _mask_values(file: Path, ignored_values: tuple[int, ...] | None, stamp: str) -> MaskValues:
    """`stamp` differs once the file has changed."""
    names = _published_names(file) if file.name == TABLE else _own_names(file)
    if ignored_values is None:
        ignored_values = (0, 255) if file.name == TABLE else (255,)
    classes = [(value, name) for value, name in sorted(names.items()) if value not in ignored_values]
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(
            file, f"2 to {MOST_CLASSES} classes beside data.ignored_values", str(len(classes)), "correct it"
        )
    table = np.full(VALUES, NO_CLASS, np.uint8)
    table[list(ignored_values)] = NOT_LABELLED
    for label, (value, _) in enumerate(classes):
        table[value] = label
    return MaskValues(tuple(name for _, name in classes), file.name, table)


def _own_names(file: Path) -> dict[int, str]:
    """{value: name} of a file with a name a line."""
    lines = [line.strip() for line in _text(file).rstrip().splitlines()]
    for number, line in enumerate(lines, 1):
        if not line or lines.index(line) != number - 1:
            found = "an empty one" if not line else f"{line!r} again"
            raise InputError(f"{file} row {number}", "a name of its own for each class", found, "correct it")
    if len(lines) > VALUES:
        raise InputError(file, f"at most {VALUES} lines, one for each value of a mask", str(len(lines)), "correct it")
    return dict(enumerate(lines))


def _published_names(file: Path) -> dict[int, str]:
    """{value: name} of ADE20K's table, whose columns are Idx, Ratio, Train, Val, Stuff and Name."""
    names: dict[int, str] = {}
    for number, line in enumerate(_text(file).splitlines()[1:], 2):
        cells = line.split("\t")
        if not line.strip():
            continue
        index = cells[0].strip()
        if len(cells) < 2 or not index.isdecimal() or not 0 < int(index) < VALUES or int(index) in names:
            expected = "columns with tabs, a new number from 1 to 255 first and a name last"
            raise InputError(f"{file} row {number}", expected, repr(line[:60]), "copy the published file again")
        names[int(index)] = cells[-1].strip()
    return names


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(file, "text in UTF-8", "bytes that are not", "save it as UTF-8") from None
