"""The answer of a study in one sentence, from its rows: which directions help, by how much, and what to do next."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crosspath.counts import counted
from crosspath.metrics import METRICS
from crosspath.study.arms import ARMS, COPY, MASKED, MIMETIC, NONE, PATHWAY, RANDOM, SAME_MODALITY
from crosspath.study.effects import Answer, Effect
from crosspath.study.rows import Row
from crosspath.study.statistics import FEWEST_SEEDS, Verdict, compare_paired
from crosspath.study.table import heading

WIDEN = (
    "raise widenings and repeat the command: finished runs count (for a list of rates: search without one, with "
    "another --out)"
)
"""What to do where a search ended at the edge."""
SIMPLER = (MASKED.name, COPY.name, MIMETIC.name)
"""Arms without a pathway, which are to be preferred where they do as well."""
DRAWN = 12
"""Directions in a banner; of more, those with evidence."""


def answer_of(rows: Sequence[Row], connected: Path | None = None) -> Answer:
    """The answer that `rows` give: of the arm `pathway`, for one target with `same-modality` beside it; of the first
    other arm where there is no `pathway`.

    `connected` is the folder of the first seed's run of that arm, which the advice names; None where it is not known.
    """
    compared = [row for row in rows if row.difference is not None]
    arm = next((name for name in (PATHWAY.name, *ARMS) if any(row.arm == name for row in compared)), None)
    chosen = {arm, SAME_MODALITY.name} if len({row.target for row in rows}) == 1 and arm == PATHWAY.name else {arm}
    main = [row for row in compared if row.arm in chosen]
    if not main:
        return Answer(
            verdict="no evidence",
            sentence=f"Nothing was compared: {NONE.name} is the only arm.",
            next_step="add the arm pathway and an auxiliary.",
        )
    return _of_one(main[0], rows, connected) if len(main) == 1 else _of_several(main, rows)


def effect_of(row: Row, name: str | None = None) -> Effect:
    """A row that was compared with `none`, to be drawn."""
    assert row.difference is not None
    label = direction(row) if name is None else name
    return Effect(
        name=label, difference=row.difference, low=row.low, high=row.high, verdict=row.verdict, metric=row.metric
    )


def direction(row: Row) -> str:
    """An arm and its auxiliary: `pathway from audio/esc10`."""
    return row.arm if row.auxiliary is None else f"{row.arm} from {row.auxiliary}"


def _of_one(row: Row, rows: Sequence[Row], connected: Path | None) -> Answer:
    plain = next(other for other in rows if other.arm == NONE.name and heading(other) == heading(row))
    what = f"the {'' if row.arm == PATHWAY.name else 'arm '}{direction(row)}"
    where = _with_labels(row)
    verbs: dict[Verdict | None, str] = {"helps": "improves", "hurts": "worsens"}
    opening = f"No evidence that {what} changes {where}"
    if row.unsettled:
        opening = f"Unsettled whether {what} changes {where}"
    elif row.verdict in verbs:
        opening = f"{what[0].upper()}{what[1:]} {verbs[row.verdict]} {where}"
    seeds, metric = counted(len(row.seeds), "seed"), METRICS[row.metric]
    what_is_read = "" if metric.percent else f"{metric.title} "
    less = "" if metric.more_is_better else " (less is better)"
    numbers = effect_of(row).numbers
    sentence = (
        f"{opening}: {what_is_read}{metric.text(row.mean)} against {metric.text(plain.mean)} without{less}, "
        f"{numbers.replace(' ', ' points ', 1) if metric.percent else numbers} on {seeds}{_beside_random(row, rows)}."
    )
    step, command = "use the plain model.", None
    if row.verdict == "helps":
        step = "use the connected model, or merge it into a plain one of the same size and cost:"
        command = None if connected is None else f"crosspath merge {connected} merged"
        simpler = _simpler(row, rows)
        if simpler is not None:
            sentence = f"{sentence} {_not_worse(simpler)}."
            step, command = f"use the model of the arm {simpler.arm}, which needs no pathway.", None
    elif row.verdict == "no evidence":
        step = f"use the plain model. {_more_seeds(row)}"
    if row.unsettled:
        sentence = f"{sentence} {row.unsettled[0].upper()}{row.unsettled[1:]}."
        step = f"{WIDEN}."
    if row.idle is not None:
        what, _, todo = row.idle.partition("; try ")
        sentence = f"{sentence} {what[0].upper()}{what[1:]}."
        if row.idle_runs == len(row.seeds):
            step, command = f"this says nothing of the auxiliary; try {todo}.", None
    return Answer(
        verdict=row.verdict or "no evidence",
        sentence=sentence,
        next_step=step,
        command=command,
        effects=(effect_of(row),),
    )


def _beside_random(row: Row, rows: Sequence[Row]) -> str:
    """What the control with random weights says of a gain; empty without a gain or without the control."""
    same = (row.target, row.variant, row.labels_per_class, row.auxiliary)
    control = next((one for one in rows if one.arm == RANDOM.name and _direction_key(one) == same), None)
    if row.verdict != "helps" or control is None:
        return ""
    metric = METRICS[row.metric]
    paired = compare_paired(row.values, control.values, metric.more_is_better)
    if control.unsettled:
        return f"; the control {RANDOM.name} is unsettled"
    gain = f"random weights of the same shapes: {metric.signed(control.difference or 0.0)}"
    return f"; {gain}" if paired.verdict == "helps" else f"; not clearly more than {gain}"


def _simpler(row: Row, rows: Sequence[Row]) -> Row | None:
    """The best arm without a pathway that helps there too, and that the row is not clearly above; None without one."""
    if row.arm != PATHWAY.name:
        return None
    more_is_better = METRICS[row.metric].more_is_better
    others = [
        other
        for other in rows
        if other.arm in SIMPLER
        and other.verdict == "helps"
        and heading(other) == heading(row)
        and other.auxiliary in (None, row.auxiliary)
        and other.seeds == row.seeds
        and compare_paired(row.values, other.values, more_is_better).verdict != "helps"
    ]
    return max(others, key=_gain, default=None)


def _not_worse(row: Row) -> str:
    """That an arm without a pathway is about as good."""
    return f"The arm {row.arm}, without a pathway, is not clearly worse: {effect_of(row).numbers}"


def _direction_key(row: Row) -> tuple[str, str | None, int | None, str | None]:
    return row.target, row.variant, row.labels_per_class, row.auxiliary


def _more_seeds(row: Row) -> str:
    """How many seeds would decide."""
    seeds, needed = len(row.seeds), row.seeds_needed
    if seeds < FEWEST_SEEDS:
        return (
            f"A verdict needs at least {FEWEST_SEEDS} seeds: raise their number to 5 (`compare`: --seeds 5; a study: "
            "seeds) and repeat the command; finished runs count."
        )
    if needed is None or needed <= seeds:
        return ""
    return f"If the true difference is the one observed, about {needed:,} seeds would show it."


def _of_several(main: Sequence[Row], rows: Sequence[Row]) -> Answer:
    groups: dict[Verdict, list[Row]] = {"helps": [], "hurts": [], "no evidence": []}
    for row in main:
        groups[row.verdict or "no evidence"].append(row)
    labels = {row.labels_per_class for row in main}
    several = len({heading(row) for row in main}) > 1
    same = several and len(labels) == 1 and None not in labels

    def named(members: Sequence[Row]) -> str:
        return "; ".join(
            f"{_place(row, several, same)} "
            f"({METRICS[row.metric].signed(row.difference or 0.0)}{_beside_random(row, rows)})"
            for row in members
        )

    helps, hurts, rest = groups["helps"], groups["hurts"], groups["no evidence"]
    total = f"{len(main)} comparisons" + (f" at {labels.pop()} labels per class" if same else "")
    where = "" if several else f" {_with_labels(main[0])}"
    what = "a pathway" if main[0].arm == PATHWAY.name else f"the arm {main[0].arm}"
    parts = []
    if helps:
        parts.append(f"{what} helps{where} in {len(helps)} of {total}: {named(helps)}")
    else:
        parts.append(f"No evidence that {what} helps{where} in any of {total}")
    if hurts:
        parts.append(f"it hurts in {len(hurts)}: {named(hurts)}")
    if rest and (helps or hurts):
        parts.append(f"no evidence in the other{'' if len(rest) == 1 else f' {len(rest)}'}")
    unsettled = [row for row in rest if row.unsettled]
    if unsettled:
        names = "" if len(unsettled) == len(main) else f": {'; '.join(_place(row, several, same) for row in unsettled)}"
        parts.append(f"{len(unsettled)} of them unsettled, with a best learning rate at the edge of its search{names}")
    idle = [row for row in main if row.idle_runs == len(row.seeds)]
    if idle:
        names = "" if len(idle) == len(main) else f": {'; '.join(_place(row, several, same) for row in idle)}"
        parts.append(f"the pathway had no part in {len(idle)} of them{names}")
    step = "use the plain model."
    simpler = [one for row in helps if (one := _simpler(row, rows)) is not None]
    if len(idle) == len(main):
        step = f"this says nothing of the auxiliaries; try {str(idle[0].idle).rpartition('; try ')[2]}."
    elif helps and len(simpler) == len(helps):
        best = " or ".join(dict.fromkeys(one.arm for one in simpler))
        parts.append(f"wherever {what} helps, {best} is not clearly worse")
        step = f"use {best} there, which needs no pathway, and the plain model elsewhere."
    elif helps and several:
        step = "use a pathway where it helps, and the plain model elsewhere."
    elif helps:
        step = f"use the model of {direction(max(helps, key=_gain))}, or merge it."
    if unsettled:
        step = f"{step.removesuffix('.')}; for what is unsettled, {WIDEN}."
    effects = [row for row in main if len(main) <= DRAWN or row.verdict != "no evidence"][:DRAWN]
    verdict: Verdict = "helps" if helps else "hurts" if hurts else "no evidence"
    return Answer(
        verdict=verdict,
        headline=f"helps in {len(helps)} of {len(main)}" if helps else None,
        sentence=". ".join(part[0].upper() + part[1:] for part in parts) + ".",
        next_step=step,
        effects=tuple(effect_of(row, _place(row, several, same)) for row in effects),
    )


def _gain(row: Row) -> float:
    """The difference, turned so that more is better."""
    return METRICS[row.metric].sign * (row.difference or 0.0)


def _with_labels(row: Row) -> str:
    """A target, and in brackets what else its comparison is about: `image/digits (10 labels per class)`."""
    details = heading(row).removeprefix(row.target).removeprefix(", ")
    return f"{row.target} ({details})" if details else row.target


def _place(row: Row, several: bool, same_labels: bool) -> str:
    """What distinguishes a row from the others: its comparison where there are several, and its auxiliary."""
    if not several:
        return direction(row)
    place = heading(replace(row, labels_per_class=None) if same_labels else row)
    return place if row.auxiliary is None else f"{place} from {row.auxiliary}"
