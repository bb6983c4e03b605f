"""Data sets that need no files: scikit-learn's handwritten digits, and generated sounds, solids and brackets.

They are made when they are asked for, always the same, and pass through the same splitting as decoded files.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import AudioData, Data, ImageData, PointData, TextData
from crosspath.data.cache import Store
from crosspath.data.generated.brackets import bracket_sequences
from crosspath.data.generated.sounds import SAMPLE_RATE_HZ
from crosspath.data.generated.synthetic import synthetic_solids, synthetic_sounds
from crosspath.data.items import Part
from crosspath.errors import InputError

GENERATED = ("digits", "sounds", "solids", "dyck")
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


def generated_store(section: Data) -> Store:
    """The samples of one of `GENERATED`, as if they had been decoded.

    Raises
    ------
    InputError
        For sounds at another sample rate than the one they are made at.
    """
    inputs: NDArray[Any]
    parts: tuple[Part, ...] | None = None
    if isinstance(section, TextData):
        inputs, labels, classes, parts = _brackets(section)
    elif isinstance(section, ImageData):
        inputs, labels, classes = _digits(section.image_size)
    elif isinstance(section, AudioData):
        if section.sample_rate_hz != SAMPLE_RATE_HZ:
            found = str(section.sample_rate_hz)
            raise InputError("data.sample_rate_hz", f"{SAMPLE_RATE_HZ} for generated sounds", found, "leave it out")
        inputs, labels, classes = synthetic_sounds(SOUNDS_PER_CLASS, section.frames, section.mels, SEED)
    else:
        assert isinstance(section, PointData)
        inputs, labels, classes = synthetic_solids(SOLIDS_PER_CLASS, section.points, SEED)
    return Store(
        inputs=inputs,
        labels=labels,
        parts=(None,) * len(labels) if parts is None else parts,
        ids=tuple(f"{section.dataset}-{number:04d}" for number in range(len(labels))),
        classes=classes,
        damaged=(),
        digest=hashlib.sha256(np.ascontiguousarray(inputs).data).hexdigest(),
    )


def _brackets(section: TextData) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...], tuple[Part, ...]]:
    """Token numbers (N, L) in three parts; every sequence has the one label there is. The held-out parts do not depend
    on how long the training part is.
    """
    import torch

    sizes: dict[Part, int] = {
        "train": section.train_samples or BRACKETS_TRAINING,
        "val": BRACKETS_HELD_OUT,
        "test": BRACKETS_HELD_OUT,
    }
    drawn = [
        bracket_sequences(section, SEED, 0, torch.arange(size), f"brackets/{part}") for part, size in sizes.items()
    ]
    inputs = torch.cat(drawn).numpy()
    parts = tuple(part for part, size in sizes.items() for _ in range(size))
    return inputs, np.zeros(len(inputs), np.int64), ("balanced",), parts


def _digits(size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """1,797 handwritten digits of 8x8 grey levels, as colour images uint8 (N, 3, S, S); bright ink on black.

    Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI), which
    scikit-learn carries in its package.
    """
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    grey_NHW = np.rint(found.images * (255 / DIGIT_LEVELS)).astype(np.uint8)
    if size != DIGIT_SIZE:
        from PIL import Image

        resized = (Image.fromarray(grey).resize((size, size), Image.Resampling.BICUBIC) for grey in grey_NHW)
        grey_NHW = np.stack([np.asarray(image) for image in resized])
    inputs = np.repeat(grey_NHW[:, None], 3, axis=1)
    return inputs, found.target.astype(np.int64), tuple(str(name) for name in found.target_names)
