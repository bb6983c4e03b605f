"""A study in parts: joined they are the study that ran at once; a part stops in time and goes on."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import crosspath
from crosspath.config import apply_overrides
from crosspath.study.cells import Job
from crosspath.study.definition import Study
from crosspath.study.jobs import Place, run_job
from crosspath.study.study import run_study
from crosspath.training.result import Result
from tests.errors import refused

STUDIES = Path(__file__).resolve().parent.parent.parent / "studies"
SIZE = ("model.width=16", "model.depth=2", "model.heads=2")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES / "gpu"))
        import parts

        return parts


class Here:
    """A pool in this process."""

    size = 1
    runs = 0

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        Here.runs += 1
        future: Future[Result | None] = Future()
        future.set_result(run_job(job, place))
        return future


@contextmanager
def here() -> Iterator[Here]:
    yield Here()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The GPU study in little: one direction, three arms, a search."""
    recipe = crosspath.recipe_named("audio/sounds", "masked_modeling")
    settings = (*SIZE, "train.epochs=1", "data.labels_per_class=2", "train.loggers=[]")
    folder = tmp_path_factory.mktemp("auxiliaries") / "audio"
    crosspath.pretrain(apply_overrides(recipe, settings), out=folder, progress=False)
    return Study.model_validate(
        {
            "name": "little",
            "targets": {"image/digits": {"labels": [2]}},
            "auxiliaries": {"audio": str(folder)},
            "seeds": 1,
            "search": {"rates": [0.001, 0.002], "seeds": 1},
            "settings": [*SIZE, "train.epochs=1", "train.batch_size=32", "schedule.warmup_epochs=0"],
        }
    )


@pytest.fixture(scope="module")
def parts(study: Study, script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    for part in (1, 2, 3):
        assert script.run_part(study, part, 3, out=folder / f"part-{part}", pool=here)
    return sorted(folder.iterdir())


def test_parts_are_joined_once_all_are_there(
    study: Study, parts: list[Path], script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [len(list(part.glob("runs/**/result.json"))) for part in parts] == [3, 3, 3]
    monkeypatch.setattr("crosspath.study.results.write_study_report", lambda *_: None)
    assert script.join(study, parts[:2], out=tmp_path / "joined") is None
    joined = script.join(study, parts, out=tmp_path / "joined")
    assert [row["arm"] for row in joined["rows"]] == ["none", "pathway", "random"]
    # Joining again changes nothing, and a complete part repeats no run.
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "joined").glob("runs/**/*") if path.is_file()}
    assert script.join(study, parts[::-1], out=tmp_path / "joined")["rows"] == joined["rows"]
    assert script.run_part(study, 1, 1, out=tmp_path / "joined", pool=here, minutes=0)
    assert {path: path.stat().st_mtime_ns for path in files} == files


@pytest.mark.slow
def test_joined_parts_are_the_whole_study(study: Study, parts: list[Path], script: ModuleType, tmp_path: Path) -> None:
    whole = run_study(study, out=tmp_path / "whole", progress=False)
    joined = script.join(study, parts, out=tmp_path / "joined")
    for rows in (whole["rows"], joined["rows"]):
        for row in rows:
            row.pop("command")
    assert joined["rows"] == whole["rows"]


def test_a_part_begins_no_run_that_would_end_too_late(
    study: Study, script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not script.run_part(study, 1, 3, out=tmp_path / "part", minutes=0, pool=here)
    assert not list(tmp_path.glob("part/runs/**/result.json"))
    # The first run is not known to be long; the second one would end too late.
    monkeypatch.setattr(script.time, "monotonic", lambda: 100.0 * Here.runs)
    assert not script.run_part(study, 1, 3, out=tmp_path / "part", minutes=2.5, pool=here)
    assert len(list(tmp_path.glob("part/runs/**/result.json"))) == 1


def test_what_does_not_belong_together_is_refused(
    study: Study, parts: list[Path], script: ModuleType, tmp_path: Path
) -> None:
    for part, of in ((0, 3), (4, 3), (1, 4)):
        with refused("--part", f"{part} of {of}"):
            script.run_part(study, part, of, out=tmp_path / "none", pool=here)
    assert not (tmp_path / "none").exists()
    other = study.model_copy(update={"settings": (*study.settings, "train.epochs=2")})
    with refused(parts[0], "train.epochs=2"):
        script.join(other, parts, out=tmp_path / "other")
    changed = tmp_path / "changed"
    shutil.copytree(parts[0], changed)
    path = next(changed.glob("runs/**/final/*/result.json"))
    result = json.loads(path.read_text(encoding="utf-8"))
    result["metrics"]["test"]["accuracy"] += 0.01
    path.write_text(json.dumps(result), encoding="utf-8")
    with refused(path.parent, "other metrics"):
        script.join(study, [*parts, changed], out=tmp_path / "twice")
    path = next(parts[1].glob("runs/**/pathway-*/**/result.json"))
    shutil.copytree(parts[1], tmp_path / "mixed")
    mixed = tmp_path / "mixed" / path.relative_to(parts[1])
    text = mixed.read_text(encoding="utf-8")
    digest = next(iter(json.loads(text)["auxiliaries"].values()))["sha256"]
    mixed.write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    with refused("auxiliary", "same"):
        script.join(study, [parts[0], tmp_path / "mixed", parts[2]], out=tmp_path / "joined")
