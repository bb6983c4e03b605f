"""The figures of a report as inline SVG: text stays text, colours are the page's own, every figure has a height.

Each is drawn twice, for a wide and for a narrow page, so that its text is readable on both.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 72.0
"""SVG points are pixels."""
INK, FAINT = "#a1000f", "#a1000e"
SERIES = tuple(f"#a1000{number}" for number in range(1, 10))
"""Stand-ins that are replaced by the page's colours, so that a figure follows its light or dark theme."""
VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
BLUE, WHITE, RED = (0.13, 0.40, 0.67), (0.96, 0.96, 0.96), (0.70, 0.09, 0.17)
"""Ends and middle of the diverging scale of the heat map."""


@dataclass(frozen=True)
class Width:
    """A page width to draw for, in pixels."""

    name: str
    pixels: int
    text: float

    @property
    def narrow(self) -> bool:
        """Whether panels are stacked and legends short."""
        return self.name == "narrow"


WIDE, NARROW = Width("wide", 860, 12.0), Width("narrow", 340, 11.0)


def learning_curves(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], width: Width, name: str = "curves"
) -> str:
    """Validation accuracy (fractions) after `epochs`, {arm: a curve a seed}: mean, and a band of one sd around it."""
    percent = {arm: [[100 * value for value in seed] for seed in seeds] for arm, seeds in curves.items()}
    title = "Validation accuracy per epoch"
    return _bands(percent, epochs, width, "validation accuracy, %", name, title)


def seed_values(values: Mapping[str, Sequence[float]], seeds: Sequence[int], width: Width) -> str:
    """Test accuracy (fractions) of each seed, {arm: one value a seed}; a line joins the arms of one seed."""
    with _style(width):
        figure, (axes,) = _figure(width, height=60 + 44 * len(values))
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
        _grid(axes, "x")
        return _svg(figure, f"seeds-{width.name}", "Test accuracy of every seed and arm, with the mean of each arm")


def training_losses(
    curves: Mapping[str, Sequence[Sequence[float]]], epochs: Sequence[int], width: Width, name: str = "losses"
) -> str:
    """Mean training loss of each epoch, {arm: a curve a seed}: mean, and a band of one sd around it."""
    return _bands(curves, epochs, width, "training loss", name, "Training loss per epoch")


def label_curves(curves: Mapping[str, Mapping[int, Sequence[float]]], width: Width, name: str = "labels") -> str:
    """Accuracy (fractions) against labels a class, {arm: {labels: one value a seed}}, on a logarithmic axis."""
    from statistics import fmean, stdev

    with _style(width):
        figure, (axes,) = _figure(width, height=320 + (14 * len(curves) if width.narrow else 0))
        ticks: set[int] = set()
        for (colour, dashes), (arm, curve) in zip(_pens(), curves.items(), strict=False):
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
        _legend(figure, width)
        _grid(axes, "y")
        return _svg(figure, f"{name}-{width.name}", "Accuracy against the number of labels a class")


def _bands(
    curves: Mapping[str, Sequence[Sequence[float]]],
    epochs: Sequence[int],
    width: Width,
    axis: str,
    name: str,
    title: str,
) -> str:
    import numpy as np

    with _style(width):
        figure, (axes,) = _figure(width, height=340 + (14 * len(curves) if width.narrow else 0))
        for (colour, dashes), (arm, seeds) in zip(_pens(), curves.items(), strict=False):
            values = np.asarray(seeds, dtype=float)
            mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0]
            axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.16, linewidth=0)
            axes.plot(epochs, mean, color=colour, linestyle=dashes, linewidth=2, label=arm)
        axes.set_xlabel("epoch")
        axes.set_ylabel(axis)
        _legend(figure, width)
        _grid(axes, "y")
        return _svg(figure, f"{name}-{width.name}", f"{title}, mean and standard deviation over seeds")


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
    with _style(width):
        height = 70 + 26 * len(blocks)
        rows_of_panels, columns = (len(panels), 1) if width.narrow else (1, len(panels))
        figure, axes_of = _figure(width, height * rows_of_panels, rows=rows_of_panels, columns=columns)
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
        return _svg(figure, f"{name}-{width.name}", title.format(start=start))


def _pens() -> Iterator[tuple[str, str]]:
    """(colour, line style) of one line after another: all colours solid, then dashed, then dotted."""
    return ((colour, dashes) for dashes in ("-", "--", ":") for colour in SERIES)


def _legend(figure: "Figure", width: Width) -> None:
    """Beside the curves where there is room, else below: never over them."""
    if width.narrow:
        figure.legend(frameon=False, loc="outside lower left", labelcolor=INK)
    else:
        figure.legend(frameon=False, loc="outside right upper", labelcolor=INK)


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


def _figure(width: Width, height: int, *, rows: int = 1, columns: int = 1) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=(width.pixels / DPI, height / DPI), dpi=DPI, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06)
    )
    figure.patch.set_alpha(0.0)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes_of = [axes for line in grid for axes in line]
    for axes in axes_of:
        axes.patch.set_alpha(0.0)
    return figure, axes_of


def _style(width: Width) -> AbstractContextManager[None]:
    """Text size and colours, inside the block only."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "font.size": width.text,
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )


def _grid(axes: "Axes", axis: str) -> None:
    axes.grid(axis=axis, color=FAINT, linewidth=0.6, alpha=0.5)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _svg(figure: "Figure", name: str, title: str) -> str:
    """The figure as one `<svg>` element: named ids, the page's colours and font, an accessible title."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several figures stand on one page: their ids must not meet.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace('xlink:href="#', f'xlink:href="#{name}-').replace("url(#", f"url(#{name}-")
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r"(font: [^;\"]*?\d+(?:\.\d+)?px) [^;\"]*", rf"\1 {FONT}", text)
    head, _, body = text.partition(">")
    head = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', head)
    return f'{head} role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{body}'.strip()
