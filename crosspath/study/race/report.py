"""The report of `try`: the answer, the fresh seeds that it rests on, the race that chose the leader, and the plan."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosspath.files import write_text
from crosspath.study.race.answer import ENOUGH_TEST_SAMPLES, Fit
from crosspath.study.race.folder import REPORT
from crosspath.study.race.plan import Plan
from crosspath.study.race.request import Request
from crosspath.study.reports.effects import Answer, Effect, render_banner
from crosspath.study.reports.pages import load_template
from crosspath.study.statistics import mean_and_sd

TEMPLATE = "try.html"
AXIS = "difference, percentage points"
"""Of the banner, whose effects name what they are against: none, or random weights."""


def write_report(folder: Path, fit: Fit, request: Request, plan: Plan) -> Path:
    """Write the report into the folder; return its path."""
    effects = [_effect(f"{fit.leader}, against none", fit.difference)]
    if fit.beyond_control is not None:
        effects.append(_effect("the same, against random weights", fit.beyond_control))
    answer = Answer(
        verdict=fit.verdict,
        sentence=fit.sentence.replace("`", ""),
        next_step=f"{fit.next_step}.",
        command=fit.command,
        effects=tuple(effects),
    )
    path = folder / REPORT
    page = load_template(TEMPLATE).render(
        fit=fit,
        title=Path(str(request.definition["target"])).name,
        banner=render_banner(answer, axis=AXIS),
        arms=[_arm_cells(arm) for arm in fit.arms.values()],
        rounds=[_round_cells(one, request) for one in fit.rounds],
        request=request,
        plan=plan,
        small=ENOUGH_TEST_SAMPLES if fit.test_samples < ENOUGH_TEST_SAMPLES else None,
        command=request.command(1, folder),
    )
    write_text(path, page)
    return path


def _effect(name: str, difference: Mapping[str, Any]) -> Effect:
    return Effect(name=name, **{key: difference[key] for key in ("difference", "low", "high", "verdict")})


def _arm_cells(arm: Mapping[str, Any]) -> dict[str, str]:
    mean, spread = mean_and_sd(arm["accuracies"])
    return {
        "words": arm["words"],
        "accuracy": f"{100 * mean:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}"),
        "epochs": str(arm["epochs"]),
        "rate": f"{arm['rate']:g}",
        "idle": arm.get("idle"),
        "seeds": ", ".join(f"{100 * value:.1f}" for value in arm["accuracies"]),
    }


def _round_cells(one: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """The ways of a round, the best first, each with its best rate."""
    words = {way.name: way.words for way in request.ways}
    lines = []
    for name, by_rate in one["validation"].items():
        rate = max(by_rate, key=by_rate.__getitem__)
        lines.append((by_rate[rate], words[name], rate))
    lines.sort(key=lambda line: line[0], reverse=True)
    return {"epochs": one["epochs"], "lines": [(way, f"{100 * value:.1f}", rate) for value, way, rate in lines]}
