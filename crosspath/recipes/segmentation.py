"""Shipped recipes of semantic segmentation: generated pictures without any files, and any folder with masks."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches, ModelSection
from crosspath.config.training import OptimizerSection, ScheduleSection, SegmentationSection, TrainSection
from crosspath.recipes.pretraining import pretraining


def scenes() -> Recipe:
    """Generated pictures of 40 to 64 pixels a side: patches of four textures on a plain ground, 64 tokens a window.

    Command: `crosspath train image/scenes`; needs no data folder.
    """
    return Recipe(
        name="image/scenes",
        objective="segmentation",
        modality="image",
        data=ImageData(dataset="scenes", image_size=32, classes=5, train_samples=216),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(4, 4))),
        optimizer=OptimizerSection(lr=3e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        # Textures differ in sizes of some pixels: pictures are not resized.
        augment=ImageAugment(crop_padding=0, flip=0.5),
        train=TrainSection(epochs=15, batch_size=8, evaluate_every=5),
        segmentation=SegmentationSection(decoder="linear"),
    )


def masks() -> Recipe:
    """The user's own pictures with index masks, folders `images` and `annotations` and `classes.txt`; 64 tokens a
    window.

    Command: `crosspath train image/masks --data DIR`. ADE20K's layout is read as well: DIR is then its
    `ADEChallengeData2016`, and the classes are those of `objectInfo150.txt`.
    """
    return Recipe(
        name="image/masks",
        objective="segmentation",
        modality="image",
        data=ImageData(dataset="folder", image_size=64, stream=True),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(8, 8))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=ImageAugment(crop_padding=0, flip=0.5, resize_range=(0.5, 2.0), distort_colours=True),
        train=TrainSection(epochs=30, batch_size=16, evaluate_every=5),
        segmentation=SegmentationSection(decoder="upernet", decoder_width=128),
    )


def _pretraining(recipe: Recipe, epochs: int) -> Recipe:
    """Three quarters of the tokens hidden; the pictures alone, as squares that are decoded once."""
    data = recipe.data.model_copy(update={"stream": False, "classes": None})
    return pretraining(
        recipe.model_copy(update={"data": data}),
        ImageAugment(crop_padding=4, flip=0.5),
        ratio=0.75,
        epochs=epochs,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"image/scenes": scenes, "image/masks": masks}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "image/scenes": lambda: _pretraining(scenes(), 50),
    "image/masks": lambda: _pretraining(masks(), 50),
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
