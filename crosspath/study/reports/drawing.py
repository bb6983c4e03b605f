"""What the figures of a report share: one size, the page's colours and font, and the conversion to inline SVG.

Each figure is drawn once. Its text and lines take the colours of the page, light or dark, and it is scaled to the width
of the page: text is 15 px high on a desktop and 9 px at 400 px.
"""

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 72.0
"""SVG points are pixels."""
PIXELS, TEXT = 460, 11.5
"""Width of a figure and size of its text, in pixels, before it is scaled."""
INK, FAINT = "#a1000f", "#a1000e"
PAGE = "#a10010"
HELPS, HURTS, UNSURE = "#a1000d", "#a1000c", "#a1000b"
SERIES = tuple(f"#a1000{number}" for number in range(1, 10))
"""Placeholders, which `as_svg` replaces by the colour variables of the page."""
VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    PAGE: "var(--page)",
    HELPS: "var(--helps)",
    HURTS: "var(--hurts)",
    UNSURE: "var(--soft)",
} | {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)}
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


def line_styles() -> Iterator[tuple[str, str]]:
    """(colour, dashes) of successive lines: all colours solid, then dashed, then dotted."""
    return ((colour, dashes) for dashes in ("-", "--", ":") for colour in SERIES)


def make_figure(
    height: int, *, width: int = PIXELS, rows: int = 1, columns: int = 1, common_axes: bool = False
) -> tuple["Figure", list["Axes"]]:
    """A figure `height` pixels high, and its panels row by row; with common axes, only outer panels have numbers."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=(width / DPI, height / DPI), dpi=DPI, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06)
    )
    figure.patch.set_alpha(0.0)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=common_axes, sharey=common_axes)
    panels = [axes for row in grid for axes in row]
    for axes in panels:
        axes.patch.set_alpha(0.0)
    return figure, panels


def figure_style() -> AbstractContextManager[None]:
    """A context with the text size and the colours of the figures."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "font.size": TEXT,
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )


def add_legend(figure: "Figure") -> None:
    """A legend below the axes, where it covers no curve."""
    figure.legend(frameon=False, loc="outside lower left", labelcolor=INK)


def add_grid(axes: "Axes", axis: str) -> None:
    """Faint lines behind the data, across the named axis."""
    axes.grid(axis=axis, color=FAINT, linewidth=0.6, alpha=0.5)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def mark_whole_epochs(axes: "Axes") -> None:
    """Numbers below the axis at whole epochs only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))


def as_svg(figure: "Figure", name: str, title: str) -> str:
    """The figure as one `<svg>` element with the colours and the font of the page, ids that start with `name`, and
    `title` as its accessible name."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # A page has several figures: their ids must differ.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace('xlink:href="#', f'xlink:href="#{name}-').replace("url(#", f"url(#{name}-")
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r"(font: [^;\"]*?\d+(?:\.\d+)?px) [^;\"]*", rf"\1 {FONT}", text)
    head, _, body = text.partition(">")
    head = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', head)
    return f'{head} role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{body}'.strip()
