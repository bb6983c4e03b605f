"""The figures of a report: curves over epochs and labels, every seed's value, λ by block and role."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crosspath.study.drawing import (
    FAINT,
    INK,
    SERIES,
    Width,
    as_svg,
    empty_figure,
    grid_lines,
    legend_beside,
    pens,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 5
"""Curves that share one panel; where there are more, each has a panel of its own, beside the first."""

BLUE, WHITE, RED = (0.13, 0.40, 0.67), (0.96, 0.96, 0.96), (0.70, 0.09, 0.17)
"""Ends and middle of the diverging scale of the heat map."""


def learning_curves(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], width: Width, name: str = "curves"
) -> str:
    """Validation accuracy (fractions) after `epochs`, {arm: a curve a seed}: mean, and a band of one sd around it."""
    percent = {arm: [[100 * value for value in seed] for seed in seeds] for arm, seeds in curves.items()}
    title = "Validation accuracy per epoch"
    return _bands(percent, epochs, width, "validation accuracy, %", name, title)


def seed_values(values: Mapping[str, Sequence[float]], seeds: Sequence[int], width: Width) -> str:
    """Test accuracy (fractions) of each seed, {arm: one value a seed}; a line joins the arms of one seed."""
    with styled(width):
        figure, (axes,) = empty_figure(width, height=60 + 44 * len(values))
        arms = list(values)
        places = list(range(len(arms)))[::-1]
        for index, _ in enumerate(seeds):
            axes.plot([100 * values[arm][index] for arm in arms], places, color=FAINT, linewidth=1, zorder=1)
        for colour, arm, place in zip(SERIES, arms, places, strict=False):
            points = [100 * value for value in values[arm]]
            axes.scatter(points, [place] * len(points), color=colour, s=46, zorder=2)
            mean = sum(points) / len(points)
            axes.plot([mean, mean], [place - 0.3, place + 0.3], color=colour, linewidth=3, zorder=3)
        axes.set_yticks(places, arms)
        axes.set_ylim(-0.6, len(arms) - 0.4)
        axes.set_xlabel("test accuracy, %")
        grid_lines(axes, "x")
        return as_svg(figure, f"seeds-{width.name}", "Test accuracy of every seed and arm, with the mean of each arm")


def training_losses(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], width: Width, name: str = "losses"
) -> str:
    """Mean training loss of each epoch, {arm: a curve a seed}: mean, and a band of one sd around it."""
    return _bands(curves, epochs, width, "training loss", name, "Training loss per epoch")


def label_curves(curves: Mapping[str, Mapping[int, Sequence[float]]], width: Width, name: str = "labels") -> str:
    """Accuracy (fractions) against labels a class, {arm: {labels: one value a seed}}, on a logarithmic axis."""
    from statistics import fmean, stdev

    with styled(width):
        figure, (axes,) = empty_figure(width, height=320 + (14 * len(curves) if width.narrow else 0))
        ticks: set[int] = set()
        for (colour, dashes), (arm, curve) in zip(pens(), curves.items(), strict=False):
            labels = sorted(curve)
            ticks.update(labels)
            means = [100 * fmean(curve[count]) for count in labels]
            bars = [100 * stdev(curve[count]) if len(curve[count]) > 1 else 0.0 for count in labels]
            axes.errorbar(labels, means, bars, color=colour, ls=dashes, marker="o", capsize=3, linewidth=2, label=arm)
        axes.set_xscale("log")
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.minorticks_off()
        axes.set_xlabel("labels a class")
        axes.set_ylabel("accuracy, %")
        legend_beside(figure, width)
        grid_lines(axes, "y")
        return as_svg(figure, f"{name}-{width.name}", "Accuracy against the number of labels a class")


def _bands(
    curves: Mapping[str, Sequence[Sequence[float]]],
    epochs: Sequence[int],
    width: Width,
    axis: str,
    name: str,
    title: str,
) -> str:
    with styled(width):
        if len(curves) > FEW:
            figure = _panels(curves, epochs, width, axis)
        else:
            figure, (axes,) = empty_figure(width, height=340 + (14 * len(curves) if width.narrow else 0))
            for (colour, dashes), (arm, seeds) in zip(pens(), curves.items(), strict=False):
                _band(axes, seeds, epochs, colour, dashes, arm)
            axes.set_xlabel("epoch")
            axes.set_ylabel(axis)
            legend_beside(figure, width)
            grid_lines(axes, "y")
        return as_svg(figure, f"{name}-{width.name}", f"{title}, mean and standard deviation over seeds")


def _panels(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], width: Width, axis: str
) -> "Figure":
    """One panel a curve, on common axes, each with the first curve behind it."""
    (first, baseline), *others = curves.items()
    columns = 2 if width.narrow else 4
    rows = -(-len(others) // columns)
    figure, panels = empty_figure(width, 50 + 150 * rows, rows=rows, columns=columns, common_axes=True)
    for axes, (arm, seeds) in zip(panels, others, strict=False):
        _band(axes, baseline, epochs, SERIES[0], "--", first)
        _band(axes, seeds, epochs, SERIES[1], "-", arm)
        axes.set_title(arm, color=INK, fontsize=width.text)
        grid_lines(axes, "y")
    for index in range(len(others), len(panels)):
        panels[index].set_visible(False)
        panels[index - columns].tick_params(labelbottom=True)
    figure.supxlabel(f"epoch (dashed: {first})", color=INK, fontsize=width.text)
    figure.supylabel(axis, color=INK, fontsize=width.text)
    return figure


def _band(
    axes: "Axes", seeds: Sequence[Sequence[float]], epochs: Sequence[int], colour: str, dashes: str, label: str
) -> None:
    """The mean of a curve's seeds, and one standard deviation around it."""
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
    width: Width,
    name: str = "scales",
    title: str = "λ per block and role at the end; every λ started at {start:g}",
    number: str = "{:+.3f}",
) -> str:
    """λ at the end, {arm: rows of blocks, columns of roles}, coloured by how far it moved from `start`; `number` is how
    a value is written."""
    with styled(width):
        height = 70 + 26 * len(blocks)
        rows_of_panels, columns = (len(panels), 1) if width.narrow else (1, len(panels))
        figure, axes_of = empty_figure(width, height * rows_of_panels, rows=rows_of_panels, columns=columns)
        moved = [abs(value - start) for rows in panels.values() for row in rows for value in row if value is not None]
        furthest = max(moved, default=0.0) or 1.0
        for axes, (arm, rows) in zip(axes_of, panels.items(), strict=True):
            for down, row in enumerate(rows):
                for across, value in enumerate(row):
                    if value is not None:
                        _cell(axes, across, down, number.format(value), (value - start) / furthest)
            axes.set_xlim(0, len(roles))
            axes.set_ylim(len(blocks), 0)
            axes.set_xticks([place + 0.5 for place in range(len(roles))], roles)
            axes.set_yticks([place + 0.5 for place in range(len(blocks))], blocks)
            axes.set_title(arm, color=INK, fontsize=width.text + 1)
            axes.set_ylabel("block")
            axes.tick_params(length=0)
            for side in axes.spines.values():
                side.set_visible(False)
        return as_svg(figure, f"{name}-{width.name}", title.format(start=start))


def _cell(axes: "Axes", across: int, down: int, text: str, moved: float) -> None:
    """One λ: a rectangle coloured by `moved` in [-1, 1], and the number in black or white, whichever reads better."""
    from matplotlib.patches import Rectangle

    end = RED if moved > 0 else BLUE
    share = min(abs(moved), 1.0)
    colour = tuple(middle + share * (far - middle) for middle, far in zip(WHITE, end, strict=True))
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    axes.add_patch(Rectangle((across + 0.02, down + 0.04), 0.96, 0.92, facecolor=colour, linewidth=0))
    ink = "#111111" if luminance > 0.45 else "#ffffff"
    axes.text(across + 0.5, down + 0.5, text, ha="center", va="center", color=ink)
