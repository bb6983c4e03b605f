"""Learnable data in memory for any small recipe, in place of files."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from crosspath.config import Recipe
from crosspath.config.data import Data
from crosspath.data.examples import DataSet, Examples
from crosspath.modalities import MODALITIES

CLASSES = ("red", "green", "blue")
BYTES = {"image", "video"}
"""Modalities whose samples are kept as bytes."""


def synthetic(recipe: Recipe, train: int = 36, held_out: int = 18) -> DataSet:
    """Noise around one random pattern a class."""
    shape = MODALITIES[recipe.modality].sample_shape(recipe.data)
    patterns = np.random.default_rng(0).uniform(-1, 1, (len(CLASSES), *shape))

    def part(count: int, seed: int) -> Examples:
        labels = np.arange(count) % len(CLASSES)
        noise = np.random.default_rng(seed).normal(0, 0.7, (count, *shape))
        values = np.clip(0.5 * patterns[labels] + 0.5 * noise, -1, 1)
        inputs = ((values + 1) * 127.5).astype(np.uint8) if recipe.modality in BYTES else values.astype(np.float32)
        return Examples(inputs, labels.astype(np.int64), tuple(f"{seed}-{index}" for index in range(count)))

    return DataSet(
        modality=recipe.modality,
        classes=CLASSES,
        train=part(train, 1),
        validation=part(held_out, 2),
        test=part(held_out, 3),
        damaged_files=(),
        fingerprint="0" * 64,
    )


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recipe], DataSet]:
    """From now on training and evaluation read this recipe's modality from memory."""
    sets: dict[str, DataSet] = {}

    def load(section: Data, root: Path | None, seed: int, progress: object = None) -> DataSet:
        return sets[section.modality]

    for module in ("crosspath.training.preparation", "crosspath.evaluation.evaluate"):
        monkeypatch.setattr(import_module(module), "load_data", load)

    def use(recipe: Recipe) -> DataSet:
        sets[recipe.modality] = synthetic(recipe)
        return sets[recipe.modality]

    return use
