"""The main job on real data, each target with a pathway from another modality: trained, merged, and read as equal."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.files import read_tensors
from crosspath.models.build import build_model
from crosspath.recipes import recipe_named

AUXILIARIES = {
    "image/cifar10": "audio/esc10",
    "audio/fsdd": "point/modelnet10",
    "point/modelnet10": "audio/fsdd",
    "video/grid": "audio/fsdd",
}
QUICK = "video/grid"
"""The target of the default run; the others are slow."""
BRIEF = ("train.epochs=1", "data.labels_per_class=4", "schedule.warmup_epochs=0.5")


def _answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0, capsys.readouterr().err
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize(
    "target", [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in sorted(AUXILIARIES)]
)
def test_the_main_job(target: str, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(data_root)]
    brief = [part for override in BRIEF for part in ("--set", override)]
    start = ["--set", "pathway.scale_init=0.1"]
    audio, connected, plain = (str(tmp_path / name) for name in ("audio", "connected", "plain"))
    _answer(["train", AUXILIARIES[target], *data, *brief, "--out", audio], capsys)
    trained = _answer(
        ["train", target, *data, *brief, "--auxiliary", f"audio={audio}", *start, "--out", connected], capsys
    )
    result = _answer(["evaluate", connected, *data], capsys)
    assert result["metrics"] == trained["metrics"]["test"]
    assert result["samples"] == trained["samples"]["test"]
    assert _answer(["merge", connected, plain], capsys)["equality"]["bitwise"]
    merged = _answer(["evaluate", plain, *data], capsys)
    assert {**merged, "checkpoint": ""} == {**result, "checkpoint": ""}

    with torch.device("meta"):
        model = build_model(apply_overrides(recipe_named(target), BRIEF), 10)
    values, own = read_tensors(tmp_path / "plain" / "model.safetensors")[0], None
    assert sorted(values) == sorted(model.state_dict())
    own = read_tensors(tmp_path / "connected" / "model.safetensors")[0]
    assert any(not torch.equal(values[name], own[name]) for name in values)


def test_published_sizes_are_the_data_s(data_root: Path) -> None:
    from crosspath.modalities.load import load_data

    for name in ("audio/fsdd", "point/modelnet10"):
        recipe = recipe_named(name)
        data = load_data(recipe.data, data_root, 0)
        assert (len(data.classes), len(data.train)) == (recipe.data.classes, recipe.data.train_samples)
