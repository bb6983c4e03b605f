"""Spectrograms and series as small pictures without axes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from crosspath.pictures.palette import class_colours

ANCHORS = np.array([(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], float)
"""Five colours of matplotlib's magma, evenly spaced."""
PAPER = (255, 255, 255)


def heat_map(values_HW: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values as colours from dark to light, over their own range; pixels (H, W, 3)."""
    low, high = float(values_HW.min()), float(values_HW.max())
    places = (values_HW - low) / max(high - low, 1e-12) * (len(ANCHORS) - 1)
    channels = [np.interp(places, range(len(ANCHORS)), ANCHORS[:, channel]) for channel in range(3)]
    pixels: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return pixels


def curves(values_CT: NDArray[np.floating], width: int = 224, height: int = 112) -> NDArray[np.uint8]:
    """The channels one above the other, each over its own range; pixels (height, width, 3)."""
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    room = height / len(values_CT)
    across_T = np.linspace(1, width - 2, values_CT.shape[1])
    for channel, (values_T, colour) in enumerate(zip(values_CT, class_colours(len(values_CT)), strict=True)):
        low, high = float(values_T.min()), float(values_T.max())
        down_T = room * (channel + 0.92 - 0.84 * (values_T - low) / max(high - low, 1e-12))
        draw.line([(float(x), float(y)) for x, y in zip(across_T, down_T, strict=True)], tuple(colour.tolist()))
    return np.asarray(canvas)
