"""Fit the blocks of two models: which maps every matrix of a pair of blocks gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from crosspath.layouts import Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.fitting.attention import AttentionShape, HeadMaps, head_maps
from crosspath.pathway.fitting.fit import Fit, FitError, PairFit
from crosspath.pathway.fitting.mlp import hidden_maps

READS: tuple[Role, ...] = ("query", "key", "value", "mlp_in", "mlp_gate")
"""Roles whose inputs are the residual stream."""
WRITES: tuple[Role, ...] = ("attention_output", "mlp_out")
"""Roles whose outputs are."""


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """What the axes of a block's matrices are."""

    stream: int
    """Channels of the residual stream."""
    attention: AttentionShape | None
    hidden: int | None
    """Channels inside the mlp."""


def block_shape(anatomy: Anatomy, block: int, *, with_heads: bool = True) -> BlockShape:
    """The shape of a block; without its heads where they do not matter.

    Raises
    ------
    FitError
        For a block whose matrices do not read and write one stream, or whose heads are not stated or not equally wide.
    """
    shapes = {role: slot.shape for (index, role), slot in anatomy.slots.items() if index == block}
    shapes = {role: shape for role, shape in shapes.items() if role in (*READS, *WRITES)}
    long = sorted(role for role, shape in shapes.items() if len(shape) != 2)
    if long:
        raise FitError(f"{', '.join(long)} of more than two axes")
    streams = {shape[1 if role in READS else 0] for role, shape in shapes.items()}
    if len(streams) != 1:
        widths = ", ".join(map(str, sorted(streams))) or "none"
        raise FitError(f"a residual stream of one width, found {widths}")
    hidden = {
        shapes[role][1 if role == "mlp_out" else 0] for role in ("mlp_in", "mlp_gate", "mlp_out") if role in shapes
    }
    if len(hidden) > 1:
        raise FitError(f"an mlp of one width, found {', '.join(map(str, sorted(hidden)))}")
    return BlockShape(
        stream=streams.pop(),
        attention=_attention_shape(anatomy, block, shapes) if with_heads else None,
        hidden=next(iter(hidden), None),
    )


def _attention_shape(anatomy: Anatomy, block: int, shapes: Mapping[Role, tuple[int, ...]]) -> AttentionShape | None:
    rows = {role: shapes[role][0] for role in ("query", "key", "value") if role in shapes}
    if not rows:
        return None
    if len(rows) < 3 or "attention_output" not in shapes:
        raise FitError("query, key, value and attention_output")
    heads = anatomy.heads.get(block)
    if heads is None:
        raise FitError("a head count, which nothing states")
    key_value_heads = anatomy.key_value_heads.get(block, heads)
    if (
        rows["query"] % heads
        or rows["key"] % key_value_heads
        or rows["value"] % key_value_heads
        or heads % key_value_heads
    ):
        raise FitError(f"heads of equal width, found {heads} and {key_value_heads} for {rows}")
    shape = AttentionShape(
        heads=heads,
        key_value_heads=key_value_heads,
        width=rows["query"] // heads,
        value_width=rows["value"] // key_value_heads,
    )
    if rows["key"] != key_value_heads * shape.width or shapes["attention_output"][1] != heads * shape.value_width:
        raise FitError(f"heads of one width, found {heads} and {key_value_heads} for {rows}")
    return shape


def fit_block(
    fit: Fit,
    ours: BlockShape,
    theirs: BlockShape,
    stream: Tensor | None,
    values: Callable[[], Mapping[Role, Tensor]],
) -> dict[Role, PairFit]:
    """The maps of every role of two blocks.

    Parameters
    ----------
    stream
        P of the residual stream (see stream.py).
    values
        The auxiliary's matrices of the block, read only where the maps follow from them.
    """
    attention = HeadMaps(repeat={}, channels={})
    if ours.attention is not None and theirs.attention is not None:
        attention = head_maps(fit, ours.attention, theirs.attention, values)
    entering, leaving = None, None
    if ours.hidden is not None and theirs.hidden is not None and ours.hidden != theirs.hidden:
        entering, leaving = hidden_maps(fit, ours.hidden, theirs.hidden, values)
    fits: dict[Role, PairFit] = {}
    for role in READS:
        outputs = entering if role.startswith("mlp") else attention.channels.get(role)
        fits[role] = PairFit(repeat=attention.repeat.get(role), outputs=outputs, inputs=stream)
    for role in WRITES:
        inputs = leaving if role.startswith("mlp") else attention.channels.get(role)
        fits[role] = PairFit(outputs=stream, inputs=inputs)
    return fits
