"""A run on data in memory, from training to prediction."""

import json
from pathlib import Path

import numpy as np
import pytest

import crosspath
from tests.errors import refused

SETTINGS = {
    "train": {"epochs": 1, "batch_size": 8, "loggers": [], "checkpoint_every": None},
    "data.image_size": 4,
    "model.tokenizer.patch": [4, 4],
    "augment.crop_padding": 0,
}
X = np.random.default_rng(0).integers(0, 256, (40, 4, 4)).astype(np.uint8)
Y = ["cat" if label else "dog" for label in np.arange(40) % 2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    crosspath.train("image/folder", data=(X, Y), out=tmp_path / "run", settings=SETTINGS, progress=False)
    return tmp_path / "run"


def test_a_run_is_resumed_evaluated_and_asked(run: Path, tmp_path: Path) -> None:
    options = {"out": run, "settings": SETTINGS, "progress": False, "resume": True}
    result = crosspath.train("image/folder", data=(X, Y), **options)
    assert (result.classes, result.samples) == (("cat", "dog"), {"train": 28, "validation": 4, "test": 8})
    with refused("inputs.json"):
        crosspath.train("image/folder", data=(X[::-1], Y), **options)

    # Its own data are split as they were; others are evaluated whole.
    own = crosspath.evaluate(run, data=(X, Y))
    assert (own["samples"], own["metrics"]) == (8, result.metrics["test"])
    assert crosspath.evaluate(run, data=(X, Y), split="train")["samples"] == 28
    assert crosspath.evaluate(run, data=(X[:10], Y[:10]))["samples"] == 10
    assert crosspath.evaluate(run, data={"test": (X[:10], Y[:10])})["samples"] == 10
    with refused("the train part"):
        crosspath.evaluate(run, data={"test": (X[:10], Y[:10])}, split="train")
    for wrong in (None, (X[:2], ["cow", "dog"])):
        with refused("data"):
            crosspath.evaluate(run, data=wrong)

    predictions = crosspath.predict(run, X[:2], top=1)
    assert [entry["file"] for entry in predictions] == ["sample 0", "sample 1"]
    assert {entry["predictions"][0]["class"] for entry in predictions} <= {"cat", "dog"}
    with refused("sample 0"):
        crosspath.predict(run, X[:2] / 2)


def test_a_few_shot_episode_is_drawn_again_from_its_own_data_and_others_are_evaluated_whole(tmp_path: Path) -> None:
    data, settings = (X, np.arange(40) % 4), {**SETTINGS, "data.way": 2, "data.shot": 3, "data.query": 2}
    result = crosspath.train("image/folder", data=data, out=tmp_path, settings=settings, progress=False)
    assert (len(result.classes), result.samples) == (2, {"train": 6, "validation": 4, "test": 4})
    own = crosspath.evaluate(tmp_path, data=data)
    assert (own["samples"], own["metrics"]) == (4, result.metrics["test"])
    assert crosspath.evaluate(tmp_path, data=(X[:3], [int(result.classes[0])] * 3))["samples"] == 3


def test_what_it_leaves_names_no_file(run: Path) -> None:
    assert json.loads((run / "inputs.json").read_text())["data"]["origin"] == "memory"
    assert "folder: null" in (run / "recipe.yaml").read_text()


def test_pretraining_needs_no_labels_and_training_does(run: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "model.tokenizer.patch": [2, 2]}
    result = crosspath.pretrain("image/folder", data=X, out=tmp_path / "pre", settings=settings, progress=False)
    assert result.samples["train"] == 29
    with refused("data", "unlabelled"):
        crosspath.train("image/folder", data=X, out=tmp_path / "no", settings=SETTINGS, progress=False)
    with refused("data", "tuple"):
        crosspath.compare("image/folder", auxiliaries={"audio": run}, data=(X, Y), out=tmp_path / "compare")
