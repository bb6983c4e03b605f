"""Shipped pretraining recipes at sizes for a CPU: masked modelling of the samples that the training recipes read.

Each keeps data, tokenizer and positions of the training recipe of the same name, so that `--from` fits. Published
settings stand beside the published training recipes.
"""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.training import (
    AudioAugment,
    ImageAugment,
    MaskingSection,
    OptimizerSection,
    PointAugment,
    ScheduleSection,
    TrainSection,
    VideoAugment,
)
from crosspath.recipes import audio, image, points, video


def pretraining(recipe: Recipe, *, epochs: int, batch_size: int = 64, ratio: float | None = None) -> Recipe:
    """Masked modelling of what `recipe` trains on, with an encoder that `recipe` can start from.

    Hides 75 % of an image's tokens, 80 % of a recording's, 60 % of a cloud's groups and 75 % of the places of a clip,
    unless `ratio` says otherwise.
    """
    usual = {"image": 0.75, "audio": 0.8, "point": 0.6, "video": 0.75}[recipe.modality]
    augment = {
        "image": ImageAugment(crop_padding=getattr(recipe.augment, "crop_padding", 0), flip=_flip(recipe)),
        "audio": AudioAugment(roll=getattr(recipe.augment, "roll", False), gain=0.5, time_mask=0, mel_mask=0),
        "point": PointAugment(),
        "video": VideoAugment(crop_padding=getattr(recipe.augment, "crop_padding", 0), flip=_flip(recipe)),
    }[recipe.modality]
    return recipe.model_copy(
        update={
            "objective": "masked_modeling",
            "optimizer": OptimizerSection(lr=1e-3, weight_decay=0.05, betas=(0.9, 0.95)),
            "schedule": ScheduleSection(warmup_epochs=max(1.0, epochs / 20)),
            "augment": augment,
            "train": TrainSection(epochs=epochs, batch_size=batch_size, evaluate_every=max(1, epochs // 10)),
            "masking": MaskingSection(
                ratio=usual if ratio is None else ratio, kind="tube" if recipe.modality == "video" else "random"
            ),
        }
    )


def _flip(recipe: Recipe) -> float:
    return float(getattr(recipe.augment, "flip", 0.0))


SMALL: dict[str, Callable[[], Recipe]] = {
    "image/cifar10": lambda: pretraining(image.cifar10(), epochs=10, batch_size=128),
    "image/digits": lambda: pretraining(image.digits(), epochs=40, batch_size=32, ratio=0.5),
    "image/folder": lambda: pretraining(image.folder(), epochs=50),
    "audio/esc10": lambda: pretraining(audio.esc10(), epochs=200, batch_size=32),
    "audio/fsdd": lambda: pretraining(audio.fsdd(), epochs=60),
    "audio/sounds": lambda: pretraining(audio.sounds(), epochs=40, batch_size=32, ratio=0.6),
    "audio/folder": lambda: pretraining(audio.folder(), epochs=50),
    "point/modelnet10": lambda: pretraining(points.modelnet10(), epochs=30),
    "point/solids": lambda: pretraining(points.solids(), epochs=30),
    "point/folder": lambda: pretraining(points.folder(), epochs=50),
    "video/grid": lambda: pretraining(video.grid(), epochs=150, batch_size=32),
    "video/folder": lambda: pretraining(video.folder(), epochs=50),
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
