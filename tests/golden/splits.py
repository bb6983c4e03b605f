"""Which samples of every shipped set train, validate and test: ids by part, as digests."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crosspath
from tests.data.published_audio import write_audioset, write_esc50_folder, write_speechcommands
from tests.data.published_images import write_imagenet
from tests.data.published_points import MODELNET40, write_modelnet40, write_scanobjectnn, write_shapenet55
from tests.data.published_video import write_kinetics, write_ssv2

FEW, SEEDS = 7, (0, 1)
"""Labels a class, and the `train.seed` that draws them."""


@dataclass(frozen=True)
class SplitOf:
    """A shipped recipe's set. Without `write` the data are generated, or lie below the root of the real data."""

    recipe: str
    write: Callable[[Path], object] | None = None
    """Lays a small set out as it is published."""
    real: bool = False
    few: bool = True
    """Whether few labels a class can be drawn."""
    changes: tuple[tuple[str, object], ...] = (("classes", None),)
    """Of the `data` section."""


SPLITS: dict[str, SplitOf] = {
    "digits": SplitOf("image/digits"),
    "sounds": SplitOf("audio/sounds"),
    "solids": SplitOf("point/solids"),
    "cifar10": SplitOf("image/cifar10", real=True),
    "esc10": SplitOf("audio/esc10", real=True),
    "fsdd": SplitOf("audio/fsdd", real=True),
    "modelnet10": SplitOf("point/modelnet10", real=True),
    "grid": SplitOf("video/grid", real=True),
    "imagenet": SplitOf("image/imagenet", lambda root: write_imagenet(root, per_class=20)),
    "audioset-20k": SplitOf("audio/audioset-20k", lambda root: write_audioset(root, train=40), few=False),
    "esc50": SplitOf("audio/esc50", lambda root: write_esc50_folder(root, classes=3, per_fold=3)),
    "speechcommands": SplitOf("audio/speechcommands", lambda root: write_speechcommands(root, per_word=12), few=False),
    "modelnet40": SplitOf("point/modelnet40", lambda root: write_modelnet40(root, train=12, points=4)),
    "modelnet40, few shots": SplitOf(
        "point/modelnet40-fewshot",
        lambda root: write_modelnet40(root, MODELNET40[:6], train=34, test=22, points=4),
        few=False,
        changes=(("classes", None), ("way", 3), ("shot", 10), ("fold", 2)),
    ),
    "scanobjectnn": SplitOf("point/scanobjectnn-hardest", lambda root: write_scanobjectnn(root, train=12, points=4)),
    "shapenet55": SplitOf("point/shapenet55", lambda root: write_shapenet55(root, train=6, points=4), few=False),
    "k400": SplitOf("video/k400", lambda root: write_kinetics(root, "k400", train=12, frames=1)),
    "ssv2": SplitOf("video/ssv2", lambda root: write_ssv2(root, train=12, frames=1)),
    "ucf101": SplitOf("video/ucf101", lambda root: write_kinetics(root, "ucf101", train=12, frames=1)),
    "hmdb51": SplitOf("video/hmdb51", lambda root: write_kinetics(root, "hmdb51", train=12, frames=1)),
}


def split_of(name: str, root: Path | None) -> dict[str, str]:
    """{part: "count digest"} of a set, and of the training part with few labels for each seed."""
    from crosspath.modalities.load import load_data

    described = SPLITS[name]
    objective = "masked_modeling" if name == "shapenet55" else "classification"
    section: Any = crosspath.recipe_named(described.recipe, objective).data
    # Listed and not decoded; generated sets are not streamed.
    changes = {**dict(described.changes), "stream": described.real or described.write is not None}
    section = section.model_copy(update=changes)
    data = load_data(section, root, 0)
    parts = {part: digest(getattr(data, part).ids) for part in ("train", "validation", "test")}
    if described.few:
        few = section.model_copy(update={"labels_per_class": FEW})
        for seed in SEEDS:
            parts[f"{FEW} labels a class, seed {seed}"] = digest(load_data(few, root, seed).train.ids)
    return parts


def digest(ids: Iterable[str]) -> str:
    """How many, and sha256 of them in their order."""
    names = list(ids)
    return f"{len(names)} {hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:32]}"
