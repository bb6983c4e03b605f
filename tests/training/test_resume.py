"""A run that is interrupted and resumed ends as if it never stopped."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosspath.config import Recipe, apply_overrides, read_recipe, write_recipe
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.files import read_tensors
from crosspath.training import train
from crosspath.training.progress import Reporter, make_bar
from crosspath.training.same_run import FREE
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_run import lines, short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]
EVERYTHING = (
    "train.epochs=3",
    "train.checkpoint_steps=2",
    "train.log_every=1",
    "model.drop_path=0.3",
    "augment.mixup=0.5",
    "pathway.scale_init=0.1",
)
"""Nine steps with states after steps 2, 3, 4, 6 and 8, and every kind of randomness."""


class CutError(Exception):
    """The end of a process."""


class CutAfter(Reporter):
    """Lets a run do some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(make_bar(False))
        self.left = [steps]
        self.said: list[str] = []

    def step(self, loss: float, samples_per_s: float) -> None:
        self.left[0] -= 1
        if self.left[0] == 0:
            raise CutError

    def say(self, text: str) -> None:
        self.said.append(text)


# `Reporter` is frozen: a subclass with state of its own sets it past that.
CutAfter.__setattr__ = object.__setattr__  # type: ignore[method-assign]


@pytest.fixture
def auxiliary(tmp_path: Path, in_memory: InMemory) -> dict[str, str | Path]:
    recipe = short(audio_recipe)
    in_memory(recipe)
    train(recipe, out=tmp_path / "audio", progress=False)
    return {"audio": tmp_path / "audio"}


def same(one: Path, other: Path) -> bool:
    for name in ("model.safetensors", "pathway.safetensors"):
        first, second = read_tensors(one / name)[0], read_tensors(other / name)[0]
        if first.keys() != second.keys() or any(not torch.equal(first[key], second[key]) for key in first):
            return False
    return True


@pytest.mark.parametrize("extra", [(), ("train.ema_decay=0.9",), ("train.select=best",), ("train.precision=float16",)])
def test_cut_off_twice_it_ends_bit_identical(
    extra: tuple[str, ...], tmp_path: Path, in_memory: InMemory, auxiliary: dict[str, str | Path]
) -> None:
    recipe = short(image_recipe, *EVERYTHING, *extra)
    in_memory(recipe)
    whole = train(recipe, out=tmp_path / "whole", auxiliaries=auxiliary, progress=False)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "cut", auxiliaries=auxiliary, progress=CutAfter(6))
    listener = CutAfter(3)
    with pytest.raises(CutError):
        # Cut within step 6, before its state: the newest is that of step 4. Then within step 7.
        train(recipe, out=tmp_path / "cut", auxiliaries=auxiliary, progress=listener, resume=True)
    assert any("after step 4" in said for said in listener.said)
    torch.manual_seed(99)
    result = train(recipe, out=tmp_path / "cut", auxiliaries=auxiliary, progress=False, resume=True)

    assert result.resumed_at == (4, 6)
    assert same(tmp_path / "whole", tmp_path / "cut")
    assert (result.metrics, result.scales, result.epoch) == (whole.metrics, whole.scales, whole.epoch)
    timeless = [
        [{key: value for key, value in line.items() if key != "samples_per_s"} for line in lines(tmp_path / name)]
        for name in ("whole", "cut")
    ]
    assert timeless[0] == timeless[1]
    left = {path.name for path in (tmp_path / "cut").rglob("*")}
    assert not {name for name in left if name.startswith((".", "state.", "resumed"))}


def test_a_damaged_state_falls_back_to_the_one_before(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.epochs=3", "train.checkpoint_steps=1")
    in_memory(recipe)
    whole = train(recipe, out=tmp_path / "whole", progress=False)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "cut", progress=CutAfter(6))
    newest = tmp_path / "cut" / "checkpoints" / "00000005" / "state.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    listener = CutAfter(0)
    result = train(recipe, out=tmp_path / "cut", progress=listener, resume=True)
    assert any("damaged" in said and str(newest) in said for said in listener.said)
    assert result.resumed_at == (4,)
    assert result.metrics == whole.metrics


def test_half_a_checkpoint_is_none(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", progress=CutAfter(5))
    (tmp_path / "run" / "checkpoints" / "00000003" / "manifest.json").unlink()
    (tmp_path / "run" / "checkpoints" / "00000003" / ".writing-x").mkdir()
    listener = CutAfter(0)
    result = train(recipe, out=tmp_path / "run", progress=listener, resume=True)
    assert any("starts over" in said for said in listener.said)
    assert result.resumed_at == ()


def test_a_folder_that_was_only_begun_is_begun_again(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    (tmp_path / "run").mkdir()
    write_recipe(recipe, tmp_path / "run" / "recipe.yaml")
    (tmp_path / "run" / ".inputs.json.123.writing").write_text("{")
    result = train(recipe, out=tmp_path / "run", progress=False, resume=True)
    assert result.steps == 6
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.parametrize(
    "changes",
    [
        ("train.epochs=7", "augment.mixup=0.3", "pathway.blocks=spread"),
        ("train.epochs=7", "augment.mixup=0.3", "pathway.blocks=spread", "evaluate.batch_size=3", "train.workers=0"),
    ],
)
def test_settings_that_change_a_number_are_named_and_the_advice_works(
    changes: tuple[str, ...], tmp_path: Path, in_memory: InMemory
) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", progress=CutAfter(4))
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    other = short(image_recipe, *changes)
    counted = [change for change in changes if "workers" not in change]
    values = [value for change in counted for value in change.split("=")]
    with refused("recipe.yaml", "settings", *values) as error:
        train(other, out=tmp_path / "run", progress=False, resume=True)
    assert "workers" not in str(error.value)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    settings = [word for word in shlex.split(error.value.todo) if "=" in word]
    advised = apply_overrides(other, settings) if settings else read_recipe(tmp_path / "run" / "recipe.yaml")
    assert len(settings) == (len(counted) if len(counted) < 4 else 0)
    assert train(advised, out=tmp_path / "run", progress=False, resume=True).steps == 6


def test_settings_that_change_no_number_are_accepted_and_noted(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, *EVERYTHING)
    in_memory(recipe)
    whole = train(recipe, out=tmp_path / "whole", progress=False)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "cut", progress=CutAfter(5))
    values = {"train.workers": 0, "train.log_every": 3, "train.loggers": [], "train.keep_checkpoints": 1}
    values |= {"train.checkpoint_every": 2, "train.checkpoint_steps": 1, "data.train_samples": 5}
    values["evaluate.pictures"] = False
    values["data.cache_folder"] = str(tmp_path / "cache")
    # A start brings the settings that it names; `inputs.json` says what was given in memory (test_memory.py).
    assert set(values) == FREE - {"pathway.start", "data.memory"}
    changed = apply_overrides(recipe, [f"{name}={json.dumps(value)}" for name, value in values.items()])
    listener = CutAfter(2)
    with pytest.raises(CutError):
        train(changed, out=tmp_path / "cut", progress=listener, resume=True)
    assert read_recipe(tmp_path / "cut" / "recipe.yaml") == changed
    assert any("train.workers=0 (was 2)" in said for said in listener.said)
    result = train(changed, out=tmp_path / "cut", progress=False, resume=True)
    assert len(result.resumed_at) == 2
    notes = [note for note in result.notes if note.startswith("resumed with")]
    assert {note.split()[2].partition("=")[0] for note in notes} == set(values)
    assert result.metrics == whole.metrics
    first, second = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "cut"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    # A finished run answers for such settings too.
    assert train(recipe, out=tmp_path / "cut", progress=False, resume=True).metrics == whole.metrics


def test_an_auxiliary_that_moved_is_the_same_by_its_bytes(
    tmp_path: Path, in_memory: InMemory, auxiliary: dict[str, str | Path]
) -> None:
    recipe = short(image_recipe, *EVERYTHING)
    in_memory(recipe)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", auxiliaries=auxiliary, progress=CutAfter(5))
    shutil.move(auxiliary["audio"], tmp_path / "moved")
    moved = {"audio": tmp_path / "moved"}
    result = train(recipe, out=tmp_path / "run", auxiliaries=moved, progress=False, resume=True)
    assert any("resumed with auxiliaries" in note and "moved" in note for note in result.notes)
    assert json.loads((tmp_path / "run" / "inputs.json").read_text())["auxiliaries"]["audio"]["origin"].endswith(
        "moved"
    )


def test_states_beyond_the_newest_are_dropped(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.epochs=5", "train.keep_checkpoints=2")
    in_memory(recipe)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", progress=CutAfter(14))
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == ["00000009", "00000012"]


@pytest.mark.slow
def test_killed_twenty_times_it_ends_bit_identical(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "crosspath", "train", "image/digits"),
        *("--set", "train.epochs=60", "--set", "train.checkpoint_steps=3", "--set", "model.drop_path=0.2"),
        *("--set", "train.evaluate_every=10"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(name: str, *options: str) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*command, "--out", str(tmp_path / name), *options], env=environment, **quiet)

    begun = time.monotonic()
    whole = start("whole")
    while not list((tmp_path / "whole").glob("checkpoints/*/manifest.json")):
        assert whole.poll() is None
        time.sleep(0.02)
    to_first_state = time.monotonic() - begun
    assert whole.wait() == 0

    draw = random.Random(0)
    for _ in range(20):
        # From before anything is written until some steps after the first state of this process.
        process = start("cut", "--resume")
        time.sleep(draw.uniform(0.3, 1.8) * to_first_state)
        assert process.poll() is None, "it finished before it could be killed: train longer"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("cut", "--resume").wait() == 0
    for name, value in read_tensors(tmp_path / "whole" / "model.safetensors")[0].items():
        assert torch.equal(value, read_tensors(tmp_path / "cut" / "model.safetensors")[0][name]), name
    resumed_at = json.loads((tmp_path / "cut" / "result.json").read_text())["resumed_at"]
    assert len(resumed_at) > 3
    assert resumed_at == sorted(resumed_at)
    left = [path.name for path in (tmp_path / "cut").rglob("*")]
    assert not [name for name in left if name.startswith(".") or name.endswith((".tmp", ".writing"))]


def test_states_that_cannot_be_read_are_never_removed(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.epochs=3")
    in_memory(recipe)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", progress=CutAfter(8))
    for state in (tmp_path / "run").glob("checkpoints/*/state.json"):
        state.write_text("{}")
    before = sorted((tmp_path / "run").rglob("*"))
    with refused("00000006", "2", "checkpoints"):
        train(recipe, out=tmp_path / "run", progress=False, resume=True)
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_what_lies_beside_the_checkpoints_is_the_users(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.epochs=3")
    in_memory(recipe)
    whole = train(recipe, out=tmp_path / "whole", progress=False)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "run", progress=CutAfter(8))
    checkpoints = tmp_path / "run" / "checkpoints"
    shutil.copytree(checkpoints / "00000003", checkpoints / "keep-first")
    (checkpoints / "notes.txt").write_text("mine")
    result = train(recipe, out=tmp_path / "run", progress=False, resume=True)
    assert result.resumed_at == (6,)
    assert result.metrics == whole.metrics
    assert (checkpoints / "keep-first" / "model.safetensors").exists()
    assert (checkpoints / "notes.txt").read_text() == "mine"


def test_a_failure_after_the_last_epoch_costs_no_training(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    whole = train(recipe, out=tmp_path / "whole", progress=False)

    def fail(*arguments: object, **options: object) -> None:
        raise InputError("a test file", "one that can be read", "damage", "restore it")

    with monkeypatch.context() as patch:
        patch.setattr("crosspath.training.conclusion.generated_batch", fail)
        with refused("a test file"):
            train(recipe, out=tmp_path / "run", progress=False)
    listener = CutAfter(0)
    result = train(recipe, out=tmp_path / "run", progress=listener, resume=True)
    assert listener.left == [0], "no step is taken again"
    assert result.resumed_at == (result.steps,)
    assert (result.metrics, result.epoch) == (whole.metrics, whole.epoch)
