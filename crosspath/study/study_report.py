"""The report of a study or comparison: one HTML file that needs no network, from the result files of its runs alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from crosspath.files import read_json, write_text
from crosspath.modalities import MODALITIES
from crosspath.study.arms import ARMS, NONE, PATHWAY, RANDOM
from crosspath.study.definition import Study
from crosspath.study.drawing import NARROW, WIDE, Width
from crosspath.study.figures import label_curves, learning_curves, scale_map, training_losses
from crosspath.study.plan import Cell, Comparison
from crosspath.study.report import learning_curve, mean_over_runs, places, template
from crosspath.study.table import COLUMNS, Row, cells, heading, signed_points
from crosspath.training.result import Result
from crosspath.training.run_folder import LOG

TEMPLATE = "study.html"
EXAMPLES = "examples"
"""Below a study's folder: JSON files of predictions that changed, see `crosspath.study.examples`."""
TITLES = {"scales": "λ", "strengths": "‖λW′‖/‖W‖", "likeness": "Cosine of W′ with its start"}
"""Of the maps by block and role."""
STRONGEST = 0.10
"""Of a difference: the fraction at which a cell of the matrix has its full colour."""


def write_study_report(
    path: Path,
    study: Study,
    read: Mapping[Comparison, Mapping[Cell, Sequence[Result]]],
    rows: Sequence[Row],
    summary: Mapping[str, Any],
) -> Path:
    """Write the report; returns its path. What it shows is what `rows`, the runs' logs and results say, no more."""
    results = [result for cells_of in read.values() for runs in cells_of.values() for result in runs]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(heading(row), []).append(row)
    sections = [
        {
            "title": title,
            "id": f"comparison-{number}",
            "rows": [cells(row) for row in groups[title]],
            "figures": _figures(path.parent, number, cells_of),
            "cost": _cost(cells_of),
        }
        for number, (title, cells_of) in enumerate(zip(groups, read.values(), strict=True))
    ]
    page = template(TEMPLATE).render(
        study=study,
        summary=summary,
        columns=COLUMNS,
        arms=[ARMS[name] for name in ARMS if any(row.arm == name for row in rows)],
        matrices=[matrix for arm in (PATHWAY.name, RANDOM.name) if (matrix := _matrix(rows, arm)) is not None],
        counts=_counts(rows),
        sections=sections,
        labels=_label_figures(rows),
        savings=summary["label_savings"],
        examples=[read_json(file) for file in sorted((path.parent / EXAMPLES).glob("*.json"))],
        seeds=study.seed_list,
        versions=results[0].environment["versions"],
        processor=results[0].environment["processor"],
        threads=results[0].environment["threads"],
        fingerprints=sorted({(result.recipe, str(result.data["fingerprint"])) for result in results}),
        hours=sum(result.duration_s for result in results) / 3600,
        runs=len(results),
        signed_points=signed_points,
    )
    write_text(path, page)
    return path


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """{arm: {verdict: how many}}."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.verdict is not None:
            verdicts = found.setdefault(row.arm, {"helps": 0, "no evidence": 0, "hurts": 0})
            verdicts[row.verdict] += 1
    return found


def _matrix(rows: Sequence[Row], arm: str) -> dict[str, Any] | None:
    """Auxiliaries across, targets down; None for fewer than two directions."""
    chosen = [row for row in rows if row.arm == arm and row.auxiliary is not None]
    across = sorted({str(row.auxiliary) for row in chosen}, key=_place)
    down = list(dict.fromkeys(heading(row) for row in chosen))
    if len(chosen) < 2:
        return None
    plain = {heading(row): row.mean for row in rows if row.arm == NONE.name}
    at = {(heading(row), row.auxiliary): _entry(row) for row in chosen}
    lines = [{"target": name, "none": plain[name], "cells": [at.get((name, aux)) for aux in across]} for name in down]
    return {"arm": arm, "across": across, "lines": lines}


def _place(recipe: str) -> tuple[int, str]:
    """Auxiliaries stand in the order of the table of modalities, others after them."""
    modality = recipe.partition("/")[0]
    return list(MODALITIES).index(modality) if modality in MODALITIES else len(MODALITIES), recipe


def _entry(row: Row) -> dict[str, Any]:
    share = max(-1.0, min(1.0, (row.difference or 0.0) / STRONGEST))
    interval = "" if row.low is None or row.high is None else f"{signed_points(row.low)} to {signed_points(row.high)}"
    return {
        "difference": signed_points(row.difference or 0.0),
        "interval": interval,
        "verdict": row.verdict,
        "share": round(100 * abs(share)),
        "sign": "up" if share >= 0 else "down",
        "title": row.reason,
    }


def _figures(
    folder: Path, number: int, cells_of: Mapping[Cell, Sequence[Result]]
) -> list[tuple[str, str, dict[str, str]]]:
    """(id, caption, {width: svg}) of each figure of one comparison."""
    losses, epochs = _curves(cells_of, _losses)
    readings, read = _curves(cells_of, _validation)
    connected = {_name(cell): runs for cell, runs in cells_of.items() if runs[0].scales}
    draw: list[tuple[str, str, Callable[[Width], str]]] = []
    if epochs:
        caption = "Training loss by epoch: mean over seeds, and one standard deviation around it."
        name = f"losses-{number}"
        draw.append((name, caption, partial(_drawn, training_losses, losses, epochs, name)))
    if len(read) > 1:
        caption = "Validation accuracy where it was read: an arm whose curve still rises was not trained to its end."
        name = f"validation-{number}"
        draw.append((name, caption, partial(_drawn, learning_curves, readings, read, name)))
    for what, caption in (
        ("scales", "λ at the end, by block and role; mean over seeds. Colour: how far it moved from its start."),
        ("strengths", "‖λW′‖/‖W‖ at the end, by block and role; mean over seeds."),
        ("likeness", "Cosine of W′ at the end with W′ at the start, by block and role; mean over seeds."),
    ):
        if connected and (what == "scales" or all(getattr(runs[0], what) for runs in connected.values())):
            draw.append((f"{what}-{number}", caption, _map_of(what, number, connected, cells_of)))
    return [(name, caption, {width.name: figure(width) for width in (WIDE, NARROW)}) for name, caption, figure in draw]


def _drawn(
    draw: Callable[..., str],
    curves: Mapping[str, Sequence[Sequence[float]]],
    at: Sequence[int],
    name: str,
    width: Width,
) -> str:
    """Several comparisons stand on one page: each drawing needs a name of its own."""
    return draw(curves, at, width, name=name)


def _map_of(
    what: str, number: int, connected: Mapping[str, Sequence[Result]], cells_of: Mapping[Cell, Sequence[Result]]
) -> Callable[[Width], str]:
    """λ or strength of the first arms that fit a page: three."""
    few = dict(list(connected.items())[:3])
    first = next(iter(few.values()))[0]
    blocks, roles = places(first.scales)
    panels = {}
    for name, runs in few.items():
        found = mean_over_runs([run.scales if what == "scales" else _listed(getattr(run, what)) for run in runs])
        panels[name] = [[found.get((block, role)) for role in roles] for block in blocks]
    start = 0.0
    if what == "scales":
        cell = next(cell for cell in cells_of if _name(cell) in few)
        start = cell.recipe(cell.rates[0], 0, search=False).pathway.scale_init
    title = f"{TITLES[what]} by block and role at the end"
    form = "{:+.3f}" if what == "scales" else "{:.2f}"
    return lambda width: scale_map(panels, blocks, roles, start, width, f"{what}-{number}", title, form)


def _listed(values: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    return {weight: {name: [value] for name, value in found.items()} for weight, found in values.items()}


def _name(cell: Cell) -> str:
    return cell.arm.name if cell.auxiliary is None else f"{cell.arm.name}, {cell.auxiliary}"


def _curves(
    cells_of: Mapping[Cell, Sequence[Result]], read: Callable[[Path], dict[int, float]]
) -> tuple[dict[str, list[list[float]]], list[int]]:
    """{arm: a curve a seed} over the epochs that all of them have, and those epochs."""
    found = {_name(cell): [read(Path(run.folder)) for run in runs] for cell, runs in cells_of.items()}
    epochs = sorted(set.intersection(*(set(curve) for curves in found.values() for curve in curves)))
    return {name: [[curve[epoch] for epoch in epochs] for curve in curves] for name, curves in found.items()}, epochs


def _validation(run: Path) -> dict[int, float]:
    """{epoch: validation accuracy} where it was read; empty where the log is gone."""
    return learning_curve(run) if (run / LOG).is_file() else {}


def _losses(run: Path) -> dict[int, float]:
    """{epoch: mean training loss} from a run's log; empty where the log is gone."""
    if not (run / LOG).is_file():
        return {}
    entries = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    return {entry["epoch"]: entry["train_loss"] for entry in entries if "train_loss" in entry}


def _cost(cells_of: Mapping[Cell, Sequence[Result]]) -> list[tuple[str, ...]]:
    """(arm, seconds a run, parameters that train, MiB of weights, gradients and AdamW's two moments, latency) of each
    cell; merged, all have the latency of `none`."""
    said: list[tuple[str, ...]] = []
    for cell, runs in cells_of.items():
        cost = runs[0].cost
        seconds = fmean(run.duration_s for run in runs)
        state = 4 * (cost["parameters"] + 3 * cost["trainable_parameters"]) / 2**20
        trained = f"{cost['trainable_parameters']:,}"
        said.append((_name(cell), f"{seconds:.0f}", trained, f"{state:.1f}", f"{cost['latency_ms']:.1f}"))
    return said


def _label_figures(rows: Sequence[Row]) -> list[tuple[str, dict[str, str]]]:
    """(target, {width: svg}) wherever one was tried with several numbers of labels."""
    curves: dict[str, dict[str, dict[int, tuple[float, ...]]]] = {}
    for row in rows:
        if row.labels_per_class is not None:
            name = row.arm if row.auxiliary is None else f"{row.arm}, {row.auxiliary}"
            title = row.target if row.variant is None else f"{row.target}, {row.variant}"
            curves.setdefault(title, {}).setdefault(name, {})[row.labels_per_class] = row.values
    return [
        (title, {width.name: label_curves(arms, width, f"labels-{number}") for width in (WIDE, NARROW)})
        for number, (title, arms) in enumerate(curves.items())
        if any(len(curve) > 1 for curve in arms.values())
    ]
