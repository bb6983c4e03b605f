"""The report of a demo: one HTML file that needs no network, made from the result files in its folder alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from crosspath.files import read_json, write_text
from crosspath.layouts import LAYOUTS, Layout
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.drawing import NARROW, WIDE, Width
from crosspath.study.figures import learning_curves, scale_map, seed_values
from crosspath.study.table import CAPTION, COLUMNS, cells, compare_arms, signed_points
from crosspath.training.result import Result, read_result
from crosspath.training.run_folder import LOG

if TYPE_CHECKING:
    from jinja2 import Template

SUMMARY = "demo.json"
REPORT = "report.html"
TEMPLATE = "report.html"
ROLE_WORDS = {
    "query": "q",
    "key": "k",
    "value": "v",
    "attention_output": "attention out",
    "mlp_in": "mlp in",
    "mlp_out": "mlp out",
}
MEANINGS = {arm.name: arm.meaning for arm in (NONE, PATHWAY, RANDOM)}


def write_report(folder: Path) -> Path:
    """Write `report.html` into a demo's folder from its `demo.json`, run folders and merge receipts; returns its path.

    Raises
    ------
    InputError
        When one of these files is missing or damaged.
    """
    summary = read_json(folder / SUMMARY)
    results = {arm: [read_result(folder / name) for name in names] for arm, names in summary["arms"].items()}
    auxiliaries = {row["arm"]: row["auxiliary"] for row in summary["rows"]}
    rows = compare_arms(results, auxiliaries)
    page = template(TEMPLATE).render(
        summary=summary,
        by_arm={row.arm: row for row in rows},
        columns=COLUMNS,
        cells=[cells(row) for row in rows],
        caption=CAPTION,
        signed_points=signed_points,
        meanings=[(arm, MEANINGS[arm]) for arm in results],
        figures=_figures(folder, summary, results),
        auxiliary=read_result(folder / "auxiliary"),
        first=results[NONE.name][0],
        connected=results[PATHWAY.name][0],
        merged=read_json(folder / summary["merged"][0] / "merge.json"),
        trained_parameters={arm: int(runs[0].cost["parameters"]) for arm, runs in results.items()},
        merged_parameters={PATHWAY.name: int(summary["equality"]["seeds"][0]["parameters_merged"])},
        seconds={arm: fmean(run.duration_s for run in runs) for arm, runs in results.items()},
        notes=sorted({note for runs in results.values() for run in runs for note in run.notes}),
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def template(name: str) -> "Template":
    """A page of this folder; a name that it uses and nobody gives is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("crosspath.study", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _figures(
    folder: Path, summary: Mapping[str, Any], results: Mapping[str, Sequence[Result]]
) -> dict[str, dict[str, str]]:
    """{figure: {width: svg}}."""
    logs = {arm: [learning_curve(folder / name) for name in names] for arm, names in summary["arms"].items()}
    curves = {arm: [list(log.values()) for log in runs] for arm, runs in logs.items()}
    epochs = list(logs[NONE.name][0])
    values = {arm: [run.metrics["test"]["accuracy"] for run in runs] for arm, runs in results.items()}
    maps = {arm: mean_scales(runs) for arm, runs in results.items() if runs[0].scales}
    blocks, roles = places(results[PATHWAY.name][0].scales)
    panels = {arm: [[found.get((b, r)) for r in roles] for b in blocks] for arm, found in maps.items()}
    draw: dict[str, Callable[[Width], str]] = {
        "curves": lambda width: learning_curves(curves, epochs, width),
        "seeds": lambda width: seed_values(values, summary["seeds"], width),
        "scales": lambda width: scale_map(panels, blocks, roles, summary["scale_init"], width),
    }
    return {name: {width.name: figure(width) for width in (WIDE, NARROW)} for name, figure in draw.items()}


def learning_curve(run: Path) -> dict[int, float]:
    """{epoch: validation accuracy} of each epoch that read it, from a run's log."""
    lines = (run / LOG).read_text(encoding="utf-8").splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry.get("validation")]
    return {entry["epoch"]: entry["validation"]["accuracy"] for entry in entries}


def mean_scales(runs: Sequence[Result]) -> dict[tuple[str, str], float]:
    """{(block, role): λ at the end}, the mean over seeds, auxiliaries and, where one weight has several λ, those."""
    return mean_over_runs([run.scales for run in runs])


def mean_over_runs(
    runs: Sequence[Mapping[str, Mapping[str, Sequence[float]]]],
) -> dict[tuple[str, str], float]:
    """{(block, role): mean} of {weight: {auxiliary: values}} of several runs."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        for weight, named in run.items():
            for values in named.values():
                found.setdefault(place_of(weight), []).extend(values)
    return {place: fmean(values) for place, values in found.items()}


def places(scales: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Blocks and roles in the order of the model's weights."""
    found = [place_of(weight) for weight in scales]
    return list(dict.fromkeys(block for block, _ in found)), list(dict.fromkeys(role for _, role in found))


def place_of(weight: str) -> tuple[str, str]:
    """(block number, role in words) of a weight; a weight that no layout knows stands under its own name."""
    for layout in LAYOUTS:
        roles = [role for role, place in layout.roles.items() if weight.endswith(f".{place.weight}")]
        if layout.block is not None and layout.block in weight and roles:
            return _block_number(layout, weight), ", ".join(ROLE_WORDS[role] for role in roles)
    return "", weight


def _block_number(layout: Layout, weight: str) -> str:
    assert layout.block is not None
    return weight.rpartition(layout.block)[2].partition(".")[0]
