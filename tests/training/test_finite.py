"""What is not finite before the first update is said to be at its place, and never the learning rate's fault."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import save_checkpoint
from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.training import train
from tests.checkpoints.small import audio_recipe, fresh, image_recipe, saved_audio
from tests.errors import refused
from tests.training.synthetic import CLASSES, in_memory
from tests.training.test_run import lines, short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]


def begun_with(folder: Path, weight: str, value: float, entries: slice = slice(None)) -> Path:
    model = fresh(image_recipe(), len(CLASSES))
    with torch.no_grad():
        model.get_parameter(weight)[entries] = value
    save_checkpoint(model, folder, recipe=image_recipe(), classes=CLASSES)
    return folder


def test_weights_of_the_start_that_are_not_finite_are_named(tmp_path: Path, in_memory: InMemory) -> None:
    in_memory(recipe := short(image_recipe))
    start = begun_with(tmp_path / "start", "encoder.blocks.2.mlp.fc1.weight", torch.nan, slice(1))
    with refused("encoder.blocks.2.mlp.fc1.weight") as caught:
        train(recipe, out=tmp_path / "run", start_from=start, progress=False)
    assert "start" in caught.value.where
    assert "optimizer.lr" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_weights_too_large_to_compute_with_are_named_by_their_module(tmp_path: Path, in_memory: InMemory) -> None:
    in_memory(recipe := short(image_recipe))
    start = begun_with(tmp_path / "start", "encoder.blocks.2.mlp.fc1.weight", 3e38)
    with refused("encoder.blocks.2.mlp.fc1", "3e+38") as caught:
        train(recipe, out=tmp_path / "run", start_from=start, progress=False)
    assert "optimizer.lr" not in str(caught.value)


@pytest.mark.parametrize("scale", [1e18, 1e38])
def test_a_scale_that_is_too_large_is_named(scale: float, tmp_path: Path, in_memory: InMemory) -> None:
    saved_audio(tmp_path / "audio")
    in_memory(recipe := short(image_recipe, f"pathway.scale_init={scale}", "schedule.warmup_epochs=0"))
    with pytest.raises(InputError) as caught:
        train(recipe, out=tmp_path / "run", auxiliaries={"audio": tmp_path / "audio"}, progress=False)
    assert "pathway.scale_init" in caught.value.todo


def test_a_clock_that_stands_still_divides_by_nothing(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory(recipe := short(audio_recipe))
    monkeypatch.setattr(time, "perf_counter", lambda: 1.0)
    train(recipe, out=tmp_path / "run", progress=False)
    assert [line["samples_per_s"] for line in lines(tmp_path / "run") if "samples_per_s" in line] == [0.0] * 3
