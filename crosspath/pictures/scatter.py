"""Predicted against true numbers."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crosspath.counts import quantity
from crosspath.pictures.canvas import GAP, INK, LINE, PAPER, SOFT, TEXT, font, short, width_of
from crosspath.pictures.palette import class_colours

SIDE = 240
"""Of the square with the points, in pixels."""
GRID = (225, 225, 225)
RADIUS = 2
MOST = 5_000
"""Points of one picture; of more, every so many-th is drawn, and the title says so."""


def scatter(true_N: NDArray[np.floating], predicted_N: NDArray[np.floating], name: str) -> Image.Image:
    """A point a sample, predicted over true, on equal axes with the line of perfect predictions; pairs that are not
    finite are left out."""
    finite = np.isfinite(true_N) & np.isfinite(predicted_N)
    true, predicted = true_N[finite].astype(float), predicted_N[finite].astype(float)
    step = max(1, -(-len(true) // MOST))
    some = (
        f"{len(true[::step]):,} of {len(true_N):,} samples"
        if step > 1 or not finite.all()
        else quantity(len(true), "sample")
    )
    values = np.concatenate([true, predicted]) if len(true) else np.zeros(1)
    low, high = padded(float(values.min()), float(values.max()))
    ticks = nice_ticks(low, high)
    texts = [f"{tick:.10g}".replace("-", "−") for tick in ticks]
    left = GAP + LINE + max(map(width_of, texts)) + 6
    top = GAP + LINE + 4
    canvas = Image.new("RGB", (left + SIDE + 3 * GAP, top + SIDE + 2 * LINE + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (SIDE - 1))

    draw.text((GAP, GAP - 2), f"{short(name)}, {some}", INK, font())
    last = -math.inf
    for tick, text in zip(ticks, texts, strict=True):
        at = place(tick)
        draw.line((left + at, top, left + at, top + SIDE - 1), GRID)
        draw.line((left, top + SIDE - 1 - at, left + SIDE - 1, top + SIDE - 1 - at), GRID)
        draw.text((left - 5 - width_of(text), top + SIDE - 1 - at - TEXT // 2 - 1), text, SOFT, font())
        begin = left + at - width_of(text) / 2
        if begin > last + GAP:
            draw.text((begin, top + SIDE + 3), text, SOFT, font())
            last = begin + width_of(text)
    draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=SOFT)
    draw.line((left, top + SIDE - 1, left + SIDE - 1, top), SOFT)
    red, green, blue = class_colours(1)[0].tolist()
    for x, y in zip(true[::step], predicted[::step], strict=True):
        column, row = left + place(x), top + SIDE - 1 - place(y)
        draw.ellipse((column - RADIUS, row - RADIUS, column + RADIUS, row + RADIUS), (red, green, blue))
    draw.text((left + (SIDE - width_of("true")) // 2, top + SIDE + LINE), "true", INK, font())
    upright = Image.new("RGB", (width_of("predicted"), LINE), PAPER)
    ImageDraw.Draw(upright).text((0, 0), "predicted", INK, font())
    canvas.paste(upright.rotate(90, expand=True), (GAP - 2, top + (SIDE - upright.width) // 2))
    return canvas


def padded(low: float, high: float) -> tuple[float, float]:
    """The range with a little room at both ends, also where it is a single number."""
    room = 0.04 * (high - low) or 0.5 * abs(low) or 1.0
    return low - room, high + room


def nice_ticks(low: float, high: float, about: int = 5) -> Sequence[float]:
    """The multiples of 1, 2 or 5 times a power of ten in the range, some `about` of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda size: abs((high - low) / size - about))
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
