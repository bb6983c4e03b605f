"""Data sets that need no files: scikit-learn's handwritten digits, and generated sounds, solids and brackets.

They are made when they are asked for, always the same, and pass through the same splitting as decoded files.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import AudioData, DataSection, ImageData, PointData, TextData
from crosspath.data.cache import Store
from crosspath.data.generated.brackets import bracket_sequences
from crosspath.data.generated.sounds import SAMPLE_RATE_HZ
from crosspath.data.generated.synthetic import synthetic_solids, synthetic_sounds
from crosspath.data.items import Part
from crosspath.errors import InputError

SEED = 5
"""Of the generated sets. Fixed: `train.seed` must never change a sample."""
SOUNDS_PER_CLASS = 100
SOLIDS_PER_CLASS = 100
BRACKETS_TRAINING = 20_000
"""Where `data.train_samples` does not say."""
BRACKETS_HELD_OUT = 1_000
"""Sequences of the validation part, and of the test part."""
DIGIT_SIZE = 8
DIGIT_LEVELS = 16


class GeneratedSamples(NamedTuple):
    """Samples made by a rule."""

    inputs: NDArray[Any]
    """(N, sample shape), as a reader would decode them."""
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: tuple[Part, ...] | None = None
    """Of every sample; None where the usual splitting decides."""


def generated_store(section: DataSection, samples: GeneratedSamples) -> Store:
    """Generated samples as if they had been decoded."""
    count = len(samples.labels)
    return Store(
        inputs=samples.inputs,
        labels=samples.labels,
        parts=(None,) * count if samples.parts is None else samples.parts,
        ids=tuple(f"{section.dataset}-{number:04d}" for number in range(count)),
        classes=samples.classes,
        damaged=(),
        digest=hashlib.sha256(np.ascontiguousarray(samples.inputs).data).hexdigest(),
    )


def sounds(section: AudioData) -> GeneratedSamples:
    """Log-mel frames of generated sounds. Raises `InputError` for another sample rate than the one they are made at."""
    if section.sample_rate_hz != SAMPLE_RATE_HZ:
        expected = f"{SAMPLE_RATE_HZ} for generated sounds"
        raise InputError("data.sample_rate_hz", expected, str(section.sample_rate_hz), "leave it out")
    return GeneratedSamples(*synthetic_sounds(SOUNDS_PER_CLASS, section.frames, section.mels, SEED))


def solids(section: PointData) -> GeneratedSamples:
    """Clouds drawn from the surfaces of generated solids."""
    return GeneratedSamples(*synthetic_solids(SOLIDS_PER_CLASS, section.points, SEED))


def brackets(section: TextData) -> GeneratedSamples:
    """Token numbers (N, L) in three parts; every sequence has the one label there is. The held-out parts do not depend
    on how long the training part is.
    """
    import torch

    sizes: dict[Part, int] = {
        "train": section.train_samples or BRACKETS_TRAINING,
        "val": BRACKETS_HELD_OUT,
        "test": BRACKETS_HELD_OUT,
    }
    sequences = [
        bracket_sequences(section, SEED, 0, torch.arange(size), f"brackets/{part}") for part, size in sizes.items()
    ]
    inputs = torch.cat(sequences).numpy()
    parts = tuple(part for part, size in sizes.items() for _ in range(size))
    return GeneratedSamples(inputs, np.zeros(len(inputs), np.int64), ("balanced",), parts)


def digits(section: ImageData) -> GeneratedSamples:
    """1,797 handwritten digits of 8x8 grey levels, as colour images uint8 (N, 3, S, S); bright ink on black.

    Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI), which
    scikit-learn carries in its package.
    """
    from sklearn.datasets import load_digits

    bundled: Any = load_digits()
    size = section.image_size
    grey_NHW = np.rint(bundled.images * (255 / DIGIT_LEVELS)).astype(np.uint8)
    if size != DIGIT_SIZE:
        from PIL import Image

        resized = (Image.fromarray(grey).resize((size, size), Image.Resampling.BICUBIC) for grey in grey_NHW)
        grey_NHW = np.stack([np.asarray(image) for image in resized])
    inputs = np.repeat(grey_NHW[:, None], 3, axis=1)
    classes = tuple(str(name) for name in bundled.target_names)
    return GeneratedSamples(inputs, bundled.target.astype(np.int64), classes)
