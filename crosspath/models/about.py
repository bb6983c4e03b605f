"""Where a model comes from: what it takes to save, share and describe it without its run folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosspath.config import Recipe


@dataclass(frozen=True, kw_only=True)
class About:
    """Set by `load_checkpoint` on a loaded model and by `build_model` on a new one."""

    recipe: Recipe
    classes: tuple[str, ...]
    """Names, in the order of the logits; numbers where there are no names."""
    auxiliaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{name: {"origin", "sha256", "recipe" where known}} of what is connected, or was merged into the weights."""
    receipt: Mapping[str, Any] | None = None
    """Of the merge that made these weights."""
    start: str | None = None
    """The checkpoint that its training started from, where the run recorded it."""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """{part: {metric: value}} that the run measured with these weights; empty where that is not certain."""
