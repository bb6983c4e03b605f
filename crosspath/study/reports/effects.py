"""Differences between arms as a reader meets them first: the banner with the answer, and the forest plot of the arms.

`Answer` is what a report, a console and `results.json` begin with; `render_banner` writes it as HTML for a page that
includes `style.html`, and `draw_forest` draws the intervals against zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from crosspath.metrics import METRICS
from crosspath.study.reports.drawing import (
    FAINT,
    HELPS,
    HURTS,
    INK,
    PAGE,
    TEXT,
    UNSURE,
    as_svg,
    figure_style,
    make_figure,
)
from crosspath.study.reports.pages import load_template
from crosspath.study.statistics import Verdict

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

COLOURS: Mapping[Verdict | None, str] = {"helps": HELPS, "hurts": HURTS}
"""Of verdicts with evidence; anything else is neutral, however large the difference."""
WIDTH = 340
"""Of a forest plot, in pixels: readable without scaling on a telephone."""
NAME_LETTERS = 31
"""Of one line of an effect's name; the numbers stand beside the first."""
LINE, BAR, GAP = 16, 16, 8
"""Heights in pixels: of a line of text, of an interval, and of the space below it."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One arm against the arm that it is compared with, in the unit of the metric: of accuracies 0.088 is 8.8
    percentage points."""

    name: str
    """What a reader calls it, such as `pathway from audio/esc10`."""
    difference: float
    low: float | None = None
    """The ends of the 95 % interval; None where there is none."""
    high: float | None = None
    verdict: Verdict | None = None
    """Decides the colour, whatever the size of the difference."""
    metric: str = "accuracy"

    @property
    def numbers(self) -> str:
        """In percentage points: `+8.8 (+5.1 to +12.5)`; or in the unit of the metric."""
        number = METRICS[self.metric].signed_number
        if self.low is None or self.high is None:
            return f"{number(self.difference)} (no interval)"
        return f"{number(self.difference)} ({number(self.low)} to {number(self.high)})"

    @property
    def factor(self) -> float:
        """Of what is drawn: 100 for percentages."""
        return 100.0 if METRICS[self.metric].percent else 1.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a comparison, for someone who reads nothing else."""

    verdict: Verdict
    sentence: str
    """One sentence with the numbers."""
    next_step: str
    """What to do now, as a sentence."""
    command: str | None = None
    """The command that does it."""
    effects: tuple[Effect, ...] = ()
    """What the sentence rests on."""
    headline: str | None = None
    """Stands in the place of the verdict, where one word does not answer; the verdict gives the colour."""

    def to_json(self) -> dict[str, Any]:
        """The answer as plain data."""
        return asdict(self)


def render_banner(answer: Answer, *, axis: str | None = None) -> "Markup":
    """The answer as one HTML element: verdict, sentence, its intervals against zero, what to do next.

    `axis` is that of `draw_forest`. All texts are escaped, and templates insert the element as it is. The page has to
    include `style.html`.
    """
    from markupsafe import Markup

    # Intervals of different metrics have no axis in common.
    alike = len({effect.metric for effect in answer.effects}) == 1
    forest = draw_forest(answer.effects, name="answer", axis=axis) if alike else None
    return Markup(load_template("banner.html").render(answer=answer, forest=forest))


def draw_forest(effects: Sequence[Effect], *, name: str = "forest", axis: str | None = None) -> str:
    """The forest plot as an inline SVG: for each effect its name, its numbers, and its interval against zero.

    Points are filled where there is evidence and hollow where there is none. `name` starts the ids of the drawing, and
    must differ between the drawings of a page; `axis` says what is drawn, the difference from none when not given. A
    `<figure class="forest">` keeps it at a readable size.
    """
    if axis is None:
        metric = METRICS[effects[0].metric]
        axis = f"difference from none, {'percentage points' if metric.percent else metric.title}"
    names = [wrap(effect.name, NAME_LETTERS, break_long_words=False) or [""] for effect in effects]
    heights = [LINE * len(lines) + BAR + GAP for lines in names]
    with figure_style():
        figure, (axes,) = make_figure(sum(heights) + 50, width=WIDTH)
        axes.set_ylim(sum(heights), 0)
        top = 0
        for effect, lines, height in zip(effects, names, heights, strict=True):
            colour = COLOURS.get(effect.verdict, UNSURE)
            beside = axes.get_yaxis_transform()
            for number, text in enumerate(lines):
                axes.text(0, top + LINE * number + 2, text, transform=beside, va="top")
            axes.text(1, top + 2, effect.numbers, transform=beside, va="top", ha="right", color=colour)
            middle = top + height - GAP - BAR / 2
            axes.plot([0, 0], [middle - BAR / 2, middle + BAR / 2], color=INK, linewidth=1.5)
            if effect.low is not None and effect.high is not None:
                axes.plot(
                    [effect.factor * effect.low, effect.factor * effect.high],
                    [middle, middle],
                    color=colour,
                    linewidth=3,
                )
            face = colour if effect.verdict in COLOURS else PAGE
            axes.scatter(
                [effect.factor * effect.difference], [middle], s=50, facecolor=face, edgecolor=colour, zorder=3
            )
            top += height
        _limit(axes, effects)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis)
        axes.grid(axis="x", color=FAINT, linewidth=0.6, alpha=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=TEXT - 1)
        description = "; ".join(f"{effect.name}: {effect.numbers}" for effect in effects)
        return as_svg(figure, f"{name}-figure", f"{axis}. {description}")


def _limit(axes: "Axes", effects: Sequence[Effect]) -> None:
    """Limits that hold zero and every interval, with some room."""
    ends = [
        effect.factor * end
        for effect in effects
        for end in (effect.low, effect.difference, effect.high)
        if end is not None
    ]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.06 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
