"""Two training steps of every published recipe, on generated data in the exact published layout on disk.

At `micro` size and with small inputs by default; at full size in the slow tests.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crosspath.config import Recipe, apply_overrides
from crosspath.objectives import objective_of
from crosspath.recipes import PUBLISHED_PRETRAINING, PUBLISHED_RECIPES, recipe_named
from crosspath.training import pretrain, train
from tests.data.coco import CATEGORY_IDS, write_coco
from tests.data.published_audio import write_audioset, write_esc50_folder, write_speechcommands
from tests.data.published_images import write_imagenet
from tests.data.published_masks import write_ade20k
from tests.data.published_points import (
    write_modelnet40,
    write_partnet,
    write_scanobjectnn,
    write_shapenet55,
    write_shapenetpart,
)
from tests.data.published_video import write_kinetics, write_ssv2

WORDS = ("bed", "cat", "yes")
OBJECTS = ("bed", "chair", "desk", "night_stand", "sofa", "table")
WRITERS: dict[str, Callable[[Path], object]] = {
    "imagenet": lambda root: write_imagenet(root, per_class=6),
    "coco": lambda root: write_coco(root / "coco", {"train2017": 20, "val2017": 4}),
    "ade20k": lambda root: write_ade20k(root),
    "audioset-20k": lambda root: write_audioset(root, train=18),
    "audioset-2m": lambda root: write_audioset(root, train=18, train_list="train_all.json"),
    "esc50": lambda root: write_esc50_folder(root, classes=3, per_fold=2),
    "speechcommands": lambda root: write_speechcommands(root, words=WORDS, per_word=6),
    "modelnet40": lambda root: write_modelnet40(root, train=24, test=21, points=40, classes=OBJECTS),
    "scanobjectnn-objbg": lambda root: write_scanobjectnn(root, "objbg", train=3, points=40),
    "scanobjectnn-objonly": lambda root: write_scanobjectnn(root, "objonly", train=3, points=40),
    "scanobjectnn-hardest": lambda root: write_scanobjectnn(root, "hardest", train=3, points=40),
    "shapenet55": lambda root: write_shapenet55(root, taxonomies=6, train=4, points=40),
    "shapenetpart": lambda root: write_shapenetpart(root, points=34),
    "partnet": lambda root: write_partnet(root, counts=(16, 2, 2), points=40),
    "k400": lambda root: write_kinetics(root, "k400", train=6, frames=12),
    "ucf101": lambda root: write_kinetics(root, "ucf101", train=6, frames=12),
    "hmdb51": lambda root: write_kinetics(root, "hmdb51", train=6, frames=12),
    "ssv2": lambda root: write_ssv2(root, train=6, frames=9),
}
SMALL: dict[str, tuple[str, ...]] = {
    "image": ("data.image_size=32", "data.resize=36", "model.tokenizer.patch=[16,16]"),
    "audio": ("data.frames=64", "data.mels=64", "augment.time_mask=8", "augment.mel_mask=8"),
    "point": ("data.points=32", "data.stored_points=36", "model.tokenizer.groups=8", "model.tokenizer.group_size=4"),
    "video": ("data.frames=4", "data.image_size=32", "data.resize=34", "data.frame_step=2"),
}
RUNS = [(name, "classification") for name in PUBLISHED_RECIPES] + [
    (name, "masked_modeling") for name in PUBLISHED_PRETRAINING
]


def short(recipe: Recipe, *further: str) -> Recipe:
    """An epoch of few steps with everything else as published; sizes come from the data."""
    settings = [
        "data.classes=null",
        "train.epochs=1",
        "train.batch_size=8",
        "train.accumulate=1",
        "train.workers=0",
        "train.log_every=1",
        "train.evaluate_from=1",
        "train.loggers=[]",
        "data.test_fraction=0.2",
        *further,
    ]
    if recipe.train.scope == "head":
        settings.append("data.validation_fraction=0.2")
    return apply_overrides(recipe, settings)


@pytest.mark.parametrize(("name", "objective"), RUNS)
def test_two_steps_at_micro_size(name: str, objective: str, tmp_path: Path) -> None:
    published = recipe_named(name, objective)
    further = ["model.size=micro", *SMALL[published.modality]]
    if published.modality == "point":
        further.append("model.heads=4")
    if published.objective == "part_segmentation":
        further.append("model.head_hidden=[32,32,16]")
    if name.startswith("point/scanobjectnn"):
        further.remove("data.stored_points=36")
    if name == "video/ssv2":  # takes a frame of each segment
        further.remove("data.frame_step=2")
    if published.detection is not None:
        further.remove("data.resize=36")
        further += ["detection.channels=8", f"data.category_ids={list(CATEGORY_IDS)}"]
    if objective == "masked_modeling":
        further += ["masking.decoder_width=32", "masking.decoder_depth=1", "masking.decoder_heads=2"]
    if published.objective == "segmentation":
        further.append("segmentation.decoder_width=32")
    _trains(short(published, *further), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective"), RUNS)
def test_a_step_at_full_size(name: str, objective: str, tmp_path: Path) -> None:
    recipe = recipe_named(name, objective)
    few = ["train.batch_size=2", "evaluate.batch_size=2", "train.repeats=1"]
    if recipe.detection is not None:
        few.append(f"data.category_ids={list(CATEGORY_IDS)}")
    elif recipe.data.label_kind == "classes" and not getattr(recipe.data, "multi_label", False):
        few.append("data.labels_per_class=2")
    if recipe.modality == "video":
        few += ["evaluate.segments=2", "evaluate.crops=1"]
    _trains(short(recipe, *few), tmp_path, size="base")


def _trains(recipe: Recipe, root: Path, size: str = "micro") -> None:
    WRITERS[recipe.data.dataset](root / "data")
    run = pretrain if recipe.objective == "masked_modeling" else train
    result = run(recipe, out=root / "run", data=root / "data", progress=False)
    lines = [json.loads(line) for line in (root / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == result.steps >= 2
    assert all(0 < loss < 50 for loss in losses)
    metric = objective_of(recipe).selects_by
    assert result.metrics["test"][metric] >= 0
    if recipe.objective == "masked_modeling":
        assert list((root / "run" / "reconstructions").glob("*.png"))
        return
    assert result.metrics["test"][metric] <= 1
    assert recipe.model.size == size
