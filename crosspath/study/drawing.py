"""What every figure of a report shares: two page widths, the page's own colours and font, and the way to inline SVG.

Text stays text; each figure is drawn twice, for a wide and for a narrow page, so that its text is readable on both.
"""

import io
import re
from collections.abc import Iterator
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


def pens() -> Iterator[tuple[str, str]]:
    """(colour, line style) of one line after another: all colours solid, then dashed, then dotted."""
    return ((colour, dashes) for dashes in ("-", "--", ":") for colour in SERIES)


def legend_beside(figure: "Figure", width: Width) -> None:
    """Beside the curves where there is room, else below: never over them."""
    if width.narrow:
        figure.legend(frameon=False, loc="outside lower left", labelcolor=INK)
    else:
        figure.legend(frameon=False, loc="outside right upper", labelcolor=INK)


def empty_figure(
    width: Width, height: int, *, rows: int = 1, columns: int = 1, common_axes: bool = False
) -> tuple["Figure", list["Axes"]]:
    """A figure of a height in pixels, and its panels row by row; on common axes, numbers stand at the edges only."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=(width.pixels / DPI, height / DPI), dpi=DPI, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06)
    )
    figure.patch.set_alpha(0.0)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=common_axes, sharey=common_axes)
    axes_of = [axes for line in grid for axes in line]
    for axes in axes_of:
        axes.patch.set_alpha(0.0)
    return figure, axes_of


def styled(width: Width) -> AbstractContextManager[None]:
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


def grid_lines(axes: "Axes", axis: str) -> None:
    """Faint lines behind the data, across the axis named."""
    axes.grid(axis=axis, color=FAINT, linewidth=0.6, alpha=0.5)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def as_svg(figure: "Figure", name: str, title: str) -> str:
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
