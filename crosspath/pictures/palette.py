"""Colours of classes, by number: the first for all kinds of colour vision, the others as far apart as can be."""

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]
"""(K, 3), red, green and blue of each class."""

FIRST = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#8c564b", "#7f3fbf", "#9acd32")
"""Okabe and Ito's colours for all kinds of colour vision, without black, then three more."""
LEVELS = (0, 50, 100, 150, 200, 250)
"""Of red, green and blue, of which the further colours are made."""
SATURATION = 80
"""The least difference between the largest and the smallest of the three: greys are for what has no class."""


@cache
def class_colours(count: int) -> Colours:
    """The colours of `count` classes, the same for a number whatever the count; each further one is as far as possible
    from all before it. They begin again where none is left, after 190."""
    palette = [tuple(bytes.fromhex(colour[1:])) for colour in FIRST[:count]]
    rest = np.array([rgb for rgb in product(LEVELS, repeat=3) if max(rgb) - min(rgb) >= SATURATION], float)
    distances = np.min([((rest - colour) ** 2).sum(axis=1) for colour in palette], axis=0) if palette else np.zeros(0)
    while len(palette) < min(count, len(FIRST) + len(rest)):
        farthest = int(distances.argmax())
        red, green, blue = (int(value) for value in rest[farthest])
        palette.append((red, green, blue))
        distances = np.minimum(distances, ((rest - rest[farthest]) ** 2).sum(axis=1))
    colours = np.array([palette[index % len(palette)] for index in range(count)], np.uint8).reshape(count, 3)
    colours.setflags(write=False)
    return colours


def ink_on(colour: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Black or white, whichever reads better on a colour."""
    luminance = float(np.dot(colour, (0.2126, 0.7152, 0.0722)))
    return (17, 17, 17) if luminance > 115 else (255, 255, 255)
