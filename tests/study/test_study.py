"""A study: which runs there are, that each is carried out once, that a stopped one goes on, and what it says."""

import base64
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import crosspath
from crosspath.checkpoints import load_checkpoint
from crosspath.cli.study import print_results
from crosspath.config import apply_overrides
from crosspath.errors import InputError
from crosspath.files import write_json
from crosspath.study import study as study_module
from crosspath.study.cells import Job, final_jobs, trials_of
from crosspath.study.definition import SEARCH_SEEDS, Study, read_study
from crosspath.study.folder import claim_folder, differences
from crosspath.study.jobs import Place, attempt_job, run_job
from crosspath.study.plan import comparisons
from crosspath.study.results import write_results
from crosspath.study.steps import Step, run_steps
from crosspath.study.study import run_study
from crosspath.training.result import Result
from tests.errors import refused
from tests.study.here import Here, in_this_process

__all__ = ["in_this_process"]

SHORT = ("train.epochs=1", "data.labels_per_class=4", "train.batch_size=16", "train.evaluate_every=9")


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("auxiliary") / "sounds"
    short = apply_overrides(crosspath.recipe_named("audio/sounds"), ("train.epochs=1", "train.loggers=[]"))
    crosspath.train(short, out=folder, progress=False)
    return folder


def small(auxiliary: Path, **more: object) -> Study:
    tree: dict[str, object] = {
        "name": "small",
        "targets": {"image/digits": {"settings": SHORT}},
        "auxiliaries": {"sounds": str(auxiliary)},
        "seeds": 3,
        "search": {"rates": [1e-3, 2e-3], "seeds": 1},
        **more,
    }
    return Study.model_validate(tree)


def test_data_of_ones_own_are_looked_for_before_anything_is_written(tmp_path: Path) -> None:
    for data, where in ((None, "data.folder"), (tmp_path / "nowhere", tmp_path / "nowhere")):
        with refused(where):
            crosspath.compare(
                "image/folder", auxiliaries={}, arms=("none", "mimetic"), data=data, out=tmp_path / "out", seeds=1
            )
        assert not (tmp_path / "out").exists()


def test_every_arm_has_the_same_trials_and_searches_leave_the_test_part_and_pictures_alone(auxiliary: Path) -> None:
    (comparison,) = comparisons(small(auxiliary, arms=["none", "pathway", "random", "mimetic", "copy"]))
    cells = (comparison.none, *comparison.others)
    assert [cell.arm.name for cell in cells] == ["none", "pathway", "random", "mimetic", "copy"]
    for cell in cells:
        jobs = trials_of(cell, cell.grid.rates)
        assert [(job.rate, job.seed) for job in jobs] == [(1e-3, SEARCH_SEEDS), (2e-3, SEARCH_SEEDS)]
        trials = [job.recipe.evaluate for job in jobs]
        reported = [job.recipe.evaluate for job in final_jobs(cell, 1e-3, (0, 1))]
        assert {(trial.test, trial.pictures) for trial in trials} == {(False, False)}
        assert {(run.test, run.pictures) for run in reported} == {(True, True)}
    folders = [
        job.folder for cell in cells for job in (*trials_of(cell, cell.grid.rates), *final_jobs(cell, 1e-3, (0, 1, 2)))
    ]
    assert len(folders) == len(set(folders))


def test_a_search_reads_the_validation_part_where_it_counts_and_nowhere_else(auxiliary: Path, tmp_path: Path) -> None:
    settings = (*SHORT, "train.epochs=3", "train.evaluate_every=1")
    (comparison,) = comparisons(small(auxiliary, arms=["none"], targets={"image/digits": {"settings": settings}}))
    job = trials_of(comparison.none, comparison.none.grid.rates)[0]
    place = Place(runs=tmp_path, data_root=None, auxiliaries={}, threads=1)
    result = run_job(job, place)
    lines = [json.loads(line) for line in (tmp_path / job.folder / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["epoch"] for line in lines if "validation" in line] == [3]
    every = apply_overrides(job.cell.recipe(job.rate, job.seed, search=True), ("train.evaluate_from=1",))
    assert crosspath.train(every, out=tmp_path / "every", progress=False).metrics == result.metrics
    # A study that an earlier version began, with such a run, goes on; where the best epoch counts, all are read.
    assert crosspath.train(every, out=tmp_path / job.folder, progress=False, resume=True).metrics == result.metrics
    best = replace(job.cell, settings=(*job.cell.settings, "train.select=best"))
    assert best.recipe(1e-3, 0, search=True).train.evaluate_from == 1


def test_a_trial_keeps_its_score_and_a_reported_run_its_weights(auxiliary: Path, tmp_path: Path) -> None:
    (comparison,) = comparisons(small(auxiliary, arms=["none", "pathway"]))
    place = Place(runs=tmp_path, data_root=None, auxiliaries={"sounds": str(auxiliary)}, threads=1)
    cell = comparison.others[0]
    trial, reported = trials_of(cell, cell.grid.rates)[0], final_jobs(cell, 1e-3, (0,))[0]
    for job in (trial, reported):
        result = attempt_job(job, place)
        assert result is not None
        # Carried out once, however often it is asked for.
        again = attempt_job(job, place)
        assert again is not None
        assert again.to_json() == result.to_json()
    assert sorted(file.name for file in (tmp_path / trial.folder).iterdir()) == [
        "inputs.json",
        "log.jsonl",
        "manifest.json",
        "recipe.yaml",
        "result.json",
    ]
    with refused(trial.folder.name, "final"):
        load_checkpoint(tmp_path / trial.folder)
    assert load_checkpoint(tmp_path / reported.folder).connected


@pytest.mark.usefixtures("in_this_process")
def test_settings_are_explored_on_the_validation_part_alone(auxiliary: Path, tmp_path: Path) -> None:
    exploring = small(auxiliary, part="validation", arms=["none"], search={"rates": [1e-3]})
    found = run_study(exploring, out=tmp_path / "study", progress=False)
    (row,) = found["rows"]
    assert row["part"] == "validation"
    runs = sorted((tmp_path / "study").rglob("result.json"))
    metrics = [json.loads(path.read_text(encoding="utf-8"))["metrics"] for path in runs]
    assert len(runs) == 3
    assert not any(read.get("test") for read in metrics)
    assert sorted(row["values"]) == sorted(read["validation"]["accuracy"] for read in metrics)
    assert "validation part" in (tmp_path / "study" / "results.md").read_text(encoding="utf-8")
    with refused("study"):
        run_study(exploring.model_copy(update={"part": "test"}), out=tmp_path / "study", progress=False)


def test_controls_are_carried_out_for_one_direction_a_target(auxiliary: Path) -> None:
    target = {"settings": SHORT, "controls": "sounds"}
    (comparison,) = comparisons(
        small(
            auxiliary,
            arms=["none", "pathway"],
            controls=["shuffled", "mimetic"],
            targets={"image/digits": target},
            auxiliaries={"sounds": str(auxiliary), "more": str(auxiliary)},
        )
    )
    found = [(cell.arm.name, cell.auxiliary) for cell in comparison.others]
    assert found == [("pathway", "sounds"), ("pathway", "more"), ("shuffled", "sounds"), ("mimetic", None)]
    unknown = {"image/digits": {**target, "controls": "sound"}}
    with refused("targets.image/digits.controls", "'sound'", "sounds"):
        comparisons(small(auxiliary, arms=["none"], controls=["shuffled"], targets=unknown))
    unknown = {"image/digits": {**target, "auxiliaries": ["sound"]}}
    with refused("targets.image/digits.auxiliaries", "'sound'", "sounds"):
        comparisons(small(auxiliary, arms=["none"], controls=["shuffled"], targets=unknown))
    begun = small(auxiliary, arms=["none"])
    assert not differences(
        begun, small(auxiliary, arms=["none"], controls=["shuffled"], targets={"image/digits": target})
    )
    longer = small(auxiliary, arms=["none"], targets={"image/digits": {"settings": [*SHORT, "train.epochs=2"]}})
    assert set(differences(begun, longer)) == {"targets.image/digits"}
    assert not differences(begun, small(auxiliary, arms=["none"], settings=["train.workers=0", "train.log_every=3"]))
    slower = small(auxiliary, arms=["none"], settings=["optimizer.lr=0.5"])
    assert differences(begun, slower) == {"settings": ([], ["optimizer.lr=0.5"])}
    without = small(auxiliary, arms=["none", "pathway"], controls=["shuffled"])
    assert [cell.arm.name for cell in comparisons(without)[0].others] == ["pathway"]


def test_variants_that_only_pathways_read_share_their_baseline(auxiliary: Path) -> None:
    shared = small(auxiliary, variants={"zero": ["pathway.scale_init=0"], "one": ["pathway.scale_init=1"]})
    first, second = comparisons(shared)
    assert first.none == second.none
    assert first.others[0] != second.others[0]
    longer = small(auxiliary, variants={"short": ["train.epochs=1"], "long": ["train.epochs=2"]})
    first, second = comparisons(longer)
    assert first.none != second.none


def test_an_auxiliary_of_the_targets_modality_serves_its_own_arm_only(auxiliary: Path) -> None:
    study = small(auxiliary, targets={"audio/sounds": {"settings": SHORT}}, arms=["none", "pathway", "same-modality"])
    (comparison,) = comparisons(study)
    assert [(cell.arm.name, cell.auxiliary) for cell in comparison.others] == [("same-modality", "sounds")]


def test_files_of_another_library_serve_by_the_modality_that_they_tell(auxiliary: Path, tmp_path: Path) -> None:
    """One of unknown modality counts as another's; its name in the study, not a path, stands in tables."""
    for name, kind in (("pictures", "dinov2"), ("unknown", "one of tomorrow")):
        (tmp_path / name).mkdir()
        save_file({"weight": torch.zeros(1)}, tmp_path / name / "model.safetensors")
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": kind}))
    auxiliaries = {name: str(tmp_path / name) for name in ("pictures", "unknown")}
    study = small(auxiliary, auxiliaries=auxiliaries, arms=["none", "pathway", "same-modality"])
    (comparison,) = comparisons(study)
    cells = [(cell.arm.name, cell.auxiliary_recipe) for cell in comparison.others]
    assert cells == [("pathway", "unknown"), ("same-modality", "pictures")]


def test_a_job_that_several_comparisons_need_is_carried_out_once(auxiliary: Path, tmp_path: Path) -> None:
    study = small(auxiliary, variants={"zero": ["pathway.scale_init=0"], "one": ["pathway.scale_init=1"]})
    pool = Here()
    place = Place(runs=tmp_path, data_root=None, auxiliaries=dict(study.auxiliaries), threads=1)
    nones = [comparison.none for comparison in comparisons(study)]
    steps = tuple(Step(final_jobs(cell, 1e-3, (0,)), lambda _: None) for cell in nones)
    run_steps(steps, pool, place)
    assert len(pool.jobs) == 1


def test_a_process_that_was_killed_is_one_line_that_names_its_run(auxiliary: Path, tmp_path: Path) -> None:
    class Killed(Here):
        def submit(self, job: Job, place: Place) -> "Future[Result]":
            future: Future[Result] = Future()
            future.set_exception(BrokenProcessPool())
            return future

    study = small(auxiliary, arms=["none"])
    (comparison,) = comparisons(study)
    (job,) = final_jobs(comparison.none, 1e-3, (0,))
    place = Place(runs=tmp_path, data_root=None, auxiliaries={}, threads=1)
    with refused(job.label, "killed"):
        run_steps((Step((job,), lambda _: None),), Killed(), place)


@pytest.mark.parametrize(
    "controls",
    [("random", "copy"), pytest.param(("random", "shuffled", "spectrum", "mimetic", "copy"), marks=pytest.mark.slow)],
    ids=["two controls", "all controls"],
)
def test_a_study_writes_rows_and_report_and_repeats_nothing(
    controls: tuple[str, ...], auxiliary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = small(auxiliary, arms=["none", "pathway", *controls])
    out = tmp_path / "study"
    found = run_study(study, out=out, workers=2, progress=False)
    rows = {row["arm"]: row for row in found["rows"]}
    assert set(rows) == set(study.arms)
    assert next(iter(rows)) == "none"
    for arm, row in rows.items():
        results = [
            json.loads(path.read_text())
            for path in sorted(out.glob(f"runs/image-digits/labels-all/{arm}*/final/*/result.json"))
            if path.parts[-4] in (arm, f"{arm}-sounds")
        ]
        values = {result["seed"]: result["metrics"]["test"]["accuracy"] for result in results}
        assert list(row["values"]) == [values[seed] for seed in row["seeds"]]
        if arm != "none":
            plain = rows["none"]["values"]
            assert row["difference"] == pytest.approx(sum(a - b for a, b in zip(row["values"], plain, strict=True)) / 3)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page.replace("https://www.w3.org", "")
    for row in rows.values():
        assert f"{100 * row['mean']:.1f}" in page
    shown = re.findall(r'base64,([^"]+)" alt="(\w+) of ([^"]+)"', page)
    assert [names for _, *names in shown] == [["confusion", "none"], ["confusion", "pathway, sounds"]]
    for content, *_ in shown:
        assert len(content) < 30_000
        assert Image.open(io.BytesIO(base64.b64decode(content))).width > 200
    # One epoch from λ = 0: whatever came out, it was not the pathway, and every place says so.
    for arm in ("pathway", "random"):
        assert rows[arm]["idle_runs"] == 3
        assert "no part" in rows[arm]["idle"]
        for text in (page, (out / "results.md").read_text(encoding="utf-8")):
            assert f"{arm} from audio/sounds: {rows[arm]['idle']}" in html.unescape(text)
    assert (rows["copy"]["idle"], rows["none"]["idle_runs"]) == (None, 0)
    assert "no part" in found["answer"]["sentence"]
    assert "--start whole-body" in found["answer"]["next_step"]
    assert found["answer"]["sentence"] in repr(found)
    assert found["report"] in repr(found)
    assert len(repr(found)) < 600
    print_results({**found, "report": "r"})
    assert capsys.readouterr().out.replace("\n", " ").count("no part") >= 3
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("runs/**/result.json")}
    again = run_study(study, out=out, workers=1, progress=False)
    assert again["rows"] == found["rows"]
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/**/result.json")} == stamps
    # More seeds may be asked for later; another search may not.
    with refused("study"):
        run_study(study.model_copy(update={"settings": ("train.batch_size=8",)}), out=out, progress=False)
    # The report needs nothing but result files: not even the auxiliaries.
    text = (out / "study.yaml").read_text(encoding="utf-8")
    (out / "study.yaml").write_text(text.replace(str(auxiliary.resolve()), str(tmp_path / "gone")), encoding="utf-8")
    assert "gone" in (out / "study.yaml").read_text(encoding="utf-8")
    assert write_results(out)["rows"] == found["rows"]
    moved = out.rename(tmp_path / "moved")
    write_results(moved)
    pictures = re.findall(r'base64,([^"]+)"', (moved / "report.html").read_text(encoding="utf-8"))
    assert pictures == re.findall(r'base64,([^"]+)"', page)


def test_examples_are_those_of_the_reported_runs(
    auxiliary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, ...]] = []

    def note(without: Path, connected: Path, path: Path, root: Path | None, header: dict[str, Any]) -> None:
        written.append(header["runs"])
        counts = {"samples": 0, "gained": 0, "lost": 0, "shown": []}
        write_json(path, {**header, **counts})

    monkeypatch.setattr(study_module, "write_examples", note)
    every = comparisons(small(auxiliary, arms=["none", "pathway"]))
    for rate in (1e-3, 1e-3, 2e-3):
        jobs = {cell: final_jobs(cell, rate, (0,)) for cell in (every[0].none, *every[0].others)}
        monkeypatch.setattr(study_module, "final_jobs_of", lambda runs, cell, study, jobs=jobs: jobs[cell])
        study_module._write_examples(tmp_path, small(auxiliary), every, None)
    # Once for each pair of runs, and again when a wider search has chosen others.
    assert [runs[0].rpartition("/")[2] for runs in written] == ["lr-0.001-seed-0", "lr-0.002-seed-0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: {image/digits: {}}\narm: [none]", "arm"),
        ("targets: {image/digits: {}}\nseeds: 0", "seeds"),
        ("targets: {image/digits: {}}\nseeds: [0, 0, 1]", "each once"),
        ("targets: {image/digits: {}}\nseeds: []", "one seed or more"),
        (f"targets: {{image/digits: {{}}}}\nseeds: [0, {2**63}]", "seeds"),
        ("targets: {}", "targets"),
        ("targets: {image/digits: {}}\nvariants: {}", "variants"),
        ("targets: {image/digits: {}}\narms: [none]\nsettings: [evaluate.test=false]", "evaluate.test=true"),
        ("- 1", "expected a study's sections"),
        ("targets: {image/digits: {}}\narms: [nothing]", "nothing"),
        ("targets: {image/nonsense: {}}", "image/nonsense"),
        ("targets: {image/digits: {settings: [train.epoch=1]}}", "train.epoch"),
        ("targets: {image/digits: {auxiliaries: [sounds]}}", "sounds"),
        ("targets: {image/digits: {auxiliaries: [sounds, sounds]}}", "targets.image/digits.auxiliaries"),
        ("targets: {image/digits: {labels: [30, 30]}}", "targets.image/digits.labels"),
        ("targets: {image/digits: {}}\nauxiliaries: {sounds: nowhere}", "nowhere"),
        ("targets: {image/digits: {}}\nauxiliaries: {whisper-tiny.en: nowhere}", "letters, digits"),
        ("targets: {image/digits: {}}\nauxiliaries: {copy: nowhere}", "ParameterDict"),
    ],
)
def test_a_faulty_study_is_refused_before_anything_runs(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message.replace("[", r"\[")) as error:
        comparisons(read_study(path))
    assert "\n" not in str(error.value)


def test_a_study_begun_before_a_field_was_there_goes_on(auxiliary: Path, tmp_path: Path) -> None:
    with claim_folder(tmp_path / "study", small(auxiliary)):
        path = tmp_path / "study" / "study.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    older = [line for line in lines if line.strip() not in ("part: test", "controls: []", "controls: null")]
    assert len(older) == len(lines) - 3
    path.write_text("".join(older), encoding="utf-8")
    with claim_folder(tmp_path / "study", small(auxiliary)):
        assert "part: test" in path.read_text(encoding="utf-8")


def test_an_arm_without_an_auxiliary_of_its_kind_is_refused_before_anything_runs(
    auxiliary: Path, tmp_path: Path
) -> None:
    for changes, words in (
        ({"targets": {"audio/sounds": {"settings": SHORT}}}, ("auxiliaries", "pathway", "another", "same-modality")),
        ({"arms": ["none", "same-modality"]}, ("auxiliaries", "same-modality", "the same", "sounds")),
        ({"auxiliaries": {}}, ("auxiliaries", "pathway", "none")),
        ({"controls": ["shuffled"]}, ("controls", "shuffled")),
    ):
        with refused(*words):
            run_study(small(auxiliary, **changes), out=tmp_path / "study", progress=False)  # type: ignore[arg-type]
    with refused("targets.image/digits.labels", "4"):
        labels = {"settings": SHORT, "labels": [None, 4]}
        comparisons(small(auxiliary, targets={"image/digits": labels}))
    assert list(tmp_path.iterdir()) == []


def test_settings_are_listed_with_what_they_apply_to(auxiliary: Path) -> None:
    one = small(auxiliary, settings=["train.batch_size=8"], variants={"": [], "warm": ["schedule.warmup_epochs=0.5"]})
    assert one.settings_by_scope == {
        "every arm": ("train.batch_size=8", *SHORT),
        "variant warm": ("schedule.warmup_epochs=0.5",),
    }
    two = small(auxiliary, targets={"image/digits": {"settings": SHORT}, "point/solids": {}})
    assert two.settings_by_scope == {"image/digits": SHORT}


def test_an_auxiliary_that_does_not_fit_is_refused_before_anything_is_trained(auxiliary: Path, tmp_path: Path) -> None:
    """It would stop the study at the first run that has it, when those of other arms have been trained."""
    wide = {"image/digits": {"settings": (*SHORT, "model.width=64", "model.heads=2")}}
    for arms in (["none", "pathway"], ["none", "random"], ["none", "copy"]):
        with refused("", "64 wide"):
            run_study(small(auxiliary, targets=wide, arms=arms), out=tmp_path / arms[1], progress=False)
        assert not (tmp_path / arms[1]).exists(), "another attempt may use it"
    run_study(small(auxiliary, targets=wide, arms=["none", "mimetic"], seeds=1), out=tmp_path / "own", progress=False)


def test_a_start_that_does_not_fit_is_refused_before_anything_is_trained(auxiliary: Path, tmp_path: Path) -> None:
    """A checkpoint of another model, and one of labels in place of masked modelling."""
    masked, labelled = tmp_path / "masked", tmp_path / "labelled"
    crosspath.pretrain("audio/sounds", settings=("train.epochs=1", "train.loggers=[]"), out=masked, progress=False)
    crosspath.train("image/digits", settings=(*SHORT, "train.loggers=[]"), out=labelled, progress=False)
    for fields, arms, words in (
        ({"pretrained": masked}, ["none", "masked-modelling"], ("masked", "shapes")),
        ({"pretrained": labelled}, ["none", "masked-modelling"], ("labelled", "classification", "pretrain")),
        ({"from": auxiliary}, ["none", "mimetic"], ("sounds", "shapes")),
    ):
        target = {"settings": SHORT, **{name: str(path) for name, path in fields.items()}}
        with refused(words[0], *words[1:]):
            run_study(
                small(auxiliary, targets={"image/digits": target}, arms=arms), out=tmp_path / "study", progress=False
            )
        assert not (tmp_path / "study").exists(), "another attempt may use it"


def test_a_target_whose_shape_only_its_data_tell_is_not_refused(auxiliary: Path, tmp_path: Path) -> None:
    for part, count in (("train", 6), ("val", 3), ("test", 3)):
        for label in ("rising", "falling"):
            place = tmp_path / "data" / part / label
            place.mkdir(parents=True)
            for number in range(count):
                values = "\n".join(f"{(step + number) * (1 if label == 'rising' else -1)},0" for step in range(20))
                (place / f"{number}.csv").write_text(f"a,b\n{values}\n")
    study = small(
        auxiliary, targets={"series/folder": {"settings": ("train.epochs=1",)}}, search={"rates": [1e-3]}, seeds=1
    ).model_copy(update={"arms": ("none", "pathway")})
    rows = run_study(study, out=tmp_path / "study", data=tmp_path / "data", progress=False)["rows"]
    assert [row["arm"] for row in rows] == ["none", "pathway"]


def test_two_arms_that_would_share_a_folder_are_refused(auxiliary: Path) -> None:
    named = {"sounds": str(auxiliary), "frozen-sounds": str(auxiliary)}
    with refused("auxiliaries", "pathway-frozen-sounds"):
        comparisons(small(auxiliary, arms=["none", "pathway", "pathway-frozen"], auxiliaries=named))


def test_a_comparison_is_checked_as_a_study_is_and_takes_the_path_of_a_recipe(tmp_path: Path) -> None:
    with refused("compare", "search.rates.0"):
        crosspath.compare("image/digits", auxiliaries={}, arms=("mimetic",), rates=(0.0,), out=tmp_path / "none")
    with refused("nowhere.yaml"):
        crosspath.compare(Path("nowhere.yaml"), auxiliaries={}, arms=("mimetic",), out=tmp_path / "none")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("part", ["val", "test"])
def test_a_part_that_gives_no_metric_is_refused_before_anything_is_trained(part: str, tmp_path: Path) -> None:
    rows = ["file,sick,old,split"]
    for number in range(12):
        split = ("train", "val", "test")[number % 3]
        np.save(tmp_path / f"{number}.npy", np.full((2, 32), number, np.float32))
        rows.append(f"{number}.npy,{int(split != part)},{number % 2 if split != part else 0},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    settings = ("data.csv=labels.csv", "data.split_column=split", "data.label_columns=[sick,old]")
    settings += ("data.multi_label=true", "data.length=32", "train.epochs=1", "model.width=16", "model.depth=1")
    options: dict[str, Any] = {"data": tmp_path, "settings": settings, "rates": (1e-3,), "progress": False}
    with refused(f"the {'validation' if part == 'val' else part} part"):
        crosspath.compare("series/folder", auxiliaries={}, arms=("none", "mimetic"), out=tmp_path / "out", **options)
    assert not list((tmp_path / "out" / "runs").rglob("*.jsonl"))


@pytest.mark.usefixtures("in_this_process")
def test_masked_modelling_of_the_own_data_is_an_arm(auxiliary: Path, tmp_path: Path) -> None:
    start = tmp_path / "pretrained"
    crosspath.pretrain("image/digits", settings=("train.epochs=1", "train.loggers=[]"), out=start, progress=False)
    targets = {"image/digits": {"settings": SHORT, "pretrained": str(start)}}
    study = small(auxiliary, arms=["none", "pathway", "masked-modelling"], targets=targets, search={"rates": [1e-3]})
    (comparison,) = comparisons(study)
    assert [(cell.arm.name, cell.auxiliary, cell.from_) for cell in (comparison.none, *comparison.others)] == [
        ("none", None, None),
        ("pathway", "sounds", None),
        ("masked-modelling", None, start),
    ]
    short = study.model_copy(update={"arms": ("none", "masked-modelling"), "seeds": 1})
    results = run_study(short, out=tmp_path / "study", progress=False)
    (row,) = [row for row in results["rows"] if row["arm"] == "masked-modelling"]
    assert len(row["values"]) == 1
    assert row["auxiliary"] is None
    results = [json.loads(path.read_text()) for path in (tmp_path / "study").rglob("masked-modelling/**/result.json")]
    assert {result["start"] for result in results} == {str(start)}
    # It may be added to a study that has begun, and its file is named from the study's.
    begun = small(auxiliary, arms=["none", "pathway"], search={"rates": [1e-3]})
    assert not differences(begun, study)
    other = {"image/digits": {"settings": SHORT, "pretrained": str(auxiliary)}}
    assert set(differences(study, study.model_copy(update={"targets": small(auxiliary, targets=other).targets})))
    with refused("targets", "masked-modelling", "pretrained"):
        run_study(small(auxiliary, arms=["none", "masked-modelling"]), out=tmp_path / "none", progress=False)
    with refused("--pretrained", "masked-modelling"):
        crosspath.compare("image/digits", auxiliaries={}, arms=("masked-modelling",), out=tmp_path / "none")
    with refused("--auxiliary", "whisper.en"):
        crosspath.compare("image/digits", auxiliaries={"whisper.en": auxiliary}, out=tmp_path / "none")
    with refused("--arms", "masked-modelling"):
        crosspath.compare("image/digits", auxiliaries={}, arms=("mimetic",), pretrained=start, out=tmp_path / "none")
    with refused("targets.image/digits.pretrained", "masked-modelling"):
        comparisons(study.model_copy(update={"arms": ("none", "pathway")}))
    path = tmp_path / "study.yaml"
    path.write_text("targets: {image/digits: {pretrained: pretrained, from: sounds}}", encoding="utf-8")
    target = read_study(path).targets["image/digits"]
    assert (target.pretrained, target.from_) == (start, tmp_path / "sounds")


def test_a_folder_with_other_files_is_refused(auxiliary: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with refused("", "folder"):
        run_study(small(auxiliary), out=tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def results_of(out: Path) -> dict[str, object]:
    """The results of a study but for the commands that made them."""
    found: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for entry in found["rows"]:
        entry.pop("command")
        entry.pop("core_seconds")  # what a clock measured
    found.pop("command")
    return found


@pytest.mark.slow
def test_a_killed_node_of_a_ray_cluster_leaves_the_study_complete(
    auxiliary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    doomed, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    out, finished = tmp_path / "cluster", []

    def kill_half_way() -> None:
        while len(list(out.rglob("result.json"))) < 4:
            time.sleep(0.1)
        finished.append(len(list(out.rglob("result.json"))))
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill_half_way, daemon=True)
    killer.start()
    try:
        run_study(small(auxiliary), out=out, ray=cluster.address, progress=False)
        killer.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    run_study(small(auxiliary), out=tmp_path / "alone", workers=1, progress=False)
    assert finished[0] < len(list((tmp_path / "alone").rglob("result.json")))
    assert results_of(out) == results_of(tmp_path / "alone")


@pytest.mark.slow
def test_a_study_killed_ten_times_ends_with_the_files_of_an_unkilled_one(auxiliary: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        json.dumps(
            {
                "name": "killed",
                "targets": {"image/digits": {"settings": ["train.epochs=3", *SHORT[1:]]}},
                "auxiliaries": {"sounds": str(auxiliary)},
                "seeds": 3,
                "search": {"around": 2e-3, "seeds": 1, "widenings": 2, "halving": 1},
            }
        ),
        encoding="utf-8",
    )

    def command(out: str) -> list[str]:
        return [sys.executable, "-m", "crosspath", "study", str(file), "--out", out, "--workers", "2"]

    for number in range(10):
        running = subprocess.Popen(
            command("killed"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(4.0 + 0.7 * number)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    for out in ("killed", "whole"):
        subprocess.run(command(out), cwd=tmp_path, check=True, capture_output=True)
    assert results_of(tmp_path / "killed") == results_of(tmp_path / "whole")
    assert (tmp_path / "killed" / "results.md").read_text() == (tmp_path / "whole" / "results.md").read_text()


@pytest.mark.usefixtures("in_this_process")
def test_every_drawing_of_a_report_finds_its_parts(auxiliary: Path, tmp_path: Path) -> None:
    both = {"": (), "warm": ("schedule.warmup_epochs=0.5",)}
    study = small(auxiliary, variants=both, search={"rates": [1e-3]}, arms=["none", "pathway"], seeds=2)
    run_study(study, out=tmp_path / "s", progress=False)
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert used
    assert used <= set(ids)


FINAL = "runs/image-digits/labels-all/pathway-sounds/final/lr-0.002-seed-1/result.json"


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (FINAL, {"scales": {"encoder.blocks.0.attn.qkv.weight": {"sounds": ["x"]}}}),
        (FINAL, {"metrics": {"test": {"accuracy": [0.5]}}}),
        (FINAL, {"duration_s": float("nan")}),
        (FINAL, {"cost": {"tokens": 4}}),
        ("auxiliaries.json", {"sounds": "audio/sounds"}),
        ("examples/image-digits-labels-all-none.json", {"shown": [{"kind": "gained"}]}),
    ],
)
def test_a_file_with_values_of_other_types_is_refused_by_name(
    file: str, change: dict[str, object], tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(Path(__file__).parents[1] / "golden" / "study", study)
    values = json.loads((study / file).read_text())
    (study / file).write_text(json.dumps({**values, **change}))
    with refused(Path(file).name):
        write_results(study)
