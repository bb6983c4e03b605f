"""The confirmation of a leader: fresh seeds that redraw split, labels and initialisation, each arm at its best rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from crosspath.counts import quantity
from crosspath.errors import InputError
from crosspath.study.crossed import compare_on_samples
from crosspath.study.race.costs import clock_seconds, none_epochs
from crosspath.study.race.plan import Plan, Round
from crosspath.study.race.rounds import FLAT, Leader, run_round
from crosspath.study.race.runs import LONGER_NONE, Runner
from crosspath.study.race.trials import FRESH, REPEAT, predictions_file, read_predictions, trial_folder
from crosspath.study.race.ways import Way
from crosspath.study.statistics import FEWEST_SEEDS, PairedDifference
from crosspath.study.steps import Step
from crosspath.training.pathways import idle_in
from crosspath.training.result import RESULT, read_result


@dataclass(frozen=True, kw_only=True)
class FinalArm:
    """One arm on the fresh seeds."""

    way: Way
    epochs: int
    rate: float
    accuracies: tuple[float, ...]
    """On each seed's test part."""
    run: Path
    """The run folder of the first seed, among the runs."""
    idle: str | None = None
    """That its pathway had no part in its runs, in words."""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The leader, `none`, and the leader's control on fresh seeds."""

    none: FinalArm
    leader: FinalArm
    control: FinalArm | None
    difference: PairedDifference
    """Of leader and `none`."""
    beyond_control: PairedDifference | None
    """Of leader and control."""
    flat: bool
    test_samples: int


def confirm(runner: Runner, plan: Plan, leader: Leader) -> Confirmation:
    """Train leader, `none` and control on fresh seeds, and compare their predictions on the test parts."""
    none, size, most = runner.ways[0], runner.pool.size, max(plan.seeds, plan.seeds_wanted)
    others = {way: (leader.epochs, leader.rate) for way in (leader.way, leader.way.control) if way is not None}
    epochs = quantity(leader.epochs, "epoch")
    runner.display.begin(f"up to {most} fresh seeds of {epochs}: none against {leader.way.words}")

    def steps(arms: Mapping[Way, tuple[int, float]], seeds: range) -> list[Step]:
        return [
            runner.training(way, stage=FRESH, epochs=length, rate=rate, seed=seed)
            for seed in seeds
            for way, (length, rate) in arms.items()
        ]

    # The leader's first seeds need not wait for the runs that decide how long `none` trains.
    beside = steps(others, range(min(size, most)))
    search = partial(_epochs_of_none, runner, plan, leader, beside)
    longer, flat = runner.folder.decide("epochs of none", tuple[int, bool], search)
    arms = {none: (longer, leader.none_rate), **others}
    seeds = 0
    while seeds < most and runner.folder.decide(f"begin seed {seeds}", bool, partial(_has_time, runner, seeds)):
        batch = range(seeds, min(seeds + size, most))
        runner.run(steps(arms, batch))
        seeds = batch.stop
    correct = read_all(runner.place.runs, arms, seeds)
    finals = {way: _final_arm(runner.place.runs, way, *arms[way], correct[way]) for way in arms}
    control = leader.way.control
    return Confirmation(
        none=finals[none],
        leader=finals[leader.way],
        control=None if control is None else finals[control],
        difference=compare_on_samples(correct[leader.way], correct[none]),
        beyond_control=None if control is None else compare_on_samples(correct[leader.way], correct[control]),
        flat=flat,
        test_samples=len(correct[none][0]),
    )


def read_all(runs: Path, arms: Mapping[Way, tuple[int, float]], seeds: int) -> dict[Way, list[dict[str, bool]]]:
    """{way: predictions of each seed}. Raises `InputError` for those of other samples than the first way's."""
    correct: dict[Way, list[dict[str, bool]]] = {}
    for way, (_, rate) in arms.items():
        folders = [trial_folder(FRESH, way.name, rate, seed) for seed in range(seeds)]
        correct[way] = [read_predictions(runs, folder) for folder in folders]
        for folder, own, first in zip(folders, correct[way], next(iter(correct.values())), strict=True):
            if own.keys() != first.keys():
                found = f"{len(own)}, {len(own.keys() - first.keys())} of them others"
                raise InputError(
                    predictions_file(runs, folder), f"the {len(first)} test samples of none", found, REPEAT
                )
    return correct


def _epochs_of_none(runner: Runner, plan: Plan, leader: Leader, beside: Sequence[Step]) -> tuple[int, bool]:
    """(epochs of `none`, whether it is flat): it gets as much time as the leader with all that that began with, unless
    it gains nothing by it on the validation part. Further steps run `beside` those that show it.
    """
    assert runner.costs is not None
    costs, most = runner.costs, runner.most_pretraining
    pretraining = 0.0
    if leader.way.auxiliary in plan.auxiliary_epochs:
        pretraining = costs.auxiliaries[str(leader.way.auxiliary)].of(plan.auxiliary_epochs[str(leader.way.auxiliary)])
    epochs = none_epochs(leader.way, costs, leader.epochs, most, pretraining)
    if leader.flat or epochs < 1.1 * leader.epochs:
        return leader.epochs, leader.flat
    none = runner.ways[0]
    one = Round(epochs=epochs, ways=1, rates=1)
    scores = run_round(runner, LONGER_NONE, one, {none: [leader.none_rate]}, plan.folds, beside)
    longer = scores[none][leader.none_rate]
    before = leader.scores[-1][1][none][leader.none_rate]
    return (epochs if longer > before else leader.epochs), longer - before <= FLAT


def _has_time(runner: Runner, seeds: int) -> bool:
    """Whether further seeds fit into the budget, if they take as long as those before; the fewest always do."""
    if seeds < FEWEST_SEEDS:
        return True
    batch = [
        read_result(path.parent).duration_s
        for seed in range(seeds - runner.pool.size, seeds)
        for path in sorted(runner.place.runs.glob(f"{FRESH}/*/*seed-{seed}/{RESULT}"))
    ]
    return runner.seconds_so_far + clock_seconds(batch, runner.pool.size) < runner.budget


def _final_arm(runs: Path, way: Way, epochs: int, rate: float, correct: Sequence[Mapping[str, bool]]) -> FinalArm:
    folders = [trial_folder(FRESH, way.name, rate, seed) for seed in range(len(correct))]
    idle = idle_in([read_result(runs / folder).notes for folder in folders])[1]
    return FinalArm(
        way=way,
        epochs=epochs,
        rate=rate,
        accuracies=tuple(fmean(seed.values()) for seed in correct),
        run=folders[0],
        # What to try instead is raced beside it.
        idle=None if idle is None else idle.partition("; try ")[0],
    )
