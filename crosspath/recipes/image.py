"""Shipped image recipes: small photographs, handwritten digits without any files, and any folder of pictures."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches, ModelSection
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes import detection, published_image, segmentation
from crosspath.recipes.pretraining import pretraining


def cifar10() -> Recipe:
    """CIFAR-10, 32x32 photographs of ten classes, 64 tokens per sample.

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
    """Handwritten digits of 8x8 pixels that come with scikit-learn (bright ink on black), 8 tokens per sample.

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


def discs() -> Recipe:
    """Regression on generated pictures: the diameter and the brightness of a disc, 16 tokens per sample.

    Command: `crosspath train image/discs`; needs no data folder.
    """
    return Recipe(
        name="image/discs",
        objective="regression",
        modality="image",
        data=ImageData(
            dataset="discs",
            image_size=16,
            label_columns=("diameter (px)", "brightness"),
            classes=2,
            train_samples=256,
            validation_fraction=0.2,
        ),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(4, 4))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        # A crop would not change the numbers, and a disc at the border loses a part.
        augment=ImageAugment(crop_padding=0, flip=0.5),
        train=TrainSection(epochs=20, batch_size=32),
    )


def folder() -> Recipe:
    """The user's own pictures, one folder (or zip) with one subfolder per class, 64 tokens per sample.

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


def medmnist() -> Recipe:
    """Medical pictures of 28x28 pixels in one file of MedMNIST, such as `bloodmnist.npz`, 49 tokens per sample.

    Not mirrored: left and right mean something in a body. ChestMNIST has several labels a picture: `--set
    data.multi_label=true`. Command: `crosspath train image/medmnist --data bloodmnist.npz`.
    """
    return Recipe(
        name="image/medmnist",
        modality="image",
        data=ImageData(dataset="folder", image_size=28),
        model=ModelSection(size="micro", tokenizer=ImagePatches(patch=(4, 4))),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=ImageAugment(crop_padding=2, flip=0.0),
        train=TrainSection(epochs=30, batch_size=64, label_smoothing=0.1),
    )


def _pretraining(
    recipe: Recipe, crop_padding: int, flip: float, *, ratio: float = 0.75, epochs: int, batch_size: int = 64
) -> Recipe:
    """75 % of the tokens hidden, unless `ratio` says otherwise (MAE)."""
    augment = ImageAugment(crop_padding=crop_padding, flip=flip)
    return pretraining(recipe, augment, ratio=ratio, epochs=epochs, batch_size=batch_size)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "image/cifar10": cifar10,
    "image/digits": digits,
    "image/discs": discs,
    "image/folder": folder,
    "image/medmnist": medmnist,
    **detection.RECIPES,
    **segmentation.RECIPES,
    **published_image.RECIPES,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "image/cifar10": lambda: _pretraining(cifar10(), 4, 0.5, epochs=10, batch_size=128),
    "image/digits": lambda: _pretraining(digits(), 1, 0.0, ratio=0.5, epochs=40, batch_size=32),
    "image/discs": lambda: _pretraining(discs(), 0, 0.5, epochs=20, batch_size=32),
    "image/folder": lambda: _pretraining(folder(), 8, 0.5, epochs=50),
    "image/medmnist": lambda: _pretraining(medmnist(), 2, 0.0, epochs=50),
    **detection.PRETRAINING,
    **segmentation.PRETRAINING,
    **published_image.PRETRAINING,
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
