"""The figures of a report: curves over epochs and labels, λ by block and role."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crosspath.metrics import METRICS, Metric
from crosspath.study.reports.drawing import (
    INK,
    SERIES,
    TEXT,
    add_grid,
    add_legend,
    as_svg,
    figure_style,
    line_styles,
    make_figure,
    mark_whole_epochs,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES_PER_PANEL = 5
"""With more curves, each has its own panel, together with the first."""
COLUMNS = 2
"""Panels side by side."""
LEGEND_LINE = 16
"""Height of one line of a legend, in pixels."""

ORANGE, WHITE, BLUE = (0.76, 0.34, 0.05), (0.96, 0.96, 0.96), (0.13, 0.40, 0.67)
"""The ends and the middle of the scale of the heat map; neither is the colour of a verdict."""
FULL_CHANGE = 0.1
"""The change that has the full colour of the heat map, unless it holds a larger one."""


def learning_curves(
    curves: Mapping[str, Sequence[Sequence[float]]],
    epochs: Sequence[int],
    name: str = "curves",
    metric: Metric = METRICS["accuracy"],
) -> str:
    """A metric of the validation part by epoch, {arm: one curve per seed}: mean, and a band of one sd."""
    factor = 100 if metric.percent else 1
    scaled = {arm: [[factor * value for value in seed] for seed in seeds] for arm, seeds in curves.items()}
    return _bands(scaled, epochs, f"validation {metric.heading}", name, f"Validation {metric.title} by epoch")


def training_losses(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], name: str = "losses"
) -> str:
    """Training loss by epoch, {arm: one curve per seed}: mean, and a band of one sd."""
    return _bands(curves, epochs, "training loss", name, "Training loss by epoch")


def label_curves(
    curves: Mapping[str, Mapping[int, Sequence[float]]], name: str = "labels", metric: Metric = METRICS["accuracy"]
) -> str:
    """A metric by labels per class, {arm: {labels: one value per seed}}, on a logarithmic axis."""
    from statistics import fmean, stdev

    with figure_style():
        figure, (axes,) = make_figure(250 + LEGEND_LINE * len(curves))
        ticks: set[int] = set()
        for (colour, dashes), (arm, curve) in zip(line_styles(), curves.items(), strict=False):
            labels = sorted(curve)
            ticks.update(labels)
            factor = 100 if metric.percent else 1
            means = [factor * fmean(curve[count]) for count in labels]
            spreads = [factor * stdev(curve[count]) if len(curve[count]) > 1 else 0.0 for count in labels]
            axes.errorbar(
                labels, means, spreads, color=colour, ls=dashes, marker="o", capsize=3, linewidth=2, label=arm
            )
        axes.set_xscale("log")
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.minorticks_off()
        axes.set_xlabel("labels per class")
        axes.set_ylabel(metric.heading)
        add_legend(figure)
        add_grid(axes, "y")
        return as_svg(
            figure, f"{name}-figure", f"{metric.title[0].upper()}{metric.title[1:]} by the number of labels per class"
        )


def _bands(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], axis: str, name: str, title: str
) -> str:
    with figure_style():
        if len(curves) > CURVES_PER_PANEL:
            figure = _panels(curves, epochs, axis)
        else:
            figure, (axes,) = make_figure(250 + LEGEND_LINE * len(curves))
            for (colour, dashes), (arm, seeds) in zip(line_styles(), curves.items(), strict=False):
                _band(axes, seeds, epochs, colour, dashes, arm)
            axes.set_xlabel("epoch")
            axes.set_ylabel(axis)
            mark_whole_epochs(axes)
            add_legend(figure)
            add_grid(axes, "y")
        return as_svg(figure, f"{name}-figure", f"{title}, mean and standard deviation over seeds")


def _panels(curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], axis: str) -> "Figure":
    """One panel per curve, on common axes, each with the first curve behind it."""
    (first, baseline), *others = curves.items()
    rows = -(-len(others) // COLUMNS)
    figure, panels = make_figure(50 + 130 * rows, rows=rows, columns=COLUMNS, common_axes=True)
    for axes, (arm, seeds) in zip(panels, others, strict=False):
        _band(axes, baseline, epochs, SERIES[0], "--", first)
        _band(axes, seeds, epochs, SERIES[1], "-", arm)
        axes.set_title(arm, color=INK, fontsize=TEXT)
        mark_whole_epochs(axes)
        add_grid(axes, "y")
    for index in range(len(others), len(panels)):
        panels[index].set_visible(False)
        panels[index - COLUMNS].tick_params(labelbottom=True)
    figure.supxlabel(f"epoch (dashed: {first})", color=INK, fontsize=TEXT)
    figure.supylabel(axis, color=INK, fontsize=TEXT)
    return figure


def _band(
    axes: "Axes", seeds: Sequence[Sequence[float]], epochs: Sequence[int], colour: str, dashes: str, label: str
) -> None:
    """The mean of a curve over seeds, and one standard deviation around it."""
    import numpy as np

    values = np.asarray(seeds, dtype=float)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0]
    axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.16, linewidth=0)
    axes.plot(epochs, mean, color=colour, linestyle=dashes, linewidth=2, label=label)


def scale_map(
    panels: Mapping[str, Sequence[Sequence[float | None]]],
    blocks: Sequence[str],
    roles: Sequence[str],
    start: float,
    name: str = "scales",
    title: str = "λ by block and role at the end; every λ started at {start:g}",
    number: str = "{:+.3f}",
) -> str:
    """Final λ, {arm: rows of blocks, columns of roles}, coloured by its distance from `start`; `number` formats a
    value."""
    with figure_style():
        height = 70 + 26 * len(blocks)
        figure, axes_of_panels = make_figure(height * len(panels), rows=len(panels))
        changes = [abs(value - start) for rows in panels.values() for row in rows for value in row if value is not None]
        largest = max(FULL_CHANGE, *changes)
        for axes, (arm, rows) in zip(axes_of_panels, panels.items(), strict=True):
            for down, row in enumerate(rows):
                for across, value in enumerate(row):
                    if value is not None:
                        text = number.format(value)
                        if not text.strip("+-0."):  # what rounds to zero has no sign
                            text = text.lstrip("+-")
                        _cell(axes, across, down, text, (value - start) / largest)
            axes.set_xlim(0, len(roles))
            axes.set_ylim(len(blocks), 0)
            axes.set_xticks([index + 0.5 for index in range(len(roles))], roles)
            axes.set_yticks([index + 0.5 for index in range(len(blocks))], blocks)
            axes.set_title(arm, color=INK, fontsize=TEXT + 1)
            axes.set_ylabel("block")
            axes.tick_params(length=0)
            for side in axes.spines.values():
                side.set_visible(False)
        return as_svg(figure, f"{name}-figure", title.format(start=start))


def _cell(axes: "Axes", across: int, down: int, text: str, change: float) -> None:
    """One λ: a rectangle coloured by `change` in [-1, 1], and the number in black or white, whichever reads better."""
    from matplotlib.patches import Rectangle

    end = BLUE if change > 0 else ORANGE
    share = min(abs(change), 1.0)
    colour = tuple(middle + share * (far - middle) for middle, far in zip(WHITE, end, strict=True))
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    axes.add_patch(Rectangle((across + 0.02, down + 0.04), 0.96, 0.92, facecolor=colour, linewidth=0))
    ink = "#111111" if luminance > 0.45 else "#ffffff"
    axes.text(across + 0.5, down + 0.5, text, ha="center", va="center", color=ink)
