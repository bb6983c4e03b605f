"""What a layout is: a declarative table of where a family of models keeps each role. No logic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["query", "key", "value", "attention_output", "mlp_in", "mlp_out"]
Order = Literal["three-major", "head-major", "interleaved"]

ATTENTION_ROLES: tuple[Role, ...] = ("query", "key", "value", "attention_output")
MLP_ROLES: tuple[Role, ...] = ("mlp_in", "mlp_out")
ROLES: tuple[Role, ...] = ATTENTION_ROLES + MLP_ROLES
ORDERS: tuple[Order, ...] = ("three-major", "head-major", "interleaved")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a role lives inside a block: a parameter, and which of `parts` equal shares of its rows."""

    weight: str
    """Parameter name, relative to the block."""
    bias: str | None = None
    """Name of the bias that goes with it. Of one as long as all parts together the role has the same share as of the
    weight; one as long as the role's own rows is the role's alone."""
    part: int = 0
    parts: int = 1
    order: Order | None = "three-major"
    """How the rows of the parts follow one another: `three-major` all of q, then k, then v; `head-major` q, k and v of
    the first head, then of the second; `interleaved` one row of q, one of k, one of v, and so on. None where the
    family's names do not tell it: then it has to be stated."""
    transposed: bool = False
    """Whether the weight is stored as (inputs, outputs): the rows are its columns."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One family of models."""

    name: str
    block: str | None
    """Name of a block up to its index, such as `blocks.`; None when the module itself is the one block."""
    stage: str | None = None
    """Name of a stage up to its index, such as `layers.`, where blocks stand in stages that count them anew. Blocks are
    then numbered through all stages."""
    roles: Mapping[Role, Place]
    """A block is known by the first of them, unless `mark` says otherwise."""
    mark: str | None = None
    """A weight without a role by which a block of this family is known."""
    absent: Mapping[Role, str] = field(default_factory=dict)
    """Roles that the family, or a part of it, does not have, and why: said where the other side has them."""
    heads: str | int | None = None
    """Attribute path to the head count, relative to the block, or the count itself; None where nothing states it."""
    norm: Literal["pre", "post"] | str | None = None
    """Where normalisation stands: `pre`, `post`, or the path of a bool attribute that is true for `pre`; None where it
    is not known."""
    stem: tuple[str, ...] = ()
    """First name components of what comes before the blocks: the earliest layer for a layer-wise learning rate."""


def fused(
    weight: str,
    bias: str | tuple[str | None, str | None, str | None] | None,
    order: Order | None = "three-major",
    transposed: bool = False,
) -> dict[Role, Place]:
    """Query, key and value as three equal shares of one weight; one bias for all three, or one for each."""
    biases = bias if isinstance(bias, tuple) else (bias,) * 3
    thirds: tuple[Role, ...] = ("query", "key", "value")
    return {
        role: Place(weight=weight, bias=biases[part], part=part, parts=3, order=order, transposed=transposed)
        for part, role in enumerate(thirds)
    }


def split(weights: Mapping[Role, tuple[str, str | None]], transposed: bool = False) -> dict[Role, Place]:
    """Roles that have a weight of their own: {role: (weight name, bias name)}."""
    return {role: Place(weight=weight, bias=bias, transposed=transposed) for role, (weight, bias) in weights.items()}
