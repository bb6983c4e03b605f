"""Shipped video recipes: spoken words read from a face, and any folder or table of clips."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import VideoAugment
from crosspath.config.data import VideoData
from crosspath.config.model import ModelSection, VideoTubelets
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes import published_video
from crosspath.recipes.pretraining import pretraining


def grid() -> Recipe:
    """GRID, speaker 1: which of ten digits is spoken, from eight frames of that word, 64 tokens per sample.

    Command: `crosspath train video/grid --data DIR`; other words with `--set data.slot=color`.
    """
    return Recipe(
        name="video/grid",
        modality="video",
        data=VideoData(
            dataset="grid", frames=8, image_size=56, slot="digit", span="word", classes=10, train_samples=700
        ),
        # Small patches that span the whole word: a moving mouth is a few pixels in frames that hardly differ otherwise.
        # With coarse patches, or with fixed positions, loss stays at chance for many epochs.
        model=ModelSection(size="micro", tokenizer=VideoTubelets(patch=(8, 7, 7)), positions="learned"),
        optimizer=OptimizerSection(lr=5e-4, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=4.0),
        augment=VideoAugment(crop_padding=2, flip=0.5),
        train=TrainSection(epochs=40, batch_size=16, label_smoothing=0.1),
    )


def folder() -> Recipe:
    """The user's own clips, one folder per class or a table (`data.csv`), 64 tokens per sample.

    Command: `crosspath train video/folder --set data.folder=DIR`.
    """
    return Recipe(
        name="video/folder",
        modality="video",
        data=VideoData(dataset="folder", frames=8, image_size=56),
        model=ModelSection(size="micro", tokenizer=VideoTubelets(patch=(2, 14, 14))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=VideoAugment(crop_padding=3, flip=0.5, brightness=0.2),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )


def _pretraining(recipe: Recipe, crop_padding: int, flip: float, epochs: int, batch_size: int = 64) -> Recipe:
    """75 % of the places hidden, the same in every frame (VideoMAE)."""
    augment = VideoAugment(crop_padding=crop_padding, flip=flip)
    return pretraining(recipe, augment, ratio=0.75, kind="tube", epochs=epochs, batch_size=batch_size)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "video/grid": grid,
    "video/folder": folder,
    **published_video.RECIPES,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "video/grid": lambda: _pretraining(grid(), 2, 0.5, epochs=150, batch_size=32),
    "video/folder": lambda: _pretraining(folder(), 3, 0.5, epochs=50),
    **published_video.PRETRAINING,
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
