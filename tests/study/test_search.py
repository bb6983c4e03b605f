"""The search of each arm's learning rate: it widens until the best is inside; at the edge nothing is settled."""

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosspath.study.results as results_module
import crosspath.study.study as study_module
from crosspath.cli.study import print_results
from crosspath.errors import InputError
from crosspath.study.cells import Job, trials_of
from crosspath.study.definition import SEARCH_SEEDS, Study, read_study
from crosspath.study.folder import DEFINITION, RUNS
from crosspath.study.grid import Grid
from crosspath.study.jobs import DIVERGENCE, Place, attempt_job, read_divergence
from crosspath.study.plan import comparisons, refuse_shared_runs
from crosspath.study.power import detectable_difference
from crosspath.study.results import write_results
from crosspath.study.study import run_study
from crosspath.training.finite import DivergenceError
from crosspath.training.result import RESULT, Result, read_result
from tests.errors import refused

GOLDEN = Path(__file__).parents[1] / "golden" / "study" / "runs/image-digits/labels-all/none/final/lr-0.002-seed-0"
SHORT = ("train.epochs=1", "data.labels_per_class=4")
BEST = {"none": 6e-5, "mimetic": 1e-3}
"""{arm: the rate at which its made scores are highest}."""


def made_score(job: Job) -> float | None:
    """Highest at the best rate of its arm, with noise by seed; None where it diverges."""
    if job.rate > 3e-3:
        return None
    noise = 0.01 * math.sin(1000 * job.seed + 7 * len(job.cell.arm.name))
    return 0.8 - 0.1 * abs(math.log2(job.rate / BEST[job.cell.arm.name])) / 3 + noise


class Made:
    """A pool whose runs take no time: their scores are made up. After `lives` runs it is killed."""

    size = 2

    def __init__(self, score: Callable[[Job], float | None] = made_score, lives: int | None = None) -> None:
        self.score, self.lives = score, lives
        self.jobs: list[Job] = []

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        future: Future[Result | None] = Future()
        folder = place.runs / job.folder
        if not (folder / RESULT).is_file() and not (folder / DIVERGENCE).is_file():
            if self.lives == len(self.jobs):
                raise KeyboardInterrupt
            self.jobs.append(job)
            write_run(folder, job, self.score(job))
        future.set_result(read_result(folder) if (folder / RESULT).is_file() else None)
        return future


def write_run(folder: Path, job: Job, score: float | None) -> None:
    folder.mkdir(parents=True)
    if score is None:
        assert job.search
        (folder / DIVERGENCE).write_text('{"core_seconds": 5.0}', encoding="utf-8")
        return
    values = json.loads((GOLDEN / RESULT).read_text(encoding="utf-8"))
    part = {"accuracy": score, "loss": 1 - score}
    values |= {"seed": job.seed, "metrics": {"validation": part} | ({} if job.search else {"test": part})}
    (folder / RESULT).write_text(json.dumps(values), encoding="utf-8")


def run(study: Study, out: Path, pool: Made, patch: pytest.MonkeyPatch, *, report: bool = False) -> dict[str, Any]:
    """Run a study in the pool; drawing the report is the slowest part of it."""

    @contextmanager
    def local_pool(_: int) -> Iterator[Made]:
        yield pool

    patch.setattr(study_module, "local_pool", local_pool)
    if not report:
        patch.setattr(results_module, "write_study_report", lambda *_: None)
    return study_module.run_study(study, out=out, progress=False)


def small(**more: object) -> Study:
    tree = {
        "name": "s",
        "targets": {"image/digits": {"settings": SHORT}},
        "arms": ["none", "mimetic"],
        "seeds": 3,
        **more,
    }
    return Study.model_validate(tree)


GRID = Grid(rates=(5e-4, 1e-3, 2e-3), seeds=3, middle=1e-3, factor=2.0, widenings=6)


def walk(score: Callable[[float], float | None], grid: Grid = GRID) -> tuple[list[float], float, bool]:
    means = {rate: score(rate) for rate in grid.rates}
    while (further := grid.further(means, len(grid.rates))) is not None:
        means[further] = score(further)
    best = grid.best(means)
    return sorted(means), best, grid.is_edge(best, means)


def test_a_search_widens_towards_the_best_rate_and_stops_one_beyond_it() -> None:
    rates, best, edge = walk(lambda rate: -abs(math.log(rate / 6.3e-5)))
    assert rates == [1e-3 * 2.0**power for power in range(-5, 2)]
    assert (best, edge) == (6.25e-05, False)
    rates, best, edge = walk(lambda rate: -abs(math.log(rate / 1.6e-2)))
    assert rates == [1e-3 * 2.0**power for power in range(-1, 6)]
    assert (best, edge) == (1.6e-2, False)


def test_a_search_ends_after_the_stated_number_of_widenings_and_says_that_it_is_at_the_edge() -> None:
    rates, best, edge = walk(lambda rate: -rate)
    assert (len(rates), best, edge) == (9, 1e-3 / 2**7, True)
    assert walk(lambda rate: -rate, Grid(rates=GRID.rates))[1:] == (5e-4, True)


def test_of_equal_rates_one_inside_the_edges_is_chosen_and_a_diverged_one_never() -> None:
    assert walk(lambda _: 1.0) == ([5e-4, 1e-3, 2e-3], 1e-3, False)
    assert walk(lambda rate: 1.0 + 1e-16 * rate)[0] == [5e-4, 1e-3, 2e-3]
    # A list keeps the rule of earlier versions.
    assert walk(lambda _: 1.0, Grid(rates=GRID.rates))[1] == 5e-4
    assert walk(lambda rate: None if rate > 1e-3 else rate) == ([5e-4, 1e-3, 2e-3], 1e-3, False)
    assert walk(lambda rate: None if rate > 2e-4 else 0.0)[1:] == (1.25e-4, False)
    # Where all diverge, lower rates follow.
    assert walk(lambda rate: None if rate > 1e-4 else -abs(math.log(rate / 3e-5)))[1] == 3.125e-05
    assert walk(lambda _: None)[1:] == (1e-3 / 2**7, True)


def test_every_arm_is_searched_by_one_rule_until_its_best_rate_is_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, pool = small(search={"around": 1e-3}), Made()
    results = run(study, tmp_path / "s", pool, monkeypatch)
    trials: dict[str, dict[float, list[int]]] = {}
    for job in pool.jobs:
        if job.search:
            trials.setdefault(job.cell.arm.name, {}).setdefault(job.rate, []).append(job.seed)
    assert sorted(trials["none"]) == [1e-3 * 2.0**power for power in range(-5, 2)]
    assert sorted(trials["mimetic"]) == [5e-4, 1e-3, 2e-3]
    seeds = [SEARCH_SEEDS, SEARCH_SEEDS + 1, SEARCH_SEEDS + 2]
    assert all(sorted(of) == seeds for rates in trials.values() for of in rates.values())
    none, mimetic = results["rows"]
    assert (none["rate"], mimetic["rate"]) == (6.25e-5, 1e-3)
    assert (none["at_edge"], none["unsettled"]) == (False, None)
    assert none["grid"]["rates"] == sorted(trials["none"])
    expected = [sum(made_score(job) or 0 for job in trials_at(study, rate)) / 3 for rate in none["grid"]["rates"]]
    assert none["grid"]["validation"] == pytest.approx(expected)
    assert (mimetic["at_edge"], mimetic["unsettled"]) == (False, None)
    assert "95 % interval" in mimetic["reason"]
    assert {entry["arm"]: (entry["chosen"], entry["at_edge"]) for entry in results["search"]} == {
        "none": (6.25e-5, False),
        "mimetic": (1e-3, False),
    }


def trials_at(study: Study, rate: float) -> tuple[Job, ...]:
    return trials_of(comparisons(study)[0].none, (rate,))


def test_a_choice_at_the_edge_is_unsettled_whatever_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(job: Job) -> float:
        if job.cell.arm.name == "mimetic":
            return (made_score(job) or 0) + 0.1
        return 0.1 - job.rate + 0.001 * (job.seed % 3)

    study = small(search={"widenings": 2})
    results = run(study, tmp_path / "s", Made(score), monkeypatch, report=True)
    none, mimetic = results["rows"]
    assert (none["at_edge"], mimetic["at_edge"]) == (True, False)
    assert mimetic["low"] > 0.3
    assert (mimetic["verdict"], mimetic["seeds_needed"]) == ("no evidence", None)
    for words in ("none", f"{none['rate']:g}", "lowest of 5"):
        assert words in mimetic["reason"]
    assert results["answer"]["verdict"] == "no evidence"
    assert "unsettled" in results["answer"]["sentence"]
    table = (tmp_path / "s" / "results.md").read_text(encoding="utf-8")
    page = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert "| unsettled |" in table
    for text in (table, page):
        assert mimetic["unsettled"] in text
    assert ">unsettled<" in page
    # The advice holds: a search may go on, and what has finished is not repeated.
    assert "widenings" in results["answer"]["next_step"]
    pool = Made(score)
    more = run(small(search={"widenings": 3}), tmp_path / "s", pool, monkeypatch)
    assert more["rows"][0]["rate"] == none["rate"] / 2
    assert {(job.cell.arm.name, job.rate) for job in pool.jobs} == {("none", none["rate"] / 2)}
    with refused("s", "search", "widenings"):
        run(small(search={"widenings": 2}), tmp_path / "s", Made(score), monkeypatch)


def test_the_edge_of_a_list_settles_nothing_either_and_the_advice_is_another_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Made(lambda job: (made_score(job) or 0) + 0.1 * (job.cell.arm.name == "mimetic"))
    results = run(small(search={"rates": [1e-3, 2e-3]}), tmp_path / "s", pool, monkeypatch)
    assert len([job for job in pool.jobs if job.search]) == 4
    none, mimetic = results["rows"]
    assert (none["rate"], none["at_edge"]) == (1e-3, True)
    assert mimetic["verdict"] == "no evidence"
    assert "lowest of 2 tried" in mimetic["unsettled"]
    assert "without one, with another --out" in results["answer"]["next_step"]
    inside = run(small(search={"rates": [3e-5, 6e-5, 1e-3, 2e-3]}), tmp_path / "i", pool, monkeypatch)["rows"]
    assert [row["at_edge"] for row in inside] == [False, False]
    assert inside[1]["verdict"] == "helps"
    single = run(small(search={"rates": [1e-3]}), tmp_path / "one", pool, monkeypatch)["rows"]
    assert single[1]["verdict"] == "helps", "a single rate was not chosen"


def test_a_diverged_trial_is_the_worst_and_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BEST_UP = 4e-3

    def score(job: Job) -> float | None:
        return None if job.rate > 3e-3 and job.seed == SEARCH_SEEDS + 1 else 0.5 - abs(job.rate - BEST_UP)

    study = small(search={"around": 1e-3})
    results = run(study, tmp_path / "s", Made(score), monkeypatch, report=True)
    assert results["rows"][0]["rate"] == 2e-3
    assert results["rows"][0]["grid"] == {
        "rates": [5e-4, 1e-3, 2e-3, 4e-3],
        "validation": [*(pytest.approx(0.5 - BEST_UP + rate) for rate in (5e-4, 1e-3, 2e-3)), None],
    }
    assert "diverged" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    again = Made(score)
    assert run(study, tmp_path / "s", again, monkeypatch)["rows"] == results["rows"]
    assert again.jobs == []
    with refused("none", "finite", "0.002"):
        run(small(search={"widenings": 0}), tmp_path / "all", Made(lambda job: None), monkeypatch)


def test_a_trial_that_diverges_leaves_a_record_and_a_reported_run_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(job: Job, place: Place) -> Result:
        (place.runs / job.folder).mkdir(parents=True)
        raise DivergenceError("step 3 of training", "a finite loss", "nan", "lower optimizer.lr")

    monkeypatch.setattr("crosspath.study.jobs.run_job", diverge)
    place = Place(runs=tmp_path, data_root=None, auxiliaries={}, threads=1)
    trial = trials_at(small(), 1e-3)[0]
    assert attempt_job(trial, place) is None
    record = json.loads((tmp_path / trial.folder / DIVERGENCE).read_text(encoding="utf-8"))
    assert "finite loss" in record["reason"]
    assert 0 <= read_divergence(tmp_path / trial.folder) < 10
    assert attempt_job(trial, place) is None
    reported = Job(cell=trial.cell, rate=1e-3, seed=0, search=False)
    with refused(reported.label, "step 3 of training", "lower rates", "another --out"):
        attempt_job(reported, place)


def test_a_widening_search_that_is_killed_at_any_moment_ends_as_an_unkilled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small(search={"around": 5e-4})
    whole = Made()
    expected = run(study, tmp_path / "whole", whole, monkeypatch)
    killed: list[Job] = []
    total = 0
    while True:
        pool = Made(lives=4)
        try:
            results = run(study, tmp_path / "killed", pool, monkeypatch)
        except KeyboardInterrupt:
            with pytest.raises(InputError):  # Nothing complete: no table, and no error but one line.
                write_results(tmp_path / "killed")
            killed += pool.jobs
            total += 1
            continue
        killed += pool.jobs
        break
    assert total > 4
    assert sorted(job.folder for job in killed) == sorted(job.folder for job in whole.jobs)
    assert without_folder(results, tmp_path / "killed") == without_folder(expected, tmp_path / "whole")
    for name in ("results.md", "results.json"):
        texts = [(tmp_path / run / name).read_text(encoding="utf-8") for run in ("killed", "whole")]
        assert texts[0].replace(f"{tmp_path}/killed", f"{tmp_path}/whole") == texts[1]


def without_folder(results: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The results with another folder in the command and paths."""
    changed: dict[str, Any] = json.loads(json.dumps(results).replace(str(folder), "FOLDER"))
    return changed


def test_shorter_rounds_leave_the_better_half_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"image/digits": {"settings": ["train.epochs=9", "data.labels_per_class=4"]}}
    study, pool = small(search={"around": 1e-3, "halving": 2}, targets=target), Made()
    results = run(study, tmp_path / "s", pool, monkeypatch)
    rounds: dict[int | None, dict[float, int]] = {}
    for job in pool.jobs:
        if job.search and job.cell.arm.name == "none":
            counts = rounds.setdefault(job.epochs, {})
            counts[job.rate] = counts.get(job.rate, 0) + 1
    # The first round widens to 3.1e-5; of its 7 rates the better 4 train three times as long, and of these 3 in full.
    assert list(rounds) == [1, 3, None]
    assert sorted(rounds[1]) == [1e-3 * 2.0**power for power in range(-5, 2)]
    assert sorted(rounds[3]) == [1e-3 * 2.0**power for power in range(-5, -1)]
    assert sorted(rounds[None]) == [1e-3 * 2.0**power for power in range(-5, -2)]
    assert {count for counts in rounds.values() for count in counts.values()} == {3}
    short = next(job for job in pool.jobs if job.epochs == 3).recipe
    assert (short.train.epochs, short.train.evaluate_from, short.evaluate.test) == (3, 3, False)
    assert short.schedule.warmup_epochs <= 3 / 5
    row = results["rows"][0]
    assert (row["rate"], row["at_edge"]) == (6.25e-5, False)
    assert row["grid"]["rates"] == sorted(rounds[None])
    entry = results["search"][0]
    assert [len(entry["shorter"][epochs]) for epochs in ("1", "3")] == [7, 4]

    # What is best in full may lie beyond what the shorter rounds left: the last round widens too.
    def other(job: Job) -> float:
        best = 6e-5 if job.epochs is None and job.search else 1e-3
        return 0.8 - abs(math.log2(job.rate / best))

    row = run(study, tmp_path / "other", Made(other), monkeypatch)["rows"][0]
    assert (row["rate"], row["at_edge"], len(row["grid"]["rates"])) == (6.25e-5, False, 7)
    # A list is halved and never widened.
    pool = Made()
    rates = [3e-5 * 2.0**power for power in range(6)]
    listed = small(search={"rates": rates, "halving": 1}, targets=target)
    row = run(listed, tmp_path / "list", pool, monkeypatch)["rows"][0]
    trials = [job for job in pool.jobs if job.search and job.cell.arm.name == "none"]
    assert {epochs: len({job.rate for job in trials if job.epochs == epochs}) for epochs in (3, None)} == {
        3: 6,
        None: 3,
    }
    assert row["rate"] == 6e-5


def test_weight_decay_is_searched_at_the_best_rate_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(job: Job) -> float:
        decay = 0.05 if job.weight_decay is None else job.weight_decay
        best = {"none": 0.4, "mimetic": 0.0}[job.cell.arm.name]
        return (made_score(job) or 0) - 0.1 * abs(decay - best)

    study, pool = small(search={"weight_decay": [0, 0.5, 2]}), Made(score)
    assert comparisons(study)[0].none.recipe(1e-3, 0, search=False).optimizer.weight_decay == 0.05
    none, mimetic = run(study, tmp_path / "s", pool, monkeypatch, report=True)["rows"]
    tried = {
        arm: sorted(
            {job.weight_decay for job in pool.jobs if job.cell.arm.name == arm and job.weight_decay is not None}
        )
        for arm in ("none", "mimetic")
    }
    # Its own, 0.05, has been tried by the search of rates; beyond the largest, twice as much follows.
    assert tried == {"none": [0.0, 0.025, 0.1, 0.2, 0.4, 0.8], "mimetic": [0.0, 0.025, 0.1]}
    assert {job.rate for job in pool.jobs if job.weight_decay is not None} == {6.25e-5, 1e-3}
    assert (none["weight_decay"], none["rate"], none["at_edge"], none["unsettled"]) == (0.4, 6.25e-5, False, None)
    assert mimetic["weight_decay"] == 0.0  # No weight decay is no edge.
    reported = [job for job in pool.jobs if not job.search and job.cell.arm.name == "none"]
    assert {job.recipe.optimizer.weight_decay for job in reported} == {0.4}
    assert "weight decay 0.4" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    # The largest that may follow is an edge like any other.
    edge = run(
        small(search={"weight_decay": [2], "widenings": 5}),
        tmp_path / "e",
        Made(lambda job: score(job) + (job.weight_decay or 0)),
        monkeypatch,
    )
    assert edge["rows"][0]["at_edge"]
    assert "weight decay of none" in edge["rows"][1]["unsettled"]
    again = small(search={"weight_decay": [0]}, settings=["optimizer.weight_decay=0"])
    with refused("search.weight_decay", "0"):
        comparisons(again)


def test_equal_weight_decays_leave_the_own_one_once_a_larger_one_is_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(job: Job) -> float:
        of_rounding = 0.0 if job.weight_decay is None else 1e-16
        return 0.5 - 0.1 * abs(math.log2(job.rate / 1e-3)) + of_rounding

    study, pool = small(search={"weight_decay": [0, 0.5], "seeds": 1}), Made(score)
    none, mimetic = run(study, tmp_path / "s", pool, monkeypatch)["rows"]
    assert (none["weight_decay"], none["at_edge"], mimetic["unsettled"]) == (None, False, None)
    assert {job.weight_decay for job in pool.jobs} == {None, 0.0, 0.025, 0.1}


def test_what_a_comparison_could_show_stands_beside_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(small(search={"around": 1e-3}), tmp_path / "s", Made(), monkeypatch, report=True)
    none, mimetic = results["rows"]
    noise = {
        arm: [0.01 * math.sin(1000 * (SEARCH_SEEDS + seed) + 7 * len(arm)) for seed in range(3)]
        for arm in ("none", "mimetic")
    }
    spread = float(np.std(np.subtract(noise["mimetic"], noise["none"]), ddof=1))
    assert (none["detectable"], none["expected_spread"]) == (None, None)
    assert mimetic["expected_spread"] == pytest.approx(spread)
    assert mimetic["detectable"] == pytest.approx(detectable_difference(spread, 3))
    for name in ("results.md", "report.html"):
        assert f"{100 * mimetic['detectable']:.1f}" in (tmp_path / "s" / name).read_text(encoding="utf-8")
    print_results({**results, "report": "r"})
    assert f"{100 * mimetic['detectable']:.1f} points would be detected in 80 % of cases" in capsys.readouterr().out
    values = json.loads((GOLDEN / RESULT).read_text(encoding="utf-8"))
    duration, threads = values["duration_s"], values["environment"]["threads"]
    runs = len(list((tmp_path / "s").glob(f"runs/*/*/none/*/*/{RESULT}")))
    assert none["core_seconds"] == pytest.approx(runs * duration * threads)
    stated = small(search={"rates": [1e-3]}, power={"spread": 0.02})
    row = run(stated, tmp_path / "stated", Made(), monkeypatch)["rows"][1]
    assert (row["expected_spread"], row["detectable"]) == (0.02, pytest.approx(detectable_difference(0.02, 3)))
    own = small(search={"rates": [1e-3]}, power={"spread": 0.02}, targets={"image/digits": {"spread": 0.04}})
    assert run(own, tmp_path / "own", Made(), monkeypatch)["rows"][1]["expected_spread"] == 0.04


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("search: {around: 0.001, rates: [0.001]}", ("search", "either")),
        ("search: {rates: [0.001, 0.002], factor: 3}", ("search", "either")),
        ("search: {rates: [0.001, 0.002], widenings: 3}", ("search", "either")),
        ("search: {factor: 1}", ("search.factor",)),
        ("search: {around: -1}", ("search.around",)),
        ("search: {widenings: -1}", ("search.widenings",)),
    ],
)
def test_searches_that_contradict_themselves_are_refused(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"targets: {{image/digits: {{}}}}\n{text}", encoding="utf-8")
    with refused("study.yaml", *words):
        read_study(path)


def test_rates_and_seeds_that_would_share_a_run_are_refused(tmp_path: Path) -> None:
    rates, seeds = [1e-3, 1.0000001e-3], [SEARCH_SEEDS + 2, SEARCH_SEEDS + 3]
    for where, values, more in (
        ("search.rates", rates, {"search": {"rates": rates}}),
        ("targets.image/digits.rates", rates, {"targets": {"image/digits": {"rates": rates}}}),
        ("seeds", seeds[:1], {"seeds": seeds}),
    ):
        with refused(where, *values):
            run_study(small(**more), out=tmp_path / "s", progress=False)
    for search in ({"seeds": 2}, {"rates": [1e-3]}):
        study = small(seeds=seeds, search=search)
        refuse_shared_runs(study, comparisons(study))


def test_a_list_of_rates_and_a_study_begun_by_an_earlier_version_keep_their_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = comparisons(small(search={"rates": [2e-3, 1e-3]}))[0].none.grid
    assert grid == Grid(rates=(2e-3, 1e-3), seeds=1, widenings=6)
    assert grid.further({1e-3: 0.5, 2e-3: 0.6}, 2) is None
    own = comparisons(small())[0].none.recipe(1e-3, 0, search=False)
    assert own.optimizer.lr == 1e-3
    target = {"image/digits": {"settings": SHORT, "around": 3e-3}}
    assert comparisons(small(targets=target))[0].none.grid.rates == (1.5e-3, 3e-3, 6e-3)
    # An earlier version wrote down an empty list for half, once and twice the recipe's own.
    run(small(), tmp_path / "s", Made(), monkeypatch)
    path = tmp_path / "s" / DEFINITION
    text = path.read_text(encoding="utf-8")
    for line in ("    around: null\n", "  around: null\n", "  factor: 2.0\n", "  widenings: 6\n"):
        assert line in text
        text = text.replace(line, "", 1)
    path.write_text(text.replace("  seeds: null", "  seeds: 1"), encoding="utf-8")
    earlier = read_study(path)
    assert comparisons(earlier)[0].none.grid == Grid(rates=(5e-4, 1e-3, 2e-3), seeds=1, widenings=0)
    pool = Made()
    assert run(small(), tmp_path / "s", pool, monkeypatch)["rows"][0]["grid"]["rates"] == [5e-4, 1e-3, 2e-3]
    assert "widenings: 0" in path.read_text(encoding="utf-8")
    assert len(list((tmp_path / "s" / RUNS).rglob(f"search/*/{RESULT}"))) > 6


def test_a_search_that_did_not_widen_may_be_widened_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(job: Job) -> float:
        return 0.5 - 0.1 * abs(math.log2(job.rate / 8e-3))

    rates = []
    for widenings in (0, 6):
        study = small(search={"widenings": widenings, "seeds": 1})
        rates.append(run(study, tmp_path / "s", Made(score), monkeypatch)["rows"][0]["grid"]["rates"])
    assert [len(some) for some in rates] == [3, 6]
    assert max(rates[1]) == 16e-3
