"""What a layout is: a declarative table of where a family of models keeps each role. No logic."""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["query", "key", "value", "attention_output", "mlp_in", "mlp_out"]

ATTENTION_ROLES: tuple[Role, ...] = ("query", "key", "value", "attention_output")
MLP_ROLES: tuple[Role, ...] = ("mlp_in", "mlp_out")
ROLES: tuple[Role, ...] = ATTENTION_ROLES + MLP_ROLES


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a role lives inside a block: a parameter, and which of `parts` equal row slices of it."""

    weight: str
    """Parameter name, relative to the block."""
    bias: str | None = None
    """Name of the bias that goes with it; the same slice of it, when it exists."""
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One family of models."""

    name: str
    block: str | None
    """Name of a block up to its index, such as `blocks.`; None when the module itself is the one block."""
    roles: dict[Role, Place]
    heads: str
    """Attribute path to the head count, relative to the block."""
    norm: Literal["pre", "post"] | str
    """Where normalisation stands: `pre`, `post`, or the path of a bool attribute that is true for `pre`."""
    stem: tuple[str, ...] = field(default=())
    """First name components of what comes before the blocks: the earliest layer for a layer-wise learning rate."""


def fused(weight: str, bias: str | None) -> dict[Role, Place]:
    """Query, key and value as three equal row slices of one weight, in this order."""
    thirds: tuple[Role, ...] = ("query", "key", "value")
    return {role: Place(weight=weight, bias=bias, part=part, parts=3) for part, role in enumerate(thirds)}


def split(weights: dict[Role, tuple[str, str | None]]) -> dict[Role, Place]:
    """Roles that have a weight of their own: {role: (weight name, bias name)}."""
    return {role: Place(weight=weight, bias=bias) for role, (weight, bias) in weights.items()}
