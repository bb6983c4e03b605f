"""Files that are added to a folder redraw its parts: what has begun with the old ones does not go on with the new."""

import json
from pathlib import Path

import numpy as np
import pytest

import crosspath
from crosspath.cli.main import main
from crosspath.evaluation import evaluate
from crosspath.training.result import Result
from tests.errors import refused
from tests.training.test_resume import CutAfter, CutError

TINY = (
    *("model.width=16", "model.depth=1", "model.heads=2", "data.length=32", "model.tokenizer.patch=8"),
    *("train.batch_size=8", "train.checkpoint_steps=1", "train.loggers=[]", "schedule.warmup_epochs=0"),
)


def add_files(folder: Path, first: int, last: int) -> None:
    generator = np.random.default_rng(first)
    for number, name in enumerate(("low", "high")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(first, last):
            values = generator.normal(number, 1, (2, 32)).astype(np.float32)
            np.save(folder / name / f"{generator.integers(10**9)}-{index}.npy", values)


@pytest.mark.parametrize("scaling", ["series", "training"])
def test_a_run_does_not_go_on_with_other_samples(scaling: str, tmp_path: Path) -> None:
    add_files(tmp_path / "data", 0, 10)
    settings = [*TINY, f"data.scaling={scaling}"]

    def train(**more: object) -> Result:
        return crosspath.train(
            "series/folder", data=tmp_path / "data", out=tmp_path / "run", settings=settings, resume=True, **more
        )

    with pytest.raises(CutError):
        train(progress=CutAfter(3))
    files = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    add_files(tmp_path / "data", 10, 14)
    with refused("run", "samples", "added"):
        train(progress=False)
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == files
    for file in (tmp_path / "data").rglob("*-1[0-3].npy"):
        file.unlink()
    # The advice works; so does a folder of an earlier version, which does not tell its samples.
    inputs = json.loads((tmp_path / "run" / "inputs.json").read_text())
    del inputs["samples"]
    (tmp_path / "run" / "inputs.json").write_text(json.dumps(inputs))
    assert train(progress=False).resumed_at
    assert "samples" in json.loads((tmp_path / "run" / "inputs.json").read_text())


def test_an_evaluation_says_that_files_have_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_files(tmp_path / "data", 0, 10)
    out = tmp_path / "run"
    result = crosspath.train("series/folder", data=tmp_path / "data", out=out, settings=list(TINY), progress=False)
    assert "notes" not in evaluate(out)
    assert evaluate(out)["metrics"] == result.metrics["test"]
    add_files(tmp_path / "data", 10, 11)
    assert "learned" in evaluate(out)["notes"][0]
    assert main(["evaluate", str(out)]) == 0
    assert "since this model was trained" in capsys.readouterr().err
    # Another folder is another set, and says nothing of the first.
    add_files(tmp_path / "other", 20, 30)
    assert "notes" not in evaluate(out, data=tmp_path / "other")


def test_arms_are_not_compared_on_different_samples(tmp_path: Path) -> None:
    add_files(tmp_path / "data", 0, 10)

    def compare(*arms: str) -> object:
        return crosspath.compare(
            "series/folder",
            auxiliaries={},
            arms=("none", *arms),
            data=tmp_path / "data",
            out=tmp_path / "study",
            seeds=2,
            rates=(1e-3,),
            settings=[*TINY, "train.epochs=1"],
            progress=False,
        )

    compare("mimetic")
    before = (tmp_path / "study" / "results.json").read_bytes()
    add_files(tmp_path / "data", 10, 14)
    with refused("runs", "samples", "added"):
        compare("mimetic", "lora")
    assert (tmp_path / "study" / "results.json").read_bytes() == before
