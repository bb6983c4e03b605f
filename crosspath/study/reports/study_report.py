"""The report of a study or comparison: one HTML file that needs no network, from the result files of its runs alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from crosspath.files import read_json_as, write_text
from crosspath.metrics import METRICS, Metric, metric_of
from crosspath.study.arms import ARMS, NONE, PATHWAY, RANDOM
from crosspath.study.cells import Cell
from crosspath.study.definition import Study
from crosspath.study.plan import Comparison
from crosspath.study.reports.effects import Answer, draw_forest, render_banner
from crosspath.study.reports.examples import EXAMPLES, Changes
from crosspath.study.reports.figures import label_curves
from crosspath.study.reports.matrix import auxiliaries_in, draw_matrix, largest_difference
from crosspath.study.reports.merges import Merge, read_merges
from crosspath.study.reports.pages import command_in_lines, load_template
from crosspath.study.reports.row_words import effect_of
from crosspath.study.reports.run_figures import cell_name, draw_runs
from crosspath.study.reports.run_pictures import COMPARISONS, run_pictures
from crosspath.study.reports.table import POWER_CAPTION, group_rows, heading, notes_on, p_text, table_of
from crosspath.study.rows import Row
from crosspath.training.result import Result

TEMPLATE = "study.html"


def write_study_report(
    path: Path,
    study: Study,
    comparisons: Mapping[Comparison, Mapping[Cell, Sequence[Result]]],
    rows: Sequence[Row],
    summary: Mapping[str, Any],
    answer: Answer,
) -> Path:
    """Write the report from `rows` and from the logs and results of the runs; return its path."""
    results = [result for cells_of in comparisons.values() for runs in cells_of.values() for result in runs]
    groups = group_rows(rows)
    sections = [
        {
            "title": title,
            "id": f"comparison-{number}",
            "forest": _forest(groups[title], number),
            "table": table_of(groups[title]),
            "idle": notes_on(groups[title]),
            "figures": draw_runs(number, cells_of),
            "pictures": run_pictures(cells_of) if number < COMPARISONS else [],
            "cost": _cost(cells_of, groups[title]),
        }
        for number, (title, cells_of) in enumerate(zip(groups, comparisons.values(), strict=True))
    ]
    page = load_template(TEMPLATE).render(
        title=title_of(study, rows),
        banner=render_banner(answer),
        command=summary["command"] and command_in_lines(summary["command"]),
        rates=_rates(rows, summary["search"]),
        study=study,
        summary=summary,
        arms=[ARMS[name] for name in ARMS if any(row.arm == name for row in rows)],
        directions=_directions(rows),
        matrices=[matrix for arm in (PATHWAY.name, RANDOM.name) if (matrix := _matrix(rows, arm)) is not None],
        counts=_counts(rows),
        sections=sections,
        labels=_label_figures(rows),
        savings=[_saving(entry) for entry in summary["label_savings"]],
        power=POWER_CAPTION if any(row.detectable is not None for row in rows) else None,
        search=[_search(entry) for entry in summary["search"]],
        examples=[read_json_as(file, Changes) for file in sorted((path.parent / EXAMPLES).glob("*.json"))],
        merges=[_merge(merge) for merge in read_merges(path.parent)],
        seeds=study.seed_list,
        versions=results[0].environment["versions"],
        processor=results[0].environment["processor"],
        threads=results[0].environment["threads"],
        fingerprints=sorted({(result.recipe, str(result.data["fingerprint"])) for result in results}),
        duration=_duration(sum(result.duration_s for result in results)),
        runs=len(results),
    )
    write_text(path, page)
    return path


def title_of(study: Study, rows: Sequence[Row]) -> str:
    """The question of a study, as a person would ask it."""
    targets = list(dict.fromkeys(row.target for row in rows))
    auxiliaries = list(dict.fromkeys(row.auxiliary for row in rows if row.auxiliary is not None))
    if len(targets) > 1 and len(auxiliaries) == 1:
        return f"Which targets does {auxiliaries[0]} help?"
    if len(targets) > 1:
        return "Which auxiliaries help which targets?"
    if len(study.variants) > 1:
        return f"Which setting of a pathway helps {targets[0]}?"
    if len(auxiliaries) == 1:
        return f"Does {auxiliaries[0]} help {targets[0]}?"
    return f"Which {'auxiliary' if auxiliaries else 'start'} helps {targets[0]}?"


def _rates(rows: Sequence[Row], search: Sequence[Mapping[str, Any]]) -> str:
    """How the learning rates came about, in a sentence."""
    rest = [row for row in rows if row.target not in {entry["target"] for entry in search}]
    values = ", ".join(f"{rate:g}" for rate in sorted({row.rate for row in rest if row.rate is not None}))
    if not search:
        return f"No learning rate was searched: every arm used {values}."
    sentence = (
        "The learning rate of every arm was chosen on the validation part, by the same rule, with the same number of "
        "trials for every rate"
    )
    return (
        f"{sentence}, except for {', '.join(dict.fromkeys(row.target for row in rest))} ({values})."
        if rest
        else f"{sentence}."
    )


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _forest(rows: Sequence[Row], number: int) -> str | None:
    """Every arm of a comparison against `none`."""
    effects = [effect_of(row) for row in rows if row.difference is not None]
    return draw_forest(effects, name=f"forest-{number}") if effects else None


def _saving(entry: Mapping[str, Any]) -> tuple[str, ...]:
    factor = f"outside the range: {entry['beyond']} of {entry['seeds']} seeds"
    if entry["factor"] is not None:
        factor = f"{entry['factor']:.2f}"
    interval = "" if entry["low"] is None else f"{entry['low']:.2f} to {entry['high']:.2f}"
    return entry["target"], entry["arm"], entry["auxiliary"] or "", str(entry["labels_per_class"]), factor, interval


def _search(entry: Mapping[str, Any]) -> tuple[str, ...]:
    number = METRICS[entry.get("metric", "accuracy")].number

    def read(means: Mapping[str, float | None]) -> str:
        return "; ".join(f"{at}: {'diverged' if mean is None else number(mean)}" for at, mean in means.items())

    trials = [f"{epochs} epochs: {read(means)}" for epochs, means in entry["shorter"].items()]
    trials += [f"{'all epochs: ' if trials else ''}{read(entry['validation'])}"] if entry["validation"] else []
    trials += [f"weight decay {read(entry['weight_decays'])}"] if entry["weight_decays"] else []
    best = f"{entry['chosen']:g}" + (
        "" if entry["weight_decay"] is None else f", weight decay {entry['weight_decay']:g}"
    )
    edge = " (edge)" if entry["at_edge"] else ""
    return entry["target"], entry["arm"], entry["auxiliary"] or "", ". ".join(trials), best + edge


def _merge(merge: Merge) -> tuple[str, ...]:
    equal = "bitwise equal" if merge.bitwise else f"differ by at most {merge.max_difference:.3g}"
    name = metric_of(merge.metrics_connected)
    values = (metrics[name] for metrics in (merge.metrics_connected, merge.metrics_merged))
    reads = (f"{100 * value:.2f} %" if METRICS[name].percent else METRICS[name].text(value) for value in values)
    parameters = (f"{number:,}" for number in (merge.parameters_connected, merge.parameters_merged))
    return merge.target, equal, str(merge.samples), *reads, *parameters


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """{arm: {verdict: number}}."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.verdict is not None:
            verdicts = counts.setdefault(row.arm, {"helps": 0, "no evidence": 0, "hurts": 0})
            verdicts[row.verdict] += 1
    return counts


def _directions(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(arm, svg) of the pathway and of its random control, drawn to one scale."""
    arms = (PATHWAY.name, RANDOM.name)
    largest = largest_difference([row for row in rows if row.arm in arms])
    pictures = [(arm, draw_matrix(rows, arm, f"directions-{arm}", largest=largest)) for arm in arms]
    return [(arm, svg) for arm, svg in pictures if svg is not None]


def _matrix(rows: Sequence[Row], arm: str) -> dict[str, Any] | None:
    """The differences of an arm, targets by auxiliaries; None for fewer than two directions."""
    entries = [row for row in rows if row.arm == arm and row.auxiliary is not None]
    columns = auxiliaries_in(entries)
    targets = list(dict.fromkeys(heading(row) for row in entries))
    if len(entries) < 2:
        return None
    plain = {heading(row): METRICS[row.metric].text(row.mean) for row in rows if row.arm == NONE.name}
    cell_at = {(heading(row), row.auxiliary): _matrix_cell(row) for row in entries}
    lines = [
        {"target": target, "none": plain[target], "cells": [cell_at.get((target, name)) for name in columns]}
        for target in targets
    ]
    reads = "; ".join(_reading(metric) for metric in dict.fromkeys(METRICS[row.metric] for row in entries))
    return {"arm": arm, "across": columns, "lines": lines, "reads": reads}


def _reading(metric: Metric) -> str:
    """What the differences of a metric are."""
    unit = "in percentage points" if metric.percent else f"which is better {'above' if metric.sign > 0 else 'below'} 0"
    return f"{metric.title} relative to none, {unit}"


def _matrix_cell(row: Row) -> dict[str, Any]:
    number = METRICS[row.metric].signed_number
    interval = "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"
    return {
        "difference": number(row.difference or 0.0),
        "interval": interval,
        "verdict": "unsettled" if row.unsettled else row.verdict,
        "p": p_text(row),
        "kind": row.verdict if row.verdict in ("helps", "hurts") else "unsure",
        "title": row.reason,
    }


def _cost(cells_of: Mapping[Cell, Sequence[Result]], rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """(arm, core-seconds, seconds per run, trained parameters, MiB of weights, gradients and AdamW's two moments,
    latency) of each cell, before merging."""
    lines: list[tuple[str, ...]] = []
    for (cell, runs), row in zip(cells_of.items(), rows, strict=True):
        cost = runs[0].cost
        seconds = fmean(run.duration_s for run in runs)
        state = 4 * (cost["parameters"] + 3 * cost["trainable_parameters"]) / 2**20
        parameters = f"{cost['trainable_parameters']:,}"
        lines.append(
            (
                cell_name(cell),
                f"{row.core_seconds or 0:.0f}",
                f"{seconds:.0f}",
                parameters,
                f"{state:.1f}",
                f"{cost.get('latency_ms') or 0:.1f}",
            )
        )
    return lines


def _label_figures(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(target, svg) for every target with several numbers of labels."""
    curves: dict[str, dict[str, dict[int, tuple[float, ...]]]] = {}
    metrics: dict[str, Metric] = {}
    for row in rows:
        if row.labels_per_class is not None:
            name = row.arm if row.auxiliary is None else f"{row.arm}, {row.auxiliary}"
            title = row.target if row.variant is None else f"{row.target}, {row.variant}"
            curves.setdefault(title, {}).setdefault(name, {})[row.labels_per_class] = row.values
            metrics[title] = METRICS[row.metric]
    return [
        (title, label_curves(arms, f"labels-{number}", metrics[title]))
        for number, (title, arms) in enumerate(curves.items())
        if any(len(curve) > 1 for curve in arms.values())
    ]
