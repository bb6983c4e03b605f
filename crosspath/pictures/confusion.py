"""How often samples of each class get each class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crosspath.pictures.canvas import GAP, INK, LINE, PAPER, SOFT, TEXT, font, short, width_of
from crosspath.pictures.palette import class_colours, ink_on

MOST_NAMES = 40
"""Classes whose names stand beside the matrix; of more, only the pairs below it have names."""
MOST_NUMBERS = 20
"""Classes whose cells hold their numbers."""
PAIRS = 5
"""Of classes that are mistaken for each other most, below the matrix."""
LONGEST = 18


def confusion_counts(true_N: NDArray[np.integer], predicted_N: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Counts (true class, predicted class)."""
    return np.bincount(true_N * classes + predicted_N, minlength=classes**2).reshape(classes, classes)


def confusion_matrix(counts_KK: NDArray[np.integer], names: Sequence[str]) -> Image.Image:
    """A row a true class, a column a predicted one: a cell is the darker, the larger its share of the row. Below it the
    most frequent confusions."""
    classes = len(names)
    has_names, has_numbers = classes <= MOST_NAMES, classes <= MOST_NUMBERS
    cell = 34 if has_numbers else 20 if has_names else max(2, 560 // classes)
    labels = [short(name, LONGEST) if has_names else "" for name in names]
    beside = max(map(width_of, labels))
    left, top = GAP + LINE + beside + 4, GAP + LINE + beside + 4
    lines = _lines_below(counts_KK, names)
    width = max(left + classes * cell + GAP, *(width_of(line) + 2 * GAP for line in lines), 200)
    canvas = Image.new("RGB", (width, top + classes * cell + GAP + LINE * len(lines) + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    shares = counts_KK / counts_KK.sum(axis=1, keepdims=True).clip(1)
    # A cell's blue: white where nothing fell, full where the whole row did.
    pixels = np.rint(255 + shares[..., None] * (class_colours(1)[0].astype(float) - 255)).astype(np.uint8)
    blown_up = np.repeat(np.repeat(pixels, cell, axis=0), cell, axis=1)
    canvas.paste(Image.fromarray(blown_up), (left, top))
    draw.rectangle((left - 1, top - 1, left + classes * cell, top + classes * cell), outline=SOFT)
    for row in range(classes if has_names else 0):
        y = top + row * cell + (cell - TEXT) // 2 - 1
        draw.text((left - 4 - width_of(labels[row]), y), labels[row], INK, font())
        upright = Image.new("RGB", (beside + 2, LINE), PAPER)
        ImageDraw.Draw(upright).text((0, 1), labels[row], INK, font())
        canvas.paste(upright.rotate(90, expand=True), (left + row * cell + (cell - LINE) // 2, GAP + LINE - 2))
        for column in range(classes if has_numbers else 0):
            if count := int(counts_KK[row, column]):
                text = f"{count}" if count < 10_000 else f"{count // 1000}k"
                place = left + column * cell + (cell - width_of(text, 11)) // 2, y + 1
                draw.text(place, text, ink_on(pixels[row, column]), font(11))
    draw.text((left, GAP - 2), "predicted", SOFT, font())
    upright = Image.new("RGB", (width_of("true"), LINE), PAPER)
    ImageDraw.Draw(upright).text((0, 0), "true", SOFT, font())
    canvas.paste(upright.rotate(90, expand=True), (GAP - 2, top))
    for number, line in enumerate(lines):
        draw.text((GAP, top + classes * cell + GAP + number * LINE), line, SOFT if number else INK, font())
    return canvas


def _lines_below(counts_KK: NDArray[np.integer], names: Sequence[str]) -> list[str]:
    """What stands below the matrix: how many are right, then the most frequent confusions."""
    wrong = counts_KK.copy()
    np.fill_diagonal(wrong, 0)
    lines = [f"{int(counts_KK.trace()):,} of {int(counts_KK.sum()):,} right"]
    for place in np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]:
        true, predicted = divmod(int(place), len(names))
        if count := int(wrong[true, predicted]):
            of = int(counts_KK[true].sum())
            lines.append(f"{short(names[true])} taken for {short(names[predicted])}: {count:,} of {of:,}")
    return lines
