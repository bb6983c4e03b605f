"""The confirmation of a leader: fresh seeds that redraw split, labels and initialisation, each arm at its best rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from crosspath.study.crossed import compare_on_samples
from crosspath.study.race_plan import Plan, Round, none_epochs
from crosspath.study.race_rounds import FLAT, GRACE, Leader, run_round
from crosspath.study.race_runs import Runner
from crosspath.study.statistics import FEWEST_SEEDS, Paired
from crosspath.study.trials import FRESH, read_predictions, trial_folder
from crosspath.study.ways import Way
from crosspath.training.pathways import idle_in
from crosspath.training.result import read_result


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
    difference: Paired
    """Of leader and `none`."""
    beyond_control: Paired | None
    """Of leader and control."""
    flat: bool
    test_samples: int


def confirm(runner: Runner, plan: Plan, leader: Leader) -> Confirmation:
    """Train leader, `none` and control on fresh seeds, and compare their predictions on the test parts."""
    epochs, flat = runner.folder.decide("epochs of none", lambda: _epochs_of_none(runner, plan, leader))
    none = runner.ways[0]
    arms = {none: (epochs, leader.none_rate), leader.way: (leader.epochs, leader.rate)}
    if leader.way.control is not None:
        arms[leader.way.control] = (leader.epochs, leader.rate)
    runner.display.begin(f"fresh seeds: none against {leader.way.words}, {plan.seeds} seeds of {leader.epochs} epochs")
    size, seeds = runner.pool.size, 0
    while seeds < plan.seeds and runner.folder.decide(f"begin seed {seeds}", partial(_has_time, runner, seeds)):
        batch = range(seeds, min(seeds + size, plan.seeds))
        runner.run(
            [
                runner.training(way, stage=FRESH, epochs=length, rate=rate, seed=seed)
                for seed in batch
                for way, (length, rate) in arms.items()
            ]
        )
        seeds = batch.stop
    correct = {
        way: [read_predictions(runner.place.runs, trial_folder(FRESH, way.name, rate, seed)) for seed in range(seeds)]
        for way, (_, rate) in arms.items()
    }
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


def _epochs_of_none(runner: Runner, plan: Plan, leader: Leader) -> tuple[int, bool]:
    """(epochs of `none`, whether it is flat): it gets as much time as the leader with all that that began with, unless
    it gains nothing by it on the validation part.
    """
    assert runner.costs is not None
    costs, most = runner.costs, runner.most_pretraining
    spent = 0.0
    if leader.way.auxiliary in plan.auxiliary_epochs:
        spent = costs.auxiliaries[str(leader.way.auxiliary)].of(plan.auxiliary_epochs[str(leader.way.auxiliary)])
    epochs = none_epochs(leader.way, costs, leader.epochs, most, spent)
    if leader.flat or epochs < 1.1 * leader.epochs:
        return leader.epochs, leader.flat
    none = runner.ways[0]
    one = Round(epochs=epochs, ways=1, rates=1)
    longer = run_round(runner, "race-none", one, {none: [leader.none_rate]}, plan.folds)[none][leader.none_rate]
    before = leader.scores[-1][1][none][leader.none_rate]
    return (epochs if longer > before else leader.epochs), longer - before <= FLAT


def _has_time(runner: Runner, done: int) -> bool:
    """Whether further seeds fit into the budget, if they take as long as those before; the fewest always do."""
    if done < FEWEST_SEEDS:
        return True
    each = runner.worked(FRESH) / done
    return runner.spent + each * runner.pool.size < GRACE * runner.budget


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
