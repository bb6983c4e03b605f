"""A class for each pixel, as colour over the image."""

import numpy as np
from numpy.typing import NDArray

from crosspath.pictures.palette import Colours

Pixels = NDArray[np.uint8]
"""A picture (H, W, 3)."""
SHARE = 0.55
"""Of the colour in a pixel inside a region; its border has the whole colour."""


def overlay(image_HW3: Pixels, classes_HW: NDArray[np.integer], colours: Colours) -> Pixels:
    """The image with the colour of its class over each pixel; a number without a colour, such as 255 of what is not
    labelled, leaves the pixel as it is."""
    labelled_HW = classes_HW < len(colours)
    colours_HW3 = colours[np.where(labelled_HW, classes_HW, 0)].astype(float)
    share_HW = np.where(_borders(classes_HW), 1.0, SHARE) * labelled_HW
    mixed = image_HW3 + share_HW[..., None] * (colours_HW3 - image_HW3)
    pixels: Pixels = np.rint(mixed).astype(np.uint8)
    return pixels


def _borders(classes_HW: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels beside or above one of another class: borders are one pixel wide and lie on one side."""
    borders = np.zeros(classes_HW.shape, bool)
    borders[:-1] |= classes_HW[:-1] != classes_HW[1:]
    borders[:, :-1] |= classes_HW[:, :-1] != classes_HW[:, 1:]
    return borders


def largest_classes(*masks: NDArray[np.integer], classes: int, most: int) -> list[int]:
    """The classes (numbers below `classes`) in masks that have most pixels, at most `most`, in ascending order: what a
    legend names."""
    counts = np.bincount(np.concatenate([mask[mask < classes].ravel() for mask in masks]).astype(int))
    order = np.argsort(-counts, kind="stable")
    return sorted(int(label) for label in order[:most] if counts[label])
