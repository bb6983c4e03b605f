"""What TensorBoard and the hosted trackers are told."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.training import train
from crosspath.training.trackers import flatten, trackers
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_run import lines, short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]


def test_nested_numbers_get_flat_names() -> None:
    entry = {"step": 3, "epoch": 1, "loss": 0.5, "validation": {"accuracy": 0.25}, "scales": {"w": {"a": [0.1, 0.2]}}}
    expected = {"loss": 0.5, "validation/accuracy": 0.25, "scales/w/a/0": 0.1, "scales/w/a/1": 0.2}
    assert dict(flatten(entry)) == expected
    assert dict(flatten({"scales": {"w": {"a": [0.1]}}})) == {"scales/w/a": 0.1}


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator: Any = EventAccumulator(str(folder / "tensorboard"))
    return accumulator.Reload()


def test_tensorboard_holds_what_the_log_holds_with_every_scale(tmp_path: Path, in_memory: InMemory) -> None:
    audio = short(audio_recipe)
    in_memory(audio)
    train(audio, out=tmp_path / "audio", progress=False)
    image = short(image_recipe, "pathway.scale_init=0.1", "train.log_every=1")
    in_memory(image)
    train(image, out=tmp_path / "run", auxiliaries={"audio": tmp_path / "audio"}, progress=False)
    found = events(tmp_path / "run")
    logged = [line for line in lines(tmp_path / "run") if "loss" in line]
    told = [(event.step, event.value) for event in found.Scalars("loss")]
    assert told == [(line["step"], pytest.approx(line["loss"], rel=1e-6)) for line in logged]
    scales = [tag for tag in found.Tags()["scalars"] if tag.startswith("scales/")]
    assert len(scales) == 24
    assert len(found.Scalars("validation/accuracy")) == 2


def test_without_loggers_there_are_no_events(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.loggers=[]")
    in_memory(recipe)
    train(recipe, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_hosted_tracker_is_told_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []
    module: Any = ModuleType(name)
    module.init = lambda **settings: calls.append(("init", settings["config"]["name"]))
    module.log = lambda numbers, step: calls.append(("log", (dict(numbers), step)))
    module.finish = lambda: calls.append(("finish", None))
    monkeypatch.setitem(sys.modules, name, module)
    [tracker] = trackers(short(image_recipe, f"train.loggers=[{name}]"), tmp_path, 0)
    tracker.log({"loss": 0.5}, 7)
    tracker.close()
    assert calls == [("init", "image/cifar10"), ("log", ({"loss": 0.5}, 7)), ("finish", None)]


def test_the_trackers_before_one_that_fails_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    first: Any = ModuleType("wandb")
    first.init = lambda **settings: calls.append("init")
    first.finish = lambda: calls.append("finish")
    second: Any = ModuleType("trackio")

    def fail(**settings: object) -> None:
        raise ConnectionError("no network")

    second.init = fail
    for module in (first, second):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(ConnectionError):
        trackers(short(image_recipe, "train.loggers=[wandb,trackio]"), tmp_path, 0)
    assert calls == ["init", "finish"]


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with refused("train.loggers", "wandb"):
        trackers(short(image_recipe, "train.loggers=[wandb]"), tmp_path, 0)


def test_a_missing_tracker_shows_before_anything_is_written(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crosspath.training.trackers.find_spec", lambda name: None)
    recipe = short(image_recipe)
    in_memory(recipe)
    with refused("train.loggers", "tensorboard"):
        train(recipe, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_events_that_cannot_be_written_are_refused_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [tracker] = trackers(short(image_recipe), tmp_path, 0)

    def write(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    for name in ("add_scalar", "close"):
        monkeypatch.setattr(f"torch.utils.tensorboard.SummaryWriter.{name}", write)
    with refused("tensorboard", "no room"):
        tracker.log({"loss": 0.5}, 1)
    with refused("tensorboard", "no room"):
        tracker.close()
