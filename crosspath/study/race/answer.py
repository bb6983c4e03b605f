"""The answer of a race: a sentence that a person can act on, the plain checkpoint it names, and what to do next."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosspath.checkpoints.load import load_checkpoint
from crosspath.checkpoints.merge import merge_checkpoint
from crosspath.checkpoints.save import save_checkpoint
from crosspath.counts import quantity
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, as_kind, read_json, write_json
from crosspath.study.race.final import Confirmation, FinalArm
from crosspath.study.race.folder import ANSWER, MODEL, REPORT, RaceFolder
from crosspath.study.race.plan import Plan
from crosspath.study.race.rounds import Leader
from crosspath.study.race.trials import REPEAT
from crosspath.study.reports.table import signed_points
from crosspath.study.statistics import PairedDifference, Verdict

ENOUGH_TEST_SAMPLES = 150
"""Test samples from which on the seeds of a race find 5 points in four races of five: see `crossed.race_seeds`."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What `crosspath try` and `crosspath.fit` end with. It prints as its sentence and the next step."""

    verdict: Verdict
    sentence: str
    next_step: str
    command: str
    """Which does the next step."""
    model: str
    """The folder of the plain model to use."""
    report: str
    leader: str
    """The way of starting that won the race, in words."""
    arms: Mapping[str, Mapping[str, Any]]
    """{`none`, `leader` and, for an auxiliary, `control`: way, epochs, rate, accuracies on the fresh seeds}."""
    difference: Mapping[str, Any]
    """Of leader and `none`: difference, low, high, p, verdict and reason; fractions."""
    beyond_control: Mapping[str, Any] | None
    """Of leader and control."""
    rounds: Sequence[Mapping[str, Any]]
    """Of the race: epochs, and validation scores by way and rate. They chose the leader and are no results."""
    seeds: int
    seeds_wanted: int
    test_samples: int
    validation_samples: int
    """That the scores of `rounds` rest on, in all folds together."""
    flat: bool
    """Whether `none` gained nothing by longer training; if not, the answer is one within this budget."""
    seconds: float
    advised: str = ""
    """What earlier studies advised before the race, by auxiliary; empty without one."""
    notes: Sequence[str] = ()
    """What the data had to say, such as classes with fewer labels than asked for."""

    def __str__(self) -> str:
        return f"{self.sentence}\n{self.next_step}: {self.command}"

    def __repr__(self) -> str:
        return f"<Fit {self.verdict}: {self.sentence}>"

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `answer.json`."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def read_answer(folder: Path) -> Fit:
    """The answer of a finished race. Raises `InputError` for a damaged one."""
    values = read_json(folder / ANSWER, REPEAT)
    version = values.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise InputError(folder / ANSWER, f"format_version {FORMAT_VERSION}", repr(version), REPEAT)
    return as_kind(values, Fit, folder / ANSWER, REPEAT)


def conclude(
    folder: RaceFolder,
    runs: Path,
    plan: Plan,
    leader: Leader,
    confirmation: Confirmation,
    again: Callable[[float], str],
    *,
    advice: str = "",
    notes: Sequence[str] = (),
) -> Fit:
    """Save the model that the verdict names and return the answer.

    `again` makes the command with so many times the budget; `advice` is what earlier studies advised, `notes` what the
    data had to say.
    """
    helps = confirmation.difference.verdict == "helps"
    winner = confirmation.leader if helps else confirmation.none
    model = folder.path / MODEL
    save_plain(runs / winner.run, model)
    next_step, command = next_step_of(model, confirmation, plan.seeds_wanted, again)
    arms = {"none": confirmation.none, "leader": confirmation.leader}
    if confirmation.control is not None:
        arms["control"] = confirmation.control
    return Fit(
        verdict=confirmation.difference.verdict,
        sentence=sentence_of(model, confirmation, auxiliaries=any(way.auxiliary for way in leader.scores[0][1])),
        next_step=next_step,
        command=command,
        model=str(model),
        report=str(folder.path / REPORT),
        leader=leader.way.words,
        arms={name: _arm(arm) for name, arm in arms.items()},
        difference=asdict(confirmation.difference),
        beyond_control=None if confirmation.beyond_control is None else asdict(confirmation.beyond_control),
        rounds=[
            {
                "epochs": epochs,
                "validation": {
                    way.name: {f"{rate:g}": value for rate, value in rates.items()} for way, rates in scores.items()
                },
            }
            for epochs, scores in leader.scores
        ],
        seeds=len(confirmation.none.accuracies),
        seeds_wanted=plan.seeds_wanted,
        test_samples=confirmation.test_samples,
        validation_samples=leader.validation_samples,
        flat=confirmation.flat,
        seconds=round(folder.clock(), 1),
        advised=advice,
        notes=[*notes],
    )


def next_step_of(
    model: Path, confirmation: Confirmation, enough: int, again: Callable[[float], str]
) -> tuple[str, str]:
    """(what to do next, the command that does it): a larger budget only where it trains more seeds, or longer."""
    use = f"crosspath predict {model} FILE"
    seeds, samples = len(confirmation.none.accuracies), confirmation.test_samples
    if confirmation.difference.verdict != "no evidence":
        return "Use it on files of your own", use
    if samples < ENOUGH_TEST_SAMPLES:
        return f"A test part of {samples} files shows large differences only: add files, and repeat", again(2)
    if seeds < enough:
        return f"The budget had time for {seeds} of {enough} seeds: raise it", again(max(2, math.ceil(enough / seeds)))
    if not confirmation.flat:
        return "The plain model still gains by training longer, so the answer may change: raise the budget", again(2)
    least = confirmation.difference.seeds_needed
    why = "" if least is None else f"; one of this size would show with about {max(least, seeds + 1):,} seeds"
    return f"No larger budget makes this difference clear{why}. Use the plain model on files of your own", use


def sentence_of(model: Path, confirmation: Confirmation, *, auxiliaries: bool) -> str:
    """The sentence; `auxiliaries` says whether any were raced."""
    difference, words = confirmation.difference, confirmation.leader.way.words
    seeds = len(confirmation.none.accuracies)
    within = "" if confirmation.flat else ", within this budget"
    idle = confirmation.leader.idle
    part = "" if idle is None else f" {idle[0].upper()}{idle[1:]}."
    numbers = (
        f"{_percent(confirmation.leader)} against {_percent(confirmation.none)} without, {_points(difference)} on "
        f"{quantity(seeds, 'fresh seed')}{within}"
    )
    if difference.verdict == "helps":
        return f"Use `{model}`: {numbers}; it came from {words}{_about_control(confirmation, auxiliaries)}.{part}"
    if difference.verdict == "hurts":
        return f"Use the plain model, `{model}`: even the best alternative, {words}, scores {numbers}.{part}"
    return f"No evidence; use the plain model, `{model}`: the best alternative, {words}, scores {numbers}.{part}"


def save_plain(run: Path, model: Path) -> None:
    """Save the model of a run as a plain checkpoint, its pathways merged; one that was half written is replaced."""
    shutil.rmtree(model, ignore_errors=True)
    checkpoint = load_checkpoint(run, own=True)
    if checkpoint.connected:
        merge_checkpoint(run, model)
        return
    save_checkpoint(
        checkpoint.model,
        model,
        recipe=checkpoint.recipe,
        classes=checkpoint.classes,
        auxiliaries=checkpoint.auxiliaries,
    )


def write_answer(folder: Path, fit: Fit) -> None:
    """Write the answer, which marks the race as finished."""
    write_json(folder / ANSWER, fit.to_json())


def _about_control(confirmation: Confirmation, auxiliaries: bool) -> str:
    beyond = confirmation.beyond_control
    if beyond is None:
        return "; no auxiliary led the race" if auxiliaries else ""
    if beyond.verdict == "helps":
        return f"; its random control scores lower, {_points(beyond)}"
    return f"; but it did not beat its random control, {_points(beyond)}: what helps is not what the auxiliary learned"


def _arm(arm: FinalArm) -> dict[str, Any]:
    return {
        "way": arm.way.name,
        "words": arm.way.words,
        "epochs": arm.epochs,
        "rate": arm.rate,
        "accuracies": list(arm.accuracies),
        "run": arm.run.as_posix(),
        "idle": arm.idle,
    }


def _percent(arm: FinalArm) -> str:
    return f"{100 * sum(arm.accuracies) / len(arm.accuracies):.1f} %"


def _points(difference: PairedDifference) -> str:
    points = signed_points(difference.difference)
    if difference.low is None or difference.high is None:
        return f"{points} (no interval)"
    return f"{points} ({signed_points(difference.low)} to {signed_points(difference.high)})"
