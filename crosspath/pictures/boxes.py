"""Boxes with class and score on an image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crosspath.pictures.canvas import TEXT, enlarge, font, short, width_of
from crosspath.pictures.palette import Colours, ink_on

LINE_WIDTH = 2
CHIP = TEXT + 3
"""Height of the coloured field behind a label."""


def with_boxes(
    image_HW3: NDArray[np.uint8],
    corners_M4: NDArray[np.floating],
    labels: Sequence[int],
    names: Sequence[str],
    colours: Colours,
    scores: Sequence[float] | None = None,
    least: int = 320,
) -> NDArray[np.uint8]:
    """The image, enlarged to `least` pixels where it is smaller, with a line around each box and its class above.

    `corners_M4` are x0, y0, x1, y1 in pixels of the image. Boxes are drawn from last to first: detectors give the best
    first, which then lies on top.
    """
    picture = enlarge(image_HW3, least)
    times = picture.shape[0] // image_HW3.shape[0]
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for number in reversed(range(len(corners_M4))):
        x0, y0, x1, y1 = (round(float(value) * times) for value in corners_M4[number])
        label = int(labels[number])
        colour = (int(colours[label][0]), int(colours[label][1]), int(colours[label][2]))
        # An edge lies on the last pixel of the box, not beyond it; a box never turns over.
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=LINE_WIDTH)
        text = short(names[label], 16) + ("" if scores is None else f" {scores[number]:.2f}")
        top = y0 - CHIP if y0 >= CHIP else y0
        left = max(0, min(x0, canvas.width - width_of(text) - 4))
        draw.rectangle((left, top, left + width_of(text) + 3, top + CHIP - 1), colour)
        draw.text((left + 2, top), text, ink_on(colours[label]), font())
    return np.asarray(canvas)
