"""The answer of a study with several directions in one sentence, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crosspath.metrics import METRICS
from crosspath.study.arms import PATHWAY
from crosspath.study.reports.effects import Answer
from crosspath.study.reports.row_words import WIDEN, beside_random, direction, effect_of, gain, simpler_arm, with_labels
from crosspath.study.reports.table import heading
from crosspath.study.rows import Row
from crosspath.study.statistics import Verdict

MOST_EFFECTS = 12
"""Directions in a banner; of more, those with evidence."""


def answer_of_several(main: Sequence[Row], rows: Sequence[Row]) -> Answer:
    """The answer of the rows in `main`; `rows` are those of the study, with controls and simpler arms."""
    groups: dict[Verdict, list[Row]] = {"helps": [], "hurts": [], "no evidence": []}
    for row in main:
        groups[row.verdict or "no evidence"].append(row)
    helps, hurts = groups["helps"], groups["hurts"]
    simpler = [one for row in helps if (one := simpler_arm(row, rows)) is not None]
    has_simpler = bool(helps) and len(simpler) == len(helps)
    parts = [*_verdicts(groups, main, rows), *_reservations(groups["no evidence"], main)]
    if has_simpler:
        names = " or ".join(dict.fromkeys(one.arm for one in simpler))
        parts.append(f"wherever {_subject(main)} helps, {names} is not clearly worse")
    effects = [row for row in main if len(main) <= MOST_EFFECTS or row.verdict != "no evidence"][:MOST_EFFECTS]
    return Answer(
        verdict="helps" if helps else "hurts" if hurts else "no evidence",
        headline=f"helps in {len(helps)} of {len(main)}" if helps else None,
        sentence=". ".join(part[0].upper() + part[1:] for part in parts) + ".",
        next_step=_next_step(main, helps, simpler if has_simpler else ()),
        effects=tuple(effect_of(row, _place(row, main)) for row in effects),
    )


def _subject(main: Sequence[Row]) -> str:
    return "a pathway" if main[0].arm == PATHWAY.name else f"the arm {main[0].arm}"


def _verdicts(groups: Mapping[Verdict, Sequence[Row]], main: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """Where it helps and where it hurts, and in how many comparisons."""

    def effect(row: Row) -> str:
        difference = METRICS[row.metric].signed_number(row.difference or 0.0)
        return f"{_place(row, main)} ({difference}{beside_random(row, rows)})"

    helps, hurts, rest = groups["helps"], groups["hurts"], groups["no evidence"]
    labels = _common_labels(main)
    total = f"{len(main)} comparisons" + (f" at {labels} labels per class" if labels is not None else "")
    where = "" if _are_several(main) else f" {with_labels(main[0])}"
    if helps:
        yield f"{_subject(main)} helps{where} in {len(helps)} of {total}: {'; '.join(map(effect, helps))}"
    else:
        yield f"No evidence that {_subject(main)} helps{where} in any of {total}"
    if hurts:
        yield f"it hurts in {len(hurts)}: {'; '.join(map(effect, hurts))}"
    if rest and (helps or hurts):
        yield f"no evidence in the other{'' if len(rest) == 1 else f' {len(rest)}'}"


def _reservations(rest: Sequence[Row], main: Sequence[Row]) -> Iterator[str]:
    """What leaves comparisons without a verdict: a search that ended at its edge, a pathway without a part."""
    unsettled, idle = [row for row in rest if row.unsettled], [row for row in main if row.idle_runs == len(row.seeds)]
    if unsettled:
        count = (
            f"{len(unsettled)} of them unsettled, with a best learning rate or weight decay at the edge of its search"
        )
        yield count + _list_places(unsettled, main)
    if idle:
        yield f"the pathway had no part in {len(idle)} of them{_list_places(idle, main)}"


def _list_places(some: Sequence[Row], main: Sequence[Row]) -> str:
    """Where they are; empty where they are all."""
    return "" if len(some) == len(main) else f": {'; '.join(_place(row, main) for row in some)}"


def _next_step(main: Sequence[Row], helps: Sequence[Row], simpler: Sequence[Row]) -> str:
    """What to do; `simpler` are arms without a pathway, one for each row that helps, or none."""
    idle = [row for row in main if row.idle_runs == len(row.seeds)]
    step = "use the plain model."
    if len(idle) == len(main):
        step = f"this says nothing of the auxiliaries; try {str(idle[0].idle).rpartition('; try ')[2]}."
    elif simpler:
        best = " or ".join(dict.fromkeys(one.arm for one in simpler))
        step = f"use {best} there, which needs no pathway, and the plain model elsewhere."
    elif helps and _are_several(main):
        step = "use a pathway where it helps, and the plain model elsewhere."
    elif helps:
        step = f"use the model of {direction(max(helps, key=gain))}, or merge it."
    if any(row.unsettled for row in main):
        step = f"{step.removesuffix('.')}; for what is unsettled, {WIDEN}."
    return step


def _are_several(main: Sequence[Row]) -> bool:
    """Whether the rows are of several comparisons, and not of several auxiliaries of one."""
    return len({heading(row) for row in main}) > 1


def _common_labels(main: Sequence[Row]) -> int | None:
    """The labels per class that several comparisons have in common; None where they differ, or all are used."""
    labels = {row.labels_per_class for row in main}
    return labels.pop() if _are_several(main) and len(labels) == 1 else None


def _place(row: Row, main: Sequence[Row]) -> str:
    """What distinguishes a row from the others: its comparison where there are several, and its auxiliary."""
    if not _are_several(main):
        return direction(row)
    place = heading(row if _common_labels(main) is None else replace(row, labels_per_class=None))
    return place if row.auxiliary is None else f"{place} from {row.auxiliary}"
