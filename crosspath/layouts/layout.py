"""A layout: a table of where a family of models stores each role."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Role = str
"""One of `ROLES`; a second attention or mlp of a block prefixes them with its own name, as in `cross.query`."""
Order = Literal["three-major", "head-major", "interleaved"]
Norm = Literal["pre", "post", "res-post"]
"""Where a block normalises: what enters attention and mlp (`pre`), the sum of the residual stream and their output
(`post`), or their output before it is added (`res-post`)."""

ATTENTION_ROLES: tuple[Role, ...] = ("query", "key", "value", "attention_output")
MLP_ROLES: tuple[Role, ...] = ("mlp_in", "mlp_gate", "mlp_out")
"""Of a gated mlp, `mlp_gate` is the input that the activation acts on."""
ROLES: tuple[Role, ...] = ATTENTION_ROLES + MLP_ROLES
ORDERS: tuple[Order, ...] = get_args(Order)
NORMS: tuple[Norm, ...] = get_args(Norm)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a role is stored inside a block: a parameter, and which of `parts` equal shares of its rows."""

    weight: str
    """Parameter name, relative to the block."""
    bias: str | None = None
    """Name of its bias. A bias as long as all parts together is shared like the weight; one as long as the role's own
    rows belongs to the role alone."""
    part: int = 0
    parts: int = 1
    order: Order | None = "three-major"
    """The order of the parts' rows: `three-major` all of q, then k, then v; `head-major` q, k and v of the first head,
    then of the second; `interleaved` one row of q, one of k, one of v, and so on. None where the family's names do not
    determine it: the user then has to state it."""
    transposed: bool = False
    """Whether the weight is stored as (inputs, outputs): the rows are its columns."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One family of models."""

    name: str
    block: str | None
    """Name of a block up to its index, such as `blocks.`; None when the module itself is the one block."""
    stage: str | None = None
    """Name of a stage up to its index, such as `layers.`, for models that number the blocks of each stage from 0.
    Blocks are then numbered consecutively through all stages."""
    roles: Mapping[Role, Place]
    """The weight of the first role marks a block, unless `mark` names another one."""
    mark: str | None = None
    """A weight without a role that marks a block of this family."""
    absent: Mapping[Role, str] = field(default_factory=dict)
    """Roles that the family, or a part of it, does not have, and why: for messages about models that have them."""
    heads: str | int | None = None
    """Attribute path to the head count, relative to the block, or the count itself; None where nothing states it."""
    norm: Norm | str | None = None
    """Norm placement: `pre`, `post`, or the path of a bool attribute that is true for `pre`; None where it is unknown.
    """
    stem: tuple[str, ...] = ()
    """First name components of what comes before the blocks: layer 0 for a layer-wise learning rate."""
    post_stem: tuple[str, ...] = ()
    """The same of what comes before post-norm blocks, and after pre-norm ones."""


def fused_roles(
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


def split_roles(weights: Mapping[Role, tuple[str, str | None]], transposed: bool = False) -> dict[Role, Place]:
    """Roles that have a weight of their own: {role: (weight name, bias name)}."""
    return {role: Place(weight=weight, bias=bias, transposed=transposed) for role, (weight, bias) in weights.items()}
