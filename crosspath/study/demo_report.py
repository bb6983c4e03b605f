"""The report of a demo: one HTML file that needs no network, from the result files in its folder alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from crosspath.files import read_json, write_text
from crosspath.study.arms import NONE, PATHWAY, RANDOM
from crosspath.study.figures import learning_curves, scale_map, seed_values
from crosspath.study.report import blocks_and_roles, load_template, mean_scales, validation_curve
from crosspath.study.table import CAPTION, COLUMNS, cells, compare_arms, signed_points
from crosspath.training.result import Result, read_result

SUMMARY = "demo.json"
REPORT = "report.html"
TEMPLATE = "demo.html"
MEANINGS = {arm.name: arm.meaning for arm in (NONE, PATHWAY, RANDOM)}


def write_report(folder: Path) -> Path:
    """Write `report.html` into a demo's folder from its `demo.json`, run folders and merge receipts; return its path.

    Raises
    ------
    InputError
        For a missing or damaged file.
    """
    summary = read_json(folder / SUMMARY)
    results = {arm: [read_result(folder / name) for name in names] for arm, names in summary["arms"].items()}
    auxiliaries = {row["arm"]: row["auxiliary"] for row in summary["rows"]}
    rows = compare_arms(results, auxiliaries)
    page = load_template(TEMPLATE).render(
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


def _figures(folder: Path, summary: Mapping[str, Any], results: Mapping[str, Sequence[Result]]) -> dict[str, str]:
    """{figure: svg}."""
    logs = {arm: [validation_curve(folder / name) for name in names] for arm, names in summary["arms"].items()}
    curves = {arm: [list(log.values()) for log in runs] for arm, runs in logs.items()}
    accuracies = {arm: [run.metrics["test"]["accuracy"] for run in runs] for arm, runs in results.items()}
    means = {arm: mean_scales([run.scales for run in runs]) for arm, runs in results.items() if runs[0].scales}
    blocks, roles = blocks_and_roles(results[PATHWAY.name][0].scales)
    panels = {arm: [[mean.get((block, role)) for role in roles] for block in blocks] for arm, mean in means.items()}
    return {
        "curves": learning_curves(curves, list(logs[NONE.name][0])),
        "seeds": seed_values(accuracies, summary["seeds"]),
        "scales": scale_map(panels, blocks, roles, summary["scale_init"]),
    }
