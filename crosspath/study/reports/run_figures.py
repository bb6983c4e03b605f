"""The figures of one comparison, from the logs and results of its runs: losses, validation, λ by block and role."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from crosspath.metrics import METRICS, metric_of
from crosspath.study.cells import Cell
from crosspath.study.reports.figures import FULL_CHANGE, learning_curves, scale_map, training_losses
from crosspath.study.reports.pages import blocks_and_roles, loss_curve, mean_scales, validation_curve
from crosspath.training.result import Result

MAPS = {
    "scales": (
        "λ",
        "Final λ by block and role, mean over seeds. Blue has grown, orange shrunk. Full colour at the largest change, "
        f"or at {FULL_CHANGE:g} where all are smaller.",
    ),
    "strengths": ("‖λW′‖/‖W‖", "Final ‖λW′‖/‖W‖ by block and role, mean over seeds."),
    "likeness": (
        "Cosine of W′ with its start",
        "Cosine of the final W′ with the initial W′ by block and role, mean over seeds.",
    ),
}
"""{measure: (title, caption)} of the maps by block and role."""
PANELS = 3
"""Arms in one map."""


def draw_runs(number: int, cells_of: Mapping[Cell, Sequence[Result]]) -> list[tuple[str, str, str]]:
    """(id, caption, svg) of each figure of one comparison."""
    runs_of = {cell_name(cell): runs for cell, runs in cells_of.items()}
    figures = []
    losses, epochs = _on_common_epochs(
        {name: [loss_curve(Path(run.folder)) for run in runs] for name, runs in runs_of.items()}
    )
    if len(epochs) > 1:
        name = f"losses-{number}"
        caption = "Training loss by epoch: mean over seeds, with a band of one standard deviation."
        figures.append((name, caption, training_losses(losses, epochs, name)))
    scores, epochs = _on_common_epochs(
        {name: [validation_curve(Path(run.folder)) for run in runs] for name, runs in runs_of.items()}
    )
    if len(epochs) > 1:
        name = f"validation-{number}"
        metric = METRICS[metric_of(next(iter(runs_of.values()))[0].metrics["validation"])]
        moves = "rises" if metric.more_is_better else "falls"
        caption = f"Validation {metric.title} by epoch. An arm whose curve still {moves} has not converged."
        figures.append((name, caption, learning_curves(scores, epochs, name, metric)))
    with_pathways = {cell: runs for cell, runs in cells_of.items() if runs[0].scales}
    for measure, (_, caption) in MAPS.items():
        if with_pathways and (measure == "scales" or all(getattr(runs[0], measure) for runs in with_pathways.values())):
            name = f"{measure}-{number}"
            figures.append((name, caption, _map(measure, name, dict(list(with_pathways.items())[:PANELS]))))
    return figures


def _map(measure: str, name: str, cells_of: Mapping[Cell, Sequence[Result]]) -> str:
    """A measure by block and role, one panel per arm."""
    cell, runs = next(iter(cells_of.items()))
    blocks, roles = blocks_and_roles(runs[0].scales)
    panels = {}
    for other, results in cells_of.items():
        mean = mean_scales([run.scales if measure == "scales" else _as_lists(getattr(run, measure)) for run in results])
        panels[cell_name(other)] = [[mean.get((block, role)) for role in roles] for block in blocks]
    title = f"{MAPS[measure][0]} by block and role at the end"
    if measure != "scales":
        return scale_map(panels, blocks, roles, 0.0, name, title, "{:.2f}")
    start = cell.recipe(cell.grid.rates[0], 0, search=False).pathway.scale_init
    return scale_map(panels, blocks, roles, start, name, title)


def _as_lists(values: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    return {weight: {name: [value] for name, value in entry.items()} for weight, entry in values.items()}


def cell_name(cell: Cell) -> str:
    """What figures and tables call a cell."""
    return cell.arm.name if cell.auxiliary is None else f"{cell.arm.name}, {cell.auxiliary}"


def _on_common_epochs(
    curves: Mapping[str, Sequence[Mapping[int, float]]],
) -> tuple[dict[str, list[list[float]]], list[int]]:
    """The curves at the epochs that all of them have, and those epochs."""
    epochs = sorted(set.intersection(*(set(curve) for runs in curves.values() for curve in runs)))
    return {name: [[curve[epoch] for epoch in epochs] for curve in runs] for name, runs in curves.items()}, epochs
