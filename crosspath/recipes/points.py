"""Shipped point-cloud recipes: ModelNet10 in the h5 layout, generated solids, and any folder of clouds or meshes."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import PointAugment
from crosspath.config.data import PointData
from crosspath.config.model import ModelSection, PointGroups
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes import parts, published_points
from crosspath.recipes.pretraining import pretraining


def modelnet10() -> Recipe:
    """ModelNet10, 1,024 points an object, ten classes, 64 groups (tokens) of 16 points.

    A stratified tenth of training is the validation part; test objects that are also in training are left out.

    Command: `crosspath train point/modelnet10 --data DIR`.
    """
    return Recipe(
        name="point/modelnet10",
        modality="point",
        data=PointData(dataset="modelnet10", points=1024, classes=10, train_samples=3586),
        model=ModelSection(size="micro", tokenizer=PointGroups(groups=64, group_size=16), positions="centres"),
        optimizer=OptimizerSection(lr=5e-4, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=1.0),
        augment=PointAugment(),
        train=TrainSection(epochs=12, batch_size=32, label_smoothing=0.1),
    )


def solids() -> Recipe:
    """Generated solids of ten kinds, 256 points each, 32 groups (tokens) of 16 points.

    Command: `crosspath train point/solids`; needs no data folder.
    """
    return Recipe(
        name="point/solids",
        modality="point",
        data=PointData(dataset="solids", points=256, classes=10, train_samples=720),
        model=ModelSection(size="micro", tokenizer=PointGroups(groups=32, group_size=16), positions="centres"),
        optimizer=OptimizerSection(lr=5e-4, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=PointAugment(),
        train=TrainSection(epochs=20, batch_size=32, label_smoothing=0.1),
    )


def folder() -> Recipe:
    """The user's own clouds (`.npy`, `.txt`) and meshes (`.off`, `.ply`, `.obj`), one folder per class, 64 tokens.

    Command: `crosspath train point/folder --set data.folder=DIR`.
    """
    return Recipe(
        name="point/folder",
        modality="point",
        data=PointData(dataset="folder", points=1024),
        model=ModelSection(size="micro", tokenizer=PointGroups(groups=64, group_size=32), positions="centres"),
        optimizer=OptimizerSection(lr=5e-4, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=PointAugment(),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )


def lidar() -> Recipe:
    """Objects cut from lidar scans, as in KITTI: `.bin` files in class folders, or `000003_Car_0.bin` in one folder.

    256 points, 32 groups (tokens) of 16 points: most objects of a street have fewer points than a scanned solid, and
    those with fewer than 256 repeat theirs. Command: `crosspath train point/lidar --data DIR`.
    """
    return Recipe(
        name="point/lidar",
        modality="point",
        data=PointData(dataset="folder", points=256),
        model=ModelSection(size="micro", tokenizer=PointGroups(groups=32, group_size=16), positions="centres"),
        optimizer=OptimizerSection(lr=5e-4, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=PointAugment(),
        train=TrainSection(epochs=30, batch_size=32, label_smoothing=0.1),
    )


def _pretraining(recipe: Recipe, epochs: int) -> Recipe:
    """60 % of the groups hidden (Point-MAE)."""
    return pretraining(recipe, PointAugment(), ratio=0.6, epochs=epochs)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "point/modelnet10": modelnet10,
    "point/solids": solids,
    "point/folder": folder,
    "point/lidar": lidar,
    **parts.RECIPES,
    **parts.PUBLISHED_RECIPES,
    **published_points.RECIPES,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "point/modelnet10": lambda: _pretraining(modelnet10(), 30),
    "point/solids": lambda: _pretraining(solids(), 30),
    "point/folder": lambda: _pretraining(folder(), 50),
    "point/lidar": lambda: _pretraining(lidar(), 50),
    **parts.PRETRAINING,
    **published_points.PRETRAINING,
}
"""By the name of the training recipe: `crosspath pretrain NAME`."""
