"""Protocols of several folds."""

import json
import os
import shlex
from pathlib import Path
from statistics import fmean, stdev

import pytest

from crosspath import locks
from crosspath.cli.main import main
from crosspath.config import Recipe, apply_overrides
from crosspath.locks import LOCK_FILES, claim
from crosspath.recipes import recipe_named
from crosspath.training.folds import FoldsResult, folds_of, train_folds
from tests.data.published_audio import write_esc50_folder
from tests.data.published_points import write_modelnet40
from tests.errors import refused

SHORT = (
    "data.classes=null",
    "train.epochs=1",
    "train.batch_size=8",
    "train.loggers=[]",
    "train.checkpoint_every=null",
    "model.size=micro",
)
ESC = (*SHORT, "data.frames=64", "data.mels=64", "data.stream=false", "augment.waveform=false", "augment.mixup=0")


def esc() -> Recipe:
    return apply_overrides(recipe_named("audio/esc50"), ESC)


def test_every_esc_fold_is_tested_once_and_validation_is_another() -> None:
    variants = folds_of(esc())
    assert list(variants) == [1, 2, 3, 4, 5]
    assert [variant.data.test_fold for variant in variants.values()] == [1, 2, 3, 4, 5]  # type: ignore[union-attr]
    assert [variant.data.validation_fold for variant in variants.values()] == [2, 3, 4, 5, 1]  # type: ignore[union-attr]


def test_folds_leave_a_run_each_and_their_mean(tmp_path: Path) -> None:
    write_esc50_folder(tmp_path / "data", classes=2, per_fold=2)
    found = train_folds(esc(), out=tmp_path / "run", data=tmp_path / "data", progress=False)
    results = [json.loads((tmp_path / "run" / f"fold-{fold}" / "result.json").read_text()) for fold in range(1, 6)]
    values = [result["metrics"]["test"]["accuracy"] for result in results]
    assert found.values == tuple(values)
    assert (found.mean, found.std) == (pytest.approx(fmean(values)), pytest.approx(stdev(values)))
    assert json.loads((tmp_path / "run" / "folds.json").read_text())["mean"] == found.mean
    with refused("run", "empty"):
        train_folds(esc(), out=tmp_path / "run", data=tmp_path / "data", progress=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/model.safetensors")}
    again = train_folds(esc(), out=tmp_path / "run", data=tmp_path / "data", progress=False, resume=True)
    assert again == found
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_numbers_of_folds_are_in_the_units_of_their_metric() -> None:
    found = FoldsResult(
        folder="r", recipe="own", metric="rmse", folds=(1, 2), values=(0.5, 1.5), mean=1234567.8, std=0.00012345
    )
    assert found.summary == "rmse 1234568 ± 0.0001234 over 2 folds"
    assert found.summary in repr(found)


def test_few_shot_folds_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("bed", "chair", "desk", "night_stand", "sofa", "table")
    write_modelnet40(tmp_path / "data", classes=classes, train=8, test=3, points=40)
    settings = [
        *SHORT,
        *("data.way=3", "data.shot=4", "data.points=32", "data.stored_points=36", "model.heads=4"),
        *("model.tokenizer.groups=8", "model.tokenizer.group_size=4"),
    ]
    arguments = [part for setting in settings for part in ("--set", setting)]
    where = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    assert main(["train", "point/modelnet40-fewshot", *arguments, *where, "--folds", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folds"] == list(range(10))
    assert len(set(found["values"])) > 1
    classes_seen = {
        tuple(json.loads((tmp_path / "run" / f"fold-{fold}" / "result.json").read_text())["classes"])
        for fold in range(10)
    }
    assert len(classes_seen) > 1
    assert main(["train", "point/modelnet40-fewshot", *arguments, *where, "--folds", "--resume"]) == 0
    command = ["crosspath", "compare", "point/modelnet40-fewshot", *where[:2], *arguments]
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"next: {shlex.join([*command, '--auxiliary', 'NAME=CHECKPOINT'])}"


def test_data_without_folds_are_refused() -> None:
    with refused("--folds", "several"):
        folds_of(recipe_named("image/digits"))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with refused("run", "empty", "folder"):
        train_folds(esc(), out=tmp_path / "run", progress=False, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_all_folds_have_one_writer(resume: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GRACE_S", 0.05)
    with claim(tmp_path / "run"), refused(tmp_path / "run", os.getpid(), "--out"):
        train_folds(esc(), out=tmp_path / "run", progress=False, resume=resume)
    assert {path.name for path in (tmp_path / "run").iterdir()} <= set(LOCK_FILES)


def test_folds_that_read_no_test_part_have_nothing_to_report(tmp_path: Path) -> None:
    with refused("evaluate.test", "false"):
        train_folds(esc(), settings=("evaluate.test=false",), out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
