"""The ways to start a pathway, by name: the settings of each, when it is meant, and what it gave where it was measured.

One table for recipes (`pathway.start`), `crosspath.connect(start=...)`, the command line (`--start`), studies and the
documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crosspath.errors import InputError, suggest


@dataclass(frozen=True, kw_only=True)
class PathwayStart:
    """One way to start. Each states all four settings, so that one start replaces another completely."""

    name: str
    scale_init: float
    """λ at the start."""
    shrink: float
    """What every W that gets a pathway is multiplied with, once, before it does."""
    train_auxiliary: bool
    """Whether W' trains."""
    auxiliary_lr: float | None
    """The learning rate of W'; None for that of its W."""
    meant_for: str
    """When it is meant."""
    gain: str
    """Accuracy against `none` in points, with the study; `docs/results.md` has the tables."""

    @property
    def settings(self) -> dict[str, Any]:
        """{dotted name in a recipe: value}."""
        return {place: getattr(self, name) for name, place in PLACES.items()}


PLACES: Mapping[str, str] = MappingProxyType(
    {
        "scale_init": "pathway.scale_init",
        "shrink": "pathway.shrink",
        "train_auxiliary": "pathway.train_auxiliary",
        "auxiliary_lr": "optimizer.auxiliary_lr",
    }
)
"""{setting of a start: its dotted name in a recipe}."""
SETTING = "pathway.start"
"""The dotted name of a start in a recipe."""

PAPER = PathwayStart(
    name="paper",
    scale_init=0.0,
    shrink=1.0,
    train_auxiliary=True,
    auxiliary_lr=None,
    meant_for="Reproducing the paper: the target's function is unchanged at first, and λ learns from 0. The default.",
    gain="nothing at small size: −0.6 and +2.1 for sounds from images, +0.1 for images from sounds "
    "(studies/settings.yaml; unsettled: ablations.yaml, ablations-images.yaml)",
)
WHOLE_BODY = PathwayStart(
    name="whole-body",
    scale_init=1.0,
    shrink=0.4,
    train_auxiliary=True,
    auxiliary_lr=1e-4,
    meant_for="A target from scratch with few labels, and an auxiliary trained on much data: it counts at full "
    "strength from the first step. It would spoil a pretrained target, whose W it shrinks.",
    gain="+27.9 for sounds from images, +2.9 for images from sounds (studies/fair-search.yaml; ablations.yaml "
    "has its settings one by one)",
)
FROZEN_ANCHOR = PathwayStart(
    name="frozen-anchor",
    scale_init=1.0,
    shrink=0.4,
    train_auxiliary=False,
    auxiliary_lr=None,
    meant_for="As whole-body, where memory is short: W′ stays as it is, λ and W learn around it, and the pathway adds "
    "half as much memory, or less (docs/benchmarks.md).",
    gain="+33.4 for sounds from images, +3.1 for images from sounds, where whole-body gave +32.9 and +3.4 "
    "(unsettled: studies/ablations.yaml, ablations-images.yaml)",
)
GENTLE = PathwayStart(
    name="gentle",
    scale_init=0.1,
    shrink=1.0,
    train_auxiliary=True,
    auxiliary_lr=1e-4,
    meant_for="A target that is pretrained on its own modality (`--from`): its W stays whole, and the pathway takes "
    "part from the first step.",
    gain="+0.7 and +0.0 in two directions (unsettled: studies/ablations-pretrained.yaml)",
)
STARTS: Mapping[str, PathwayStart] = MappingProxyType(
    {start.name: start for start in (PAPER, WHOLE_BODY, FROZEN_ANCHOR, GENTLE)}
)


def start_named(name: object, where: object = SETTING) -> PathwayStart:
    """The start of this name. Raises `InputError` for another, naming `where`."""
    start = STARTS.get(name) if isinstance(name, str) else None
    if start is None:
        todo = suggest(str(name), STARTS, "choose one of these")
        raise InputError(where, f"one of {', '.join(STARTS)}", repr(name), todo)
    return start


def describe_start(name: str, values: Mapping[str, Any]) -> str:
    """A start in one line, with what `values` holds, by the names of `PLACES`, instead of its own."""
    start = start_named(name)
    own = ", ".join(f"{key}={_text(getattr(start, key))}" for key in PLACES)
    changes = {key: values[key] for key in PLACES if key in values}
    others = [f"{key}={_text(value)}" for key, value in changes.items() if value != getattr(start, key)]
    return f"start {name}: {own}" + (f"; given instead: {', '.join(others)}" if others else "")


def starts_table() -> str:
    """The starts as a Markdown table, for the documents."""
    lines = [
        "| start | λ | W × | W′ trains | rate of W′ | meant for | measured, points against `none` |",
        "|" + "---|" * 7,
    ]
    for start in STARTS.values():
        rate = "that of W" if start.auxiliary_lr is None else f"{start.auxiliary_lr:g}"
        values = (
            f"`{start.name}`",
            f"{start.scale_init:g}",
            f"{start.shrink:g}",
            "yes" if start.train_auxiliary else "no",
        )
        lines.append(f"| {' | '.join((*values, rate, start.meant_for, start.gain))} |")
    return "\n".join(lines)


def _text(value: object) -> str:
    return "as W" if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower()
