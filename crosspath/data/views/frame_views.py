"""Random crops and RandAugment of an image, or of all frames of a clip alike.

They act on Pillow images, one sample at a time, before samples become a batch. Every draw comes from a generator seeded
by (seed, epoch, sample), so the number of worker processes changes nothing.
"""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import ImageAugment, VideoAugment
from crosspath.config.data import ImageData, VideoData
from crosspath.data.views.scene_views import scene_view
from crosspath.errors import InputError

STREAM = 0xF4A3E
RATIOS = (3 / 4, 4 / 3)
TRIES = 10
SCALES = (1.0, 0.875, 0.75, 0.66)
"""Of the published multi-scale crop."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def frames_view(
    frames: Sequence[Any],
    data: ImageData | VideoData,
    section: ImageAugment | VideoAugment,
    seed: int,
    epoch: int,
    sample: int,
) -> list[NDArray[np.uint8]]:
    """The frames uint8 (3, S, S) of one sample, all cropped and augmented alike.

    Without a random crop the frames must have size S already.
    """
    from PIL import Image

    generator = np.random.default_rng((STREAM, seed, epoch, sample))
    size = data.image_size
    box: Box | None = None
    if section.resized_crop is not None:
        width, height = frames[0].size
        box = resized_crop_box(width, height, section.resized_crop, generator)
    elif isinstance(section, VideoAugment) and section.multi_scale_crop:
        width, height = frames[0].size
        box = multi_scale_box(width, height, generator)
    if box is not None:
        frames = [frame.resize((size, size), Image.Resampling.BICUBIC, box=box) for frame in frames]
    if section.rand_augment is not None:
        policy = _policy(section.rand_augment, size, tuple(data.mean))
        word = int(generator.integers(2**32))
        views = []
        for frame in frames:
            with _global_seed(word):
                views.append(policy(frame))
        frames = views
    return [np.asarray(frame).transpose(2, 0, 1) for frame in frames]


def augment_pictures(
    data: ImageData | VideoData,
    section: ImageAugment | VideoAugment,
    inputs: NDArray[Any],
    seed: int,
    epoch: int,
    ids_B: NDArray[np.int64],
) -> NDArray[Any]:
    """`frames_view` of images (B, 3, H, W) or clips (B, 3, T, H, W); unchanged if no such augmentation is on. Of
    pictures with masks (B, 4, H, W) the views of `scene_views.py`.
    """
    if isinstance(data, ImageData) and isinstance(section, ImageAugment) and data.annotated:
        pairs = zip(inputs, ids_B.tolist(), strict=True)
        return np.stack([scene_view(picture, data, section, seed, epoch, sample) for picture, sample in pairs])
    multi_scale = isinstance(section, VideoAugment) and section.multi_scale_crop
    if section.resized_crop is None and section.rand_augment is None and not multi_scale:
        return inputs
    from PIL import Image

    views = []
    for sample, values in zip(ids_B.tolist(), inputs, strict=True):
        frames_TCHW = values[None] if values.ndim == 3 else values.transpose(1, 0, 2, 3)
        pictures = [Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))) for frame in frames_TCHW]
        view_TCHW = np.stack(frames_view(pictures, data, section, seed, epoch, sample))
        views.append(view_TCHW[0] if values.ndim == 3 else view_TCHW.transpose(1, 0, 2, 3))
    return np.stack(views)


def resized_crop_box(width: int, height: int, shares: tuple[float, float], generator: np.random.Generator) -> Box:
    """A random box with a share of the area in `shares` and sides in a ratio of 3:4 to 4:3 (Szegedy et al. 2015); if
    ten draws do not fit, the largest centred box with such a ratio.
    """
    for _ in range(TRIES):
        area = width * height * generator.uniform(*shares)
        ratio = math.exp(generator.uniform(math.log(RATIOS[0]), math.log(RATIOS[1])))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, top = int(generator.integers(width - across + 1)), int(generator.integers(height - down + 1))
            return left, top, left + across, top + down
    ratio = min(max(width / height, RATIOS[0]), RATIOS[1])
    across, down = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def multi_scale_box(width: int, height: int, generator: np.random.Generator) -> Box:
    """A square of 1, 0.875, 0.75 or 0.66 of the short side, in a corner or the centre (TSN's crop, used in VideoMAE's
    pretraining).
    """
    side = int(min(width, height) * SCALES[int(generator.integers(len(SCALES)))])
    right, low = width - side, height - side
    left, top = [(0, 0), (right, 0), (0, low), (right, low), (right // 2, low // 2)][int(generator.integers(5))]
    return left, top, left + side, top + side


@cache
def _policy(name: str, size: int, mean: tuple[float, ...]) -> Any:
    """timm's RandAugment (Cubuk et al. 2020, arXiv 1909.13719)."""
    from PIL import Image
    from timm.data.auto_augment import rand_augment_transform

    grey = tuple(round(255 * value) for value in mean)
    settings = {
        "translate_const": int(size * 0.45),
        "img_mean": grey,
        "interpolation": Image.Resampling.BICUBIC,
    }
    try:
        return rand_augment_transform(name, settings)
    except (AssertionError, ValueError, KeyError):
        expected = "the name of a timm policy, such as rand-m9-mstd0.5-inc1"
        raise InputError("augment.rand_augment", expected, repr(name), "correct it") from None


@contextmanager
def _global_seed(word: int) -> Iterator[None]:
    """Seeds the global generators, which timm uses, and restores their states afterwards."""
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(word)
    np.random.seed(word % 2**32)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)
