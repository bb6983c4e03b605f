"""The training view of a picture with its mask: resized by a random factor, cropped, its colours distorted.

As in the published training of UPerNet on ADE20K (MMSegmentation's pipeline): the crop is drawn again where one class
covers most of it, and what lies beyond the picture has the mean colour and no label. A view acts on one sample, before
samples become a batch; its draws come from a generator seeded by (seed, epoch, sample).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.annotations import NOT_LABELLED, without_outside

STREAM = 0x5CE4E
TRIES = 10
LARGEST_SHARE = 0.75
"""Of one class in the labelled pixels of a crop, published."""
BRIGHTNESS, CONTRAST, SATURATION, HUE = 32, (0.5, 1.5), (0.5, 1.5), 36
"""Published ranges: levels added, factors, and degrees (18 steps of 2), each with a chance of one half."""


def scene_view(
    picture_4HW: NDArray[np.uint8], data: ImageData, section: ImageAugment, seed: int, epoch: int, sample: int
) -> NDArray[np.uint8]:
    """The view uint8 (4, S, S) of a picture of any size."""
    generator = np.random.default_rng((STREAM, seed, epoch, sample))
    picture_4HW = without_outside(picture_4HW)
    factor = 1.0 if section.resize_range is None else float(generator.uniform(*section.resize_range))
    picture_4HW = resize_picture(picture_4HW, factor * short_side_factor(picture_4HW, data))
    view_4SS = _crop(picture_4HW, data, generator)
    if section.distort_colours:
        view_4SS[:3] = _distort(view_4SS[:3], generator)
    return view_4SS


def short_side_factor(picture_4HW: NDArray[Any], data: ImageData) -> float:
    """What a picture is resized by before it is cut: to the short side `data.resize`, where that is given."""
    return 1.0 if data.resize is None else data.resize / min(picture_4HW.shape[1:])


def resize_picture(picture_4HW: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Colours bilinear, classes those of the nearest pixel."""
    from PIL import Image

    height, width = (max(round(side * factor), 1) for side in picture_4HW.shape[1:])
    if (height, width) == picture_4HW.shape[1:]:
        return picture_4HW
    colours = Image.fromarray(np.ascontiguousarray(picture_4HW[:3].transpose(1, 2, 0)))
    classes = Image.fromarray(np.ascontiguousarray(picture_4HW[3]))
    colours_HW3 = np.asarray(colours.resize((width, height), Image.Resampling.BILINEAR))
    classes_HW = np.asarray(classes.resize((width, height), Image.Resampling.NEAREST))
    return np.concatenate([colours_HW3, classes_HW[..., None]], axis=2).transpose(2, 0, 1)


def _crop(picture_4HW: NDArray[np.uint8], data: ImageData, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A random square; of several draws the first in which no class covers most."""
    size = data.image_size
    height, width = picture_4HW.shape[1:]
    for _ in range(TRIES):
        top = int(generator.integers(max(height - size, 0) + 1))
        left = int(generator.integers(max(width - size, 0) + 1))
        crop_4HW = picture_4HW[:, top : top + size, left : left + size]
        counts = np.bincount(crop_4HW[3].ravel(), minlength=NOT_LABELLED + 1)[:NOT_LABELLED]
        if (counts > 0).sum() > 1 and counts.max() < LARGEST_SHARE * counts.sum():
            break
    view_4SS = np.empty((4, size, size), np.uint8)
    view_4SS[:3] = np.rint(255 * np.array(data.mean)).astype(np.uint8)[:, None, None]
    view_4SS[3] = NOT_LABELLED
    view_4SS[:, : crop_4HW.shape[1], : crop_4HW.shape[2]] = crop_4HW
    return view_4SS


def _distort(colours_3HW: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and hue; contrast before or after the latter two."""
    from PIL import Image

    use = generator.random(5) < 0.5
    ranges = ((-BRIGHTNESS, BRIGHTNESS), CONTRAST, SATURATION, (-HUE, HUE))
    shift, contrast, saturation, hue = (generator.uniform(*limits) for limits in ranges)
    levels_3HW = colours_3HW.astype(np.float32)
    if use[0]:
        levels_3HW = (levels_3HW + shift).clip(0, 255)
    if use[1] and use[4]:
        levels_3HW = (levels_3HW * contrast).clip(0, 255)
    if use[2] or use[3]:
        picture = Image.fromarray(np.rint(levels_3HW).astype(np.uint8).transpose(1, 2, 0)).convert("HSV")
        hues, saturations, values = (np.asarray(band).astype(np.float32) for band in picture.split())
        if use[2]:
            saturations = (saturations * saturation).clip(0, 255)
        if use[3]:
            hues = np.rint(hues + hue * 256 / 360) % 256
        bands = [Image.fromarray(np.rint(band).astype(np.uint8)) for band in (hues, saturations, values)]
        levels_3HW = np.asarray(Image.merge("HSV", bands).convert("RGB")).transpose(2, 0, 1).astype(np.float32)
    if use[1] and not use[4]:
        levels_3HW = (levels_3HW * contrast).clip(0, 255)
    return np.rint(levels_3HW).astype(np.uint8)
