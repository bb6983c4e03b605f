"""A race from beginning to end, with runs of few steps: what it decides by, what it leaves, and that it resumes."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import crosspath
from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.study.cells import QUIET
from crosspath.study.jobs import Place
from crosspath.study.pools import local_pool
from crosspath.study.race import race, trials
from crosspath.study.race.answer import Fit, next_step_of, sentence_of
from crosspath.study.race.costs import Cost, Costs
from crosspath.study.race.final import Confirmation, FinalArm
from crosspath.study.race.folder import ANSWER, DECISIONS
from crosspath.study.race.plan import Plan, Round
from crosspath.study.race.request import understand
from crosspath.study.race.ways import ways_of
from crosspath.study.statistics import PairedDifference, Verdict
from crosspath.training.finite import DivergenceError
from tests.errors import refused

FEW = ("data.labels_per_class=2", "train.batch_size=16", "data.test_fraction=0.8", "evaluate.batch_size=1500")
"""Few unlabelled samples too: masked modelling reads them all."""
PLAN = Plan(
    rounds=(Round(epochs=1, ways=7, rates=1), Round(epochs=2, ways=2, rates=1)),
    folds=1,
    seeds=3,
    seeds_wanted=3,
    auxiliary_epochs={},
    seconds=1.0,
)


class Executor:
    """Carries out a job at once, in this process."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def submit(self, function: Callable[..., Any], job: Any, place: Any) -> "Future[Any]":
        self.folders.append(job.folder)
        future: Future[Any] = Future()
        future.set_result(function(job, place))
        return future


class LocalPool:
    """A pool of one process: this one."""

    size = 1

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def carry_out(self, work: Callable[..., Any], job: Any, place: Any) -> "Future[Any]":
        return self.executor.submit(work, job, place)


def run(out: Path, auxiliary: Path, executor: Executor, **more: object) -> Fit:
    """A race of the plan above on handwritten digits; costs and plan are those of the tests, not measured."""

    @contextmanager
    def pool(workers: int, *, offline: bool) -> Iterator[LocalPool]:
        yield LocalPool(executor)

    one = Cost(fixed=0.1, epoch=0.1)
    request = understand("image/digits", [f"sounds={auxiliary}"], None, "10m", None, None, FEW, 1, 1)
    costs = Costs(of_ways={way.name: one for way in request.ways}, masked=one, auxiliaries={})
    if not (out / DECISIONS).exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / "try.json").write_text(json.dumps(request.definition))
        (out / DECISIONS).write_text(
            json.dumps({"format_version": 1, "costs": costs.to_json(), "plan": PLAN.to_json()})
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "local_pool", pool)
        return race.fit(
            "image/digits",
            auxiliaries=[f"sounds={auxiliary}"],
            budget="10m",
            out=out,
            settings=FEW,
            workers=1,
            progress=False,
        )


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("auxiliary") / "sounds"
    short = apply_overrides(crosspath.recipe_named("audio/sounds"), ("train.epochs=1", "train.loggers=[]"))
    crosspath.train(short, out=out, progress=False)
    return out


@pytest.fixture(scope="module")
def finished(auxiliary: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fit, Executor]:
    out, executor = tmp_path_factory.mktemp("race") / "try", Executor()
    return out, run(out, auxiliary, executor), executor


def test_the_race_reads_validation_and_fresh_seeds_read_the_test_part(
    finished: tuple[Path, Fit, Executor],
) -> None:
    out, answer, executor = finished
    runs = {path.parent.relative_to(out / "runs"): json.loads(path.read_text()) for path in out.rglob("result.json")}
    assert not any(result["metrics"]["test"] for result in runs.values())
    predictions = {path.relative_to(out / "predictions").with_suffix("") for path in out.rglob("predictions/**/*.json")}
    assert predictions == {path for path in runs if path.parts[0] == "fresh" and "first" not in path.parts[1]}
    ways = {path.parts[1] for path in runs if path.parts[0] == "race-1" and "first" not in path.parts[1]}
    assert len(ways) == 7
    assert len({path.parts[1] for path in runs if path.parts[0] == "race-2" and "first" not in path.parts[1]}) == 2
    assert "race-2/none/lr-0.001-seed-1000" in map(Path.as_posix, runs)
    assert answer.seeds == 3
    assert json.loads((out / ANSWER).read_text())["notes"] == list(answer.notes)
    assert len(executor.folders) == len(set(executor.folders))


def test_a_folder_with_too_few_files_is_told_so_before_the_budget_is_spent(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(10):
            (tmp_path / label / f"{number}.txt").write_text(f"text {label} {number}")
    display = Mock()
    samples = race.samples_of(understand(tmp_path, (), 10, "1m", None, None, (), 1, 1), display)
    few, test = samples.notes
    assert few == "fewer than 10 labels of class a (7), b (7), beside what validates and tests"
    assert test.startswith("a test part of 4 samples shows large differences only")
    assert [call.args for call in display.line.call_args_list] == [(few,), (test,)]


def test_fresh_seeds_redraw_the_parts_and_arms_of_one_seed_share_them(finished: tuple[Path, Fit, Executor]) -> None:
    out, answer, _ = finished
    samples: dict[str, list[set[str]]] = {}
    for arm in answer.arms.values():
        for seed, accuracy in enumerate(arm["accuracies"]):
            path = out / "predictions" / "fresh" / arm["way"] / f"lr-{arm['rate']:g}-seed-{seed}.json"
            correct = json.loads(path.read_text())["correct"]
            assert accuracy == pytest.approx(sum(correct.values()) / len(correct))
            samples.setdefault(str(seed), []).append({*correct})
    assert all(own == first for first, *rest in samples.values() for own in rest)
    assert samples["0"][0] != samples["1"][0] != samples["2"][0]


def test_masked_modelling_never_sees_the_held_out_parts_of_its_run(finished: tuple[Path, Fit, Executor]) -> None:
    out, _, _ = finished
    (first,) = (out / "runs" / "race-1").glob("masked-modelling-first-*/seed-*")
    (after,) = (out / "runs" / "race-1" / "masked-modelling").glob("lr-*")
    recipes = [crosspath.Recipe.model_validate(_yaml(path / "recipe.yaml")) for path in (first, after)]
    assert recipes[0].data.split_seed == recipes[1].data.split_seed
    assert recipes[0].data.held_out_fold == recipes[1].data.held_out_fold
    assert recipes[0].data.unlabelled
    results = [json.loads((path / "result.json").read_text()) for path in (first, after)]
    assert results[0]["samples"]["train"] > results[1]["samples"]["train"] == 10
    assert recipes[1].data.held_out_fold == (0, 2)
    assert results[1]["start"] == str(first)


def _yaml(path: Path) -> Any:
    import yaml

    return yaml.safe_load(path.read_text())


def test_the_model_is_plain_and_of_the_seed_fixed_beforehand(finished: tuple[Path, Fit, Executor]) -> None:
    out, answer, _ = finished
    checkpoint = crosspath.load_checkpoint(answer.model)
    assert not checkpoint.connected
    winner = answer.arms["leader" if answer.verdict == "helps" else "none"]
    recipe = checkpoint.recipe
    assert (recipe.train.seed, recipe.data.split_seed, recipe.optimizer.lr) == (0, 0, winner["rate"])
    metrics = crosspath.evaluate(answer.model)
    assert metrics["metrics"]["accuracy"] == pytest.approx(winner["accuracies"][0])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f'<p class="verdict">{answer.verdict}</p>' in page
    assert "difference from none" not in page
    assert answer.model in answer.sentence
    assert str(answer).splitlines()[0] == answer.sentence
    assert "Fit" in repr(answer)
    assert len(repr(answer)) < 400


def test_a_finished_race_is_read_again_and_another_one_is_refused(
    finished: tuple[Path, Fit, Executor], auxiliary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, answer, _ = finished
    executor = Executor()
    assert run(out, auxiliary, executor) == answer
    assert not executor.folders
    with refused(str(out), "labels"):
        race.fit("image/digits", auxiliaries=[f"sounds={auxiliary}"], labels=7, budget="10m", out=out, workers=1)
    with refused(str(out.parent)):
        race.fit("image/digits", out=out.parent)
    settings = [part for setting in FEW for part in ("--set", setting)]
    named = ["--auxiliary", f"sounds={auxiliary}", "--out", str(out), "--budget", "10m", "--workers", "1"]
    assert main(["try", "image/digits", *named, *settings]) == 0
    shown = capsys.readouterr().out
    assert answer.sentence in shown
    assert answer.command in shown


def comparable(answer: Fit, out: Path) -> dict[str, Any]:
    values = answer.to_json()
    values.pop("seconds")
    return json.loads(json.dumps(values).replace(str(out), "OUT"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("share", [0.85, pytest.param(0.2, marks=pytest.mark.slow)])
def test_a_race_that_was_stopped_ends_as_an_uninterrupted_one(
    finished: tuple[Path, Fit, Executor], auxiliary: Path, tmp_path: Path, share: float
) -> None:
    whole, answer, executor = finished
    out = stopped_after(round(share * len(executor.folders)), whole, tmp_path / "try", executor)
    again = Executor()
    assert comparable(run(out, auxiliary, again), out) == comparable(answer, whole)
    assert len(again.folders) == len(executor.folders)
    assert (out / "model" / "model.safetensors").read_bytes() == (whole / "model" / "model.safetensors").read_bytes()


def stopped_after(done: int, whole: Path, out: Path, executor: Executor) -> Path:
    """The folder of a race that was killed after so many runs: no run after them, and the decisions made until then."""
    shutil.copytree(whole, out)
    (out / ANSWER).unlink()
    shutil.rmtree(out / "model")
    for folder in executor.folders[done:]:
        shutil.rmtree(out / "runs" / folder)
        (out / "predictions" / folder.with_name(f"{folder.name}.json")).unlink(missing_ok=True)
    decisions = json.loads((out / DECISIONS).read_text())
    (out / DECISIONS).write_text(json.dumps({name: decisions[name] for name in ("format_version", "costs", "plan")}))
    return out


def test_a_way_that_diverges_loses_and_one_that_is_confirmed_may_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def diverge(job: Any, place: Any) -> None:
        raise DivergenceError("step 3 of training", "a finite loss", "nan", "lower it")

    monkeypatch.setattr(trials, "run_job", diverge)
    way = next(ways_of([], target=None, pretrained=None))
    place = Place(runs=tmp_path, data_root=None, auxiliaries={}, threads=1)
    one, fresh = (
        trials.training_trial("image/digits", way, stage=stage, rate=1.0, seed=0, settings=FEW, from_=None)
        for stage in ("race-1", trials.FRESH)
    )
    assert trials.run_trial(one, place) is None
    with refused("step 3"):
        trials.run_trial(fresh, place)


def test_the_control_of_a_frozen_auxiliary_can_be_read_again(auxiliary: Path, tmp_path: Path) -> None:
    (control,) = (
        way.control
        for way in ways_of(["sounds"], target=None, pretrained=None)
        if way.control is not None and way.arm.name == "frozen-anchor"
    )
    assert control is not None
    settings = (*FEW, *QUIET, "train.epochs=2", "train.evaluate_every=2")
    trial = trials.training_trial(
        "image/digits", control, stage=trials.FRESH, rate=1e-3, seed=0, settings=settings, from_=None
    )
    place = Place(runs=tmp_path / "runs", data_root=None, auxiliaries={"sounds": str(auxiliary)}, threads=1)
    result = trials.run_trial(trial, place)
    assert result is not None
    assert trials.read_predictions(place.runs, trial.folder)
    # Frozen: W′ is where it began, while λ is not.
    assert all(value == pytest.approx(1.0) for weight in result.likeness.values() for value in weight.values())
    assert any(scale != [1.0] for weight in result.scales.values() for scale in weight.values())


def test_half_a_model_is_written_again(finished: tuple[Path, Fit, Executor], auxiliary: Path, tmp_path: Path) -> None:
    whole, answer, _ = finished
    out = tmp_path / "try"
    shutil.copytree(whole, out)
    (out / ANSWER).unlink()
    for path in (out / "model").iterdir():
        os.truncate(path, 10)
    executor = Executor()
    again = run(out, auxiliary, executor)
    assert (out / "model" / "model.safetensors").read_bytes() == (whole / "model" / "model.safetensors").read_bytes()
    assert comparable(again, out) == comparable(answer, whole)


@pytest.mark.parametrize("verdict", ["helps", "no evidence", "hurts"])
def test_a_leader_whose_pathway_had_no_part_is_not_what_helped(verdict: Any, tmp_path: Path) -> None:
    none, *_, way = ways_of(["sounds"], target=None, pretrained=None)
    idle = "the pathway had no part in this result (small)"
    plain, leader = (
        FinalArm(way=one, epochs=1, rate=1.0, accuracies=(0.5, 0.6), run=tmp_path, idle=said)
        for one, said in ((none, None), (way, idle))
    )
    difference = PairedDifference(difference=0.1, low=0.0, high=0.2, p=0.1, verdict=verdict, reason="", seeds_needed=3)
    confirmation = Confirmation(
        none=plain,
        leader=leader,
        control=None,
        difference=difference,
        beyond_control=None,
        flat=True,
        test_samples=9,
    )
    assert sentence_of(tmp_path, confirmation, auxiliaries=True).endswith(f" T{idle[1:]}.")
    without = replace(confirmation, leader=replace(leader, idle=None))
    assert "no part" not in sentence_of(tmp_path, without, auxiliaries=True)


@pytest.mark.parametrize(
    ("verdict", "samples", "seeds", "flat", "needed", "command"),
    [
        ("helps", 600, 8, False, 3, "predict"),
        ("hurts", 600, 8, False, 3, "predict"),
        ("no evidence", 60, 12, True, 30, "again 2"),
        ("no evidence", 600, 3, True, 64, "again 3"),
        ("no evidence", 600, 8, False, 64, "again 2"),
        ("no evidence", 600, 8, True, 64, "predict"),  # more than a race ever trains
        ("no evidence", 600, 8, True, None, "predict"),
    ],
)
def test_a_larger_budget_is_advised_only_where_it_changes_something(
    verdict: Verdict, samples: int, seeds: int, flat: bool, needed: int | None, command: str, tmp_path: Path
) -> None:
    way = next(ways_of([], target=None, pretrained=None))
    arm = FinalArm(way=way, epochs=3, rate=0.1, accuracies=(0.5,) * seeds, run=tmp_path)
    confirmation = Confirmation(
        none=arm,
        leader=arm,
        control=None,
        difference=PairedDifference(
            difference=0.0, low=-0.1, high=0.1, p=0.5, verdict=verdict, reason="", seeds_needed=needed
        ),
        beyond_control=None,
        flat=flat,
        test_samples=samples,
    )
    step, found = next_step_of(tmp_path, confirmation, 8, lambda more: f"again {more:g}")
    assert command in found
    assert step


def test_a_dry_run_prints_what_would_be_done_and_leaves_nothing(
    auxiliary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def pool(workers: int, *, offline: bool) -> Iterator[LocalPool]:
        yield LocalPool(Executor())

    def costs(runner: Any, samples: Any) -> Costs:
        assert samples.train == 100
        one = Cost(fixed=0.1, epoch=0.1)
        return Costs(of_ways={way.name: one for way in runner.ways}, masked=one, auxiliaries={"procedural": one})

    monkeypatch.setattr(race, "local_pool", pool)
    monkeypatch.setattr(race, "measure", costs)
    monkeypatch.chdir(tmp_path)
    named = ["--auxiliary", f"sounds={auxiliary}", "--auxiliary", "procedural", "--labels", "10", "--budget", "9m"]
    assert main(["try", "image/digits", *named, "--workers", "2", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "image/digits: 100 labelled, 805 unlabelled, 300 validation, 592 test samples" in shown.out
    assert "procedural: pretrained on 2,000 samples for 100 epochs, in parallel with the first round" in shown.out
    assert len(re.findall(r"^\W*round \d", shown.out, re.MULTILINE)) == 3
    assert "of 9 minutes, with 2 runs at a time" in shown.out
    assert "copy-procedural: a copy of procedural" in shown.out
    assert "without --dry-run" in shown.err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("offline", [False, True])
def test_the_processes_of_a_race_ask_no_hub(offline: bool) -> None:
    from huggingface_hub.constants import is_offline_mode

    with local_pool(1, offline=offline) as pool:
        assert pool.executor.submit(is_offline_mode).result() == offline
