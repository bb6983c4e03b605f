"""Every direction at once: targets by auxiliaries, as the figure that the report of a study begins with."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crosspath.metrics import METRICS
from crosspath.modalities import MODALITIES
from crosspath.study.arms import NONE
from crosspath.study.reports.drawing import HELPS, HURTS, PIXELS, TEXT, UNSURE, as_svg, figure_style, make_figure
from crosspath.study.reports.table import heading
from crosspath.study.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = 118
"""Width of the targets' names, in pixels."""
HEAD = 44
"""Height of the auxiliaries' names."""
CELL, SQUARE = 66, 44
"""Height of a cell, and the largest side of its square; the number stands below."""
COLOURS = {"helps": HELPS, "hurts": HURTS}


def draw_matrix(rows: Sequence[Row], arm: str, name: str, *, largest: float | None = None) -> str | None:
    """The differences of an arm from `none`: a square each, its area by the difference, its colour by the verdict; a
    dashed one where the search of the rate is unsettled.

    `largest` is the difference, in the unit of the metric, whose square fills its cell; default: that of this arm.
    None for fewer than two targets or two auxiliaries, which need no matrix.
    """
    entries = [row for row in rows if row.arm == arm and row.auxiliary is not None and row.difference is not None]
    targets = list(dict.fromkeys(heading(row) for row in sorted(entries, key=lambda row: place_of(row.target))))
    auxiliaries = auxiliaries_in(entries)
    if len(targets) < 2 or len(auxiliaries) < 2:
        return None
    plain = {heading(row): row for row in rows if row.arm == NONE.name}
    full = largest or largest_difference(entries)
    with figure_style():
        figure, (axes,) = make_figure(HEAD + CELL * len(targets))
        # Cells are placed by the pixel.
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, PIXELS)
        axes.set_ylim(HEAD + CELL * len(targets), 0)
        width = (PIXELS - NAMES) / len(auxiliaries)
        for across, auxiliary in enumerate(auxiliaries):
            _write_name(axes, NAMES + width * (across + 0.5), HEAD - 6, auxiliary, "bottom", "center")
        for down, target in enumerate(targets):
            middle = HEAD + CELL * (down + 0.5)
            below = f"none: {METRICS[plain[target].metric].text(plain[target].mean)}" if target in plain else ""
            _write_name(axes, 0, middle, target.replace(", ", "\n"), "center", "left", below)
            for across, auxiliary in enumerate(auxiliaries):
                place = NAMES + width * (across + 0.5), middle
                row = next((row for row in entries if (heading(row), row.auxiliary) == (target, auxiliary)), None)
                _draw_cell(axes, place, row, full)
        description = "; ".join(f"{heading(row)} {row.auxiliary} {_number(row)}" for row in entries)
        return as_svg(figure, name, f"Differences of {arm} from none. {description}")


def _number(row: Row) -> str:
    return METRICS[row.metric].signed_number(row.difference or 0.0)


def largest_difference(rows: Sequence[Row]) -> float:
    """The largest difference from `none` among rows, whatever its sign; 1 where all are zero."""
    return max((abs(row.difference or 0.0) for row in rows), default=0.0) or 1.0


def auxiliaries_in(rows: Sequence[Row]) -> list[str]:
    """The auxiliaries of rows, in the order of `place_of`."""
    return sorted({row.auxiliary for row in rows if row.auxiliary is not None}, key=place_of)


def place_of(recipe: str) -> tuple[int, str]:
    """Sorts recipes in the order of the modalities; others come last."""
    modality = recipe.partition("/")[0]
    return list(MODALITIES).index(modality) if modality in MODALITIES else len(MODALITIES), recipe


def _write_name(axes: "Axes", x: float, y: float, name: str, vertical: str, horizontal: str, below: str = "") -> None:
    """A recipe's name on two lines, and what stands below it."""
    text = name.replace("/", "/\n", 1) if horizontal == "center" else name
    axes.text(x, y - (8 if below else 0), text, va=vertical, ha=horizontal, fontsize=TEXT - 1, linespacing=1.1)
    if below:
        axes.text(x, y + 8 * text.count("\n") + 8, below, va="center", fontsize=TEXT - 1.5, color=UNSURE)


def _draw_cell(axes: "Axes", place: tuple[float, float], row: Row | None, full: float) -> None:
    """One direction; a dash where there is none."""
    from matplotlib.patches import Rectangle

    x, y = place
    if row is None or row.difference is None:
        axes.text(x, y - 9, "–", va="center", ha="center", color=UNSURE)
        return
    size = SQUARE * math.sqrt(min(1.0, abs(row.difference) / full))
    colour = COLOURS.get(str(row.verdict), UNSURE)
    evidence, dashes = row.verdict in COLOURS, ":" if row.unsettled else "-"
    corner = x - size / 2, y - 9 - size / 2
    axes.add_patch(Rectangle(corner, size, size, facecolor=colour, alpha=0.35 if evidence else 0.15, linewidth=0))
    axes.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=colour, linewidth=1.2, linestyle=dashes))
    weight = "bold" if evidence else "normal"
    axes.text(x, y + 23, _number(row), va="center", ha="center", fontweight=weight)
