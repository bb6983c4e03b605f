"""What a model knows of itself: enough to be saved, shared and described without its run folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosspath.config import Recipe


@dataclass(frozen=True, kw_only=True)
class About:
    """Where a model comes from. A loaded model has it from its checkpoint, a fresh one from `build_model`."""

    recipe: Recipe
    classes: tuple[str, ...]
    """Names, in the order of the logits; numbers where nobody has named them."""
    auxiliaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{name: {"origin", "sha256", "recipe" where known}} of what is connected, or was merged into the weights."""
    receipt: Mapping[str, Any] | None = None
    """Of the merge that made these weights."""
    start: str | None = None
    """The checkpoint that its training started from, where the run says so."""
