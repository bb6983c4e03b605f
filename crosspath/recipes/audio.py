"""Shipped audio recipes: environmental sounds, spoken digits, generated sounds, and any folder or table of
recordings."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import AudioAugment
from crosspath.config.data import AudioData
from crosspath.config.model import AudioPatches, ModelSection
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes import published_audio
from crosspath.recipes.pretraining import pretraining


def esc10() -> Recipe:
    """ESC-10, five-second environmental sounds of ten classes, 128 tokens per sample.

    Folds 1 to 3 train, fold 4 is the validation part, fold 5 the test part.

    Command: `crosspath train audio/esc10 --data DIR`.
    """
    return Recipe(
        name="audio/esc10",
        modality="audio",
        data=AudioData(
            dataset="esc10",
            sample_rate_hz=16000,
            mels=64,
            frames=512,
            mean=-5.58,
            std=5.97,
            classes=10,
            train_samples=240,
        ),
        model=ModelSection(size="micro", tokenizer=AudioPatches(patch=(16, 16))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=4.0),
        augment=AudioAugment(roll=True, gain=0.5, time_mask=48, mel_mask=8),
        train=TrainSection(epochs=60, batch_size=16, label_smoothing=0.1),
    )


def fsdd() -> Recipe:
    """The Free Spoken Digit Dataset, ten spoken digits at 8 kHz, 48 tokens per sample.

    Command: `crosspath train audio/fsdd --data DIR`.
    """
    return Recipe(
        name="audio/fsdd",
        modality="audio",
        data=AudioData(
            dataset="fsdd",
            sample_rate_hz=8000,
            mels=64,
            frames=96,
            mean=-2.95,
            std=4.24,
            classes=10,
            train_samples=2430,
        ),
        model=ModelSection(size="micro", tokenizer=AudioPatches(patch=(8, 16))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        # A word's place in the clip is arbitrary only within its padding: rolling would split words in two.
        augment=AudioAugment(roll=False, gain=0.5, time_mask=12, mel_mask=8),
        train=TrainSection(epochs=20, batch_size=32, label_smoothing=0.1),
    )


def sounds() -> Recipe:
    """Generated sounds of ten kinds, two thirds of a second each, 16 tokens per sample.

    Command: `crosspath train audio/sounds`; needs no data folder.
    """
    return Recipe(
        name="audio/sounds",
        modality="audio",
        data=AudioData(dataset="sounds", sample_rate_hz=16000, mels=64, frames=64, classes=10, train_samples=720),
        model=ModelSection(size="micro", tokenizer=AudioPatches(patch=(16, 16))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=AudioAugment(roll=True, gain=0.5, time_mask=8, mel_mask=8),
        train=TrainSection(epochs=20, batch_size=32, label_smoothing=0.1),
    )


def folder() -> Recipe:
    """The user's own recordings, one folder per class or a table (`data.csv`), 128 tokens per sample.

    Command: `crosspath train audio/folder --set data.folder=DIR`.
    """
    return Recipe(
        name="audio/folder",
        modality="audio",
        data=AudioData(dataset="folder", sample_rate_hz=16000, mels=64, frames=512, mean=-5.58, std=5.97),
        model=ModelSection(size="micro", tokenizer=AudioPatches(patch=(16, 16))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=AudioAugment(roll=True, gain=0.5, time_mask=48, mel_mask=8),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )


def _pretraining(recipe: Recipe, roll: bool, *, ratio: float = 0.8, epochs: int, batch_size: int = 64) -> Recipe:
    """80 % of the tokens hidden, unless `ratio` says otherwise (AudioMAE)."""
    augment = AudioAugment(roll=roll, gain=0.5, time_mask=0, mel_mask=0)
    return pretraining(recipe, augment, ratio=ratio, epochs=epochs, batch_size=batch_size)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "audio/esc10": esc10,
    "audio/fsdd": fsdd,
    "audio/sounds": sounds,
    "audio/folder": folder,
    **published_audio.RECIPES,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "audio/esc10": lambda: _pretraining(esc10(), True, epochs=200, batch_size=32),
    "audio/fsdd": lambda: _pretraining(fsdd(), False, epochs=60),
    "audio/sounds": lambda: _pretraining(sounds(), True, ratio=0.6, epochs=40, batch_size=32),
    "audio/folder": lambda: _pretraining(folder(), True, epochs=50),
    **published_audio.PRETRAINING,
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
