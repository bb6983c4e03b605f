"""Shipped image recipes: small photographs, handwritten digits without any files, and any folder of pictures."""

from crosspath.config import Recipe
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches, ModelSection
from crosspath.config.training import ImageAugment, OptimizerSection, ScheduleSection, TrainSection


def cifar10() -> Recipe:
    """CIFAR-10, 32x32 photographs of ten classes, 64 tokens a sample.

    Command: `crosspath train image/cifar10 --data DIR`; with few labels
    `--set data.labels_per_class=100 --set train.epochs=30`.
    """
    return Recipe(
        name="image/cifar10",
        modality="image",
        data=ImageData(dataset="cifar10", image_size=32, classes=10, train_samples=45000),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(4, 4))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=1.0),
        augment=ImageAugment(crop_padding=4, flip=0.5),
        # Reading the 5,000 validation pictures takes longer than an epoch of a few labels.
        train=TrainSection(epochs=10, batch_size=64, label_smoothing=0.1, evaluate_every=5),
    )


def digits() -> Recipe:
    """Handwritten digits of 8x8 pixels that come with scikit-learn (bright ink on black), 8 tokens a sample.

    Command: `crosspath train image/digits`; needs no data folder. With few labels `--set data.labels_per_class=10`.
    """
    return Recipe(
        name="image/digits",
        modality="image",
        data=ImageData(
            dataset="digits",
            image_size=8,
            classes=10,
            train_samples=905,
            validation_fraction=0.25,
            test_fraction=0.33,
        ),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(2, 4))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        # A mirrored digit is another sign.
        augment=ImageAugment(crop_padding=1, flip=0.0),
        train=TrainSection(epochs=20, batch_size=32, label_smoothing=0.1),
    )


def folder() -> Recipe:
    """The user's own pictures, one folder (or zip) with a folder a class, 64 tokens a sample.

    Command: `crosspath train image/folder --set data.folder=DIR`.
    """
    return Recipe(
        name="image/folder",
        modality="image",
        data=ImageData(dataset="folder", image_size=64),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(8, 8))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=ImageAugment(crop_padding=8, flip=0.5),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )
