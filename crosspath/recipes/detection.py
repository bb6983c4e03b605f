"""Shipped recipes of detection: generated shapes without any files, and a folder of the user's own."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches, ModelSection
from crosspath.config.training import DetectionSection, OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes.pretraining import pretraining


def shapes() -> Recipe:
    """Generated discs, squares and triangles, none to three in a picture of 48 pixels, 64 tokens per sample.

    Command: `crosspath train image/shapes`; needs no data folder.
    """
    return Recipe(
        name="image/shapes",
        objective="detection",
        modality="image",
        data=ImageData(dataset="shapes", image_size=48, classes=3, train_samples=400),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(6, 6))),
        detection=DetectionSection(channels=32),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05, clip_norm=1.0),
        schedule=ScheduleSection(warmup_epochs=1.0),
        augment=ImageAugment(crop_padding=0, flip=0.5),
        train=TrainSection(epochs=12, batch_size=8, evaluate_every=4),
    )


def boxes() -> Recipe:
    """The user's own pictures with COCO's JSON beside them, resized to 160 pixels, 100 tokens per sample.

    Command: `crosspath train image/boxes --data DIR`, where DIR holds `annotations/instances_train.json` and the like.
    """
    return Recipe(
        name="image/boxes",
        objective="detection",
        modality="image",
        data=ImageData(dataset="folder", image_size=160),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(16, 16))),
        detection=DetectionSection(channels=64),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05, clip_norm=1.0),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=ImageAugment(crop_padding=0, flip=0.5),
        train=TrainSection(epochs=30, batch_size=16, evaluate_every=5),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"image/shapes": shapes, "image/boxes": boxes}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "image/shapes": lambda: pretraining(
        shapes(), ImageAugment(crop_padding=0, flip=0.5), ratio=0.75, epochs=40, batch_size=32
    ),
}
