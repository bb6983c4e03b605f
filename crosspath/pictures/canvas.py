"""What pictures share: text, titled panels in rows, a legend of classes, one line below."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crosspath.pictures.palette import Colours

PAPER, INK, SOFT = (255, 255, 255), (17, 17, 17), (90, 90, 90)
GAP = 8
"""Pixels between parts of a picture, and around it."""
TEXT = 13
"""Height of letters, in pixels."""
LINE = TEXT + 5
LONGEST = 28
"""Characters of a name; what is longer is cut."""
Panel = tuple[str, NDArray[np.uint8]]
"""A title, of one line or more, and the picture (H, W, 3) below it."""
Entry = tuple[str, tuple[int, int, int]]
"""A line of a legend: a name and its colour."""


@cache
def font(size: int = TEXT) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib and has Greek, Cyrillic and more; Pillow's own without it."""
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def short(name: str, longest: int = LONGEST) -> str:
    """A name on one line: control characters are spaces, and what is too long ends with …"""
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def width_of(text: str, size: int = TEXT) -> int:
    """Pixels that the longest line of a text takes."""
    return max(round(font(size).getlength(line)) for line in text.split("\n"))


def legend_entries(names: Sequence[str], colours: Colours, labels: Sequence[int]) -> list[Entry]:
    """Legend lines of some classes."""
    return [(short(names[label]), (int(r), int(g), int(b))) for label in labels for r, g, b in (colours[label],)]


def compose(rows: Sequence[Sequence[Panel]], *, legend: Sequence[Entry] = (), caption: str = "") -> Image.Image:
    """Panels in rows, each below its title, then a legend and a line of text; as wide as its widest row, or caption."""
    widths = [sum(max(picture.shape[1], width_of(title)) + GAP for title, picture in row) + GAP for row in rows]
    width = max([*widths, width_of(caption) + 2 * GAP if caption else 0])
    titles = [LINE * max(title.count("\n") + 1 for title, _ in row) for row in rows]
    heights = [
        max(picture.shape[0] for _, picture in row) + above + GAP for row, above in zip(rows, titles, strict=True)
    ]
    lines = _legend_lines(legend, width - 2 * GAP)
    height = GAP + sum(heights) + LINE * len(lines) + (LINE if caption else 0) + GAP // 2
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    y = GAP
    for row, above, row_height in zip(rows, titles, heights, strict=True):
        x = GAP
        for title, picture in row:
            for number, text in enumerate(title.split("\n")):
                draw.text((x, y + number * LINE), text, INK, font())
            canvas.paste(Image.fromarray(picture), (x, y + above))
            x += max(picture.shape[1], width_of(title)) + GAP
        y += row_height
    for line in lines:
        x = GAP
        for name, colour in line:
            draw.rectangle((x, y + 2, x + TEXT - 2, y + TEXT), colour, SOFT)
            draw.text((x + TEXT + 4, y), name, INK, font())
            x += _entry_width(name)
        y += LINE
    if caption:
        draw.text((GAP, y), caption, SOFT, font())
    return canvas


def _entry_width(name: str) -> int:
    return TEXT + 4 + width_of(name) + 2 * GAP


def _legend_lines(legend: Sequence[Entry], width: int) -> list[list[Entry]]:
    """The entries of a legend on lines that fit a width."""
    lines: list[list[Entry]] = []
    room = 0
    for name, colour in legend:
        if not lines or _entry_width(name) > room:
            lines.append([])
            room = width
        lines[-1].append((name, colour))
        room -= _entry_width(name)
    return lines


def fit_picture(picture: NDArray[np.uint8], least: int = 224, most: int = 480) -> NDArray[np.uint8]:
    """A picture whose longer side has `least` to `most` pixels or so: small ones grow by whole pixels, large ones are
    averaged."""
    longer = max(picture.shape[:2])
    if longer <= most:
        return enlarge(picture, least)
    height, width = (max(1, round(side * most / longer)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def enlarge(picture: NDArray[np.uint8], least: int = 224) -> NDArray[np.uint8]:
    """A small picture with whole-number pixels, its longer side at least `least` pixels."""
    times = max(1, -(-least // max(picture.shape[:2])))
    return np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
