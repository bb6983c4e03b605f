"""Few-shot episodes end to end: trained, tested, evaluated and predicted, for every modality."""

from pathlib import Path

import numpy as np
import pytest

import crosspath
from crosspath.training.folds import train_folds

QUICK = {
    "model.depth": 1,
    "train.epochs": 1,
    "train.precision": "float32",
    "train.device": "cpu",
    "train.loggers": [],
    "train.workers": 0,
    "data.way": 3,
    "data.shot": 4,
    "data.query": 5,
}
RECIPES = ("image/digits", "audio/sounds", "point/solids", "series/machines", "text/sentences", "video/folder")


def write_clips(folder: Path) -> Path:
    """Films of three frames, 16 of each of four classes."""
    from PIL import Image

    for label in range(4):
        (folder / f"class-{label}").mkdir(parents=True)
        for number in range(16):
            levels = np.random.default_rng((label, number)).integers(0, 60 * (label + 1), (3, 28, 28, 3), np.uint8)
            first, *others = [Image.fromarray(frame) for frame in levels]
            first.save(folder / f"class-{label}" / f"{number}.gif", save_all=True, append_images=others, duration=40)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_episodes_are_trained_tested_and_predicted(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crosspath.data.few_shot.FOLDS", 2)
    settings, data = dict(QUICK), None
    if recipe == "video/folder":
        data = write_clips(tmp_path / "clips")
        settings |= {"data.frames": 2, "data.image_size": 28, "augment.crop_padding": 0, "data.test_fraction": 0.4}
    if recipe == "text/sentences":
        settings["data.way"] = 2
    result = train_folds(recipe, out=tmp_path / "folds", data=data, settings=settings, progress=False)
    assert (result.metric, result.folds) == ("accuracy", (0, 1))
    for fold, value in zip(result.folds, result.values, strict=True):
        run = tmp_path / "folds" / f"fold-{fold}"
        answer = crosspath.evaluate(run, data=data)
        assert answer["samples"] == settings["data.way"] * settings["data.query"]
        assert answer["metrics"]["accuracy"] == value
    checkpoint = crosspath.load_checkpoint(run)
    assert len(checkpoint.classes) == settings["data.way"]
