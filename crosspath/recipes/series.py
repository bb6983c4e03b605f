"""Shipped recipes of time series: two sets of the UEA and UCR archives, generated machines, any folder of signals."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import SeriesAugment
from crosspath.config.data import SeriesData
from crosspath.config.model import ModelSection, SeriesPatches
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes.pretraining import pretraining


def plaid() -> Recipe:
    """PLAID, the current of 11 kinds of household appliances at one rate, 32 tokens a series.

    The archive's own train and test part; a stratified tenth of training is the validation part.

    Command: `crosspath train series/plaid --data DIR`.
    """
    return Recipe(
        name="series/plaid",
        modality="series",
        # A period of the mains is as long in every series: another length must not change the pace.
        data=SeriesData(
            dataset="plaid", channels=1, length=512, lengths="pad", scaling="series", classes=11, train_samples=482
        ),
        model=ModelSection(size="micro", tokenizer=SeriesPatches(patch=16)),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=SeriesAugment(warp=0.0, scale_std=0.1, jitter_std=0.03, time_mask=64),
        train=TrainSection(epochs=40, batch_size=32, label_smoothing=0.1),
    )


def vowels() -> Recipe:
    """JapaneseVowels, 12 cepstra of one vowel by nine speakers, who are the classes; 16 tokens a series.

    The archive's own train and test part; a stratified tenth of training is the validation part.

    Command: `crosspath train series/vowels --data DIR`.
    """
    return Recipe(
        name="series/vowels",
        modality="series",
        data=SeriesData(dataset="vowels", channels=12, length=32, lengths="pad", classes=9, train_samples=243),
        model=ModelSection(size="micro", tokenizer=SeriesPatches(patch=2)),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=SeriesAugment(warp=0.2, scale_std=0.1, jitter_std=0.1, time_mask=6),
        train=TrainSection(epochs=40, batch_size=32, label_smoothing=0.1),
    )


def machines() -> Recipe:
    """Generated signals of a machine, healthy or with one of five faults: two vibrations and a current, 16 tokens.

    Command: `crosspath train series/machines`; needs no data folder.
    """
    return Recipe(
        name="series/machines",
        modality="series",
        data=SeriesData(dataset="machines", channels=3, length=256, classes=6, train_samples=432),
        model=ModelSection(size="micro", tokenizer=SeriesPatches(patch=16)),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=SeriesAugment(time_mask=32),
        train=TrainSection(epochs=20, batch_size=32, label_smoothing=0.1),
    )


def folder() -> Recipe:
    """The user's own signals: a file each in class folders (csv, parquet, `.npy`, `.npz`, WFDB, EDF), a table with all
    of them, or a `.ts` pair; 32 tokens.

    Command: `crosspath train series/folder --set data.folder=DIR`.
    """
    return Recipe(
        name="series/folder",
        modality="series",
        data=SeriesData(dataset="folder", length=512),
        model=ModelSection(size="micro", tokenizer=SeriesPatches(patch=16)),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=SeriesAugment(warp=0.1, time_mask=64),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )


def _pretraining(recipe: Recipe, epochs: int, ratio: float = 0.6) -> Recipe:
    """60 % of the tokens hidden: between PatchTST's 40 % (arXiv 2211.14730) and the 75 % of pictures."""
    augment = SeriesAugment(warp=0.0, scale_std=0.1, jitter_std=0.0)
    return pretraining(recipe, augment, ratio=ratio, epochs=epochs, batch_size=32)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "series/plaid": plaid,
    "series/vowels": vowels,
    "series/machines": machines,
    "series/folder": folder,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "series/plaid": lambda: _pretraining(plaid(), 100),
    "series/vowels": lambda: _pretraining(vowels(), 100),
    "series/machines": lambda: _pretraining(machines(), 40),
    "series/folder": lambda: _pretraining(folder(), 50),
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
