"""The answer of a study in one sentence, from its rows: which directions help, by how much, and what to do next."""

from collections.abc import Sequence
from pathlib import Path

from crosspath.counts import quantity
from crosspath.metrics import METRICS
from crosspath.study.arms import ARMS, NONE, PATHWAY, SAME_MODALITY
from crosspath.study.reports.answer_of_several import answer_of_several
from crosspath.study.reports.effects import Answer
from crosspath.study.reports.row_words import WIDEN, beside_random, direction, effect_of, simpler_arm, with_labels
from crosspath.study.reports.table import heading
from crosspath.study.rows import Row
from crosspath.study.statistics import FEWEST_SEEDS, Verdict


def answer_of(rows: Sequence[Row], run: Path | None = None) -> Answer:
    """The answer that `rows` give: of the arm `pathway`, for one target with `same-modality` beside it; of the first
    other arm where there is no `pathway`.

    `run` is the folder of the first seed's run of that arm, which the advice names; None where it is not known.
    """
    comparisons = [row for row in rows if row.difference is not None]
    arm = next((name for name in (PATHWAY.name, *ARMS) if any(row.arm == name for row in comparisons)), None)
    arms = {arm, SAME_MODALITY.name} if len({row.target for row in rows}) == 1 and arm == PATHWAY.name else {arm}
    main = [row for row in comparisons if row.arm in arms]
    if not main:
        return Answer(
            verdict="no evidence",
            sentence=f"Nothing was compared: {NONE.name} is the only arm.",
            next_step="add the arm pathway and an auxiliary.",
        )
    return _of_one(main[0], rows, run) if len(main) == 1 else answer_of_several(main, rows)


def _of_one(row: Row, rows: Sequence[Row], run: Path | None) -> Answer:
    plain = next(other for other in rows if other.arm == NONE.name and heading(other) == heading(row))
    what = f"the {'' if row.arm == PATHWAY.name else 'arm '}{direction(row)}"
    where = with_labels(row)
    verbs: dict[Verdict | None, str] = {"helps": "improves", "hurts": "worsens"}
    opening = f"No evidence that {what} changes {where}"
    if row.unsettled:
        opening = f"It is unsettled whether {what} changes {where}"
    elif row.verdict in verbs:
        opening = f"{what[0].upper()}{what[1:]} {verbs[row.verdict]} {where}"
    seeds, metric = quantity(len(row.seeds), "seed"), METRICS[row.metric]
    what_is_read = "" if metric.percent else f"{metric.title} "
    less = "" if metric.more_is_better else " (less is better)"
    numbers = effect_of(row).numbers
    sentence = (
        f"{opening}: {what_is_read}{metric.text(row.mean)} against {metric.text(plain.mean)} without{less}, "
        f"{numbers.replace(' ', ' points ', 1) if metric.percent else numbers} on {seeds}{beside_random(row, rows)}."
    )
    step, command = "use the plain model.", None
    if row.verdict == "helps":
        step = "use the connected model, or merge it into a plain one of the same size and cost:"
        command = None if run is None else f"crosspath merge {run} merged"
        simpler = simpler_arm(row, rows)
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


def _not_worse(row: Row) -> str:
    """That an arm without a pathway is about as good."""
    return f"The arm {row.arm}, without a pathway, is not clearly worse: {effect_of(row).numbers}"


def _more_seeds(row: Row) -> str:
    """How many seeds would decide."""
    seeds, least = len(row.seeds), row.seeds_needed
    if seeds < FEWEST_SEEDS:
        return (
            f"A verdict needs at least {FEWEST_SEEDS} seeds: raise their number to 5 (`compare`: --seeds 5; a study: "
            "seeds) and repeat the command; finished runs count."
        )
    if least is None or least <= seeds:
        return ""
    return f"If the true difference is the one observed, about {least:,} seeds would show it."
