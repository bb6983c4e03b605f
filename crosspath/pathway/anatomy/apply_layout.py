"""Where a layout's table finds its roles in a source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from crosspath.layouts import Layout, Place, Role
from crosspath.pathway.anatomy.anatomy import Ambiguity
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.structure import Shapes
from crosspath.pathway.anatomy.weight_names import without_kernel
from crosspath.pathway.sources.source import Source

Match = tuple[str, tuple[int, ...], str]
"""(prefix, numbers, path) of a block: what comes before the layout's own names, its index (or that of its stage and its
own in it), and its dotted name with a final dot."""


@dataclass(frozen=True)
class Block:
    """One block: its place, its roles and, where the source states it, its head count."""

    prefix: str
    """What comes before the layout's own names."""
    numbers: tuple[int, ...]
    """Its index, or that of its stage and its own in it; empty for a model that is itself the block."""
    path: str
    """Dotted name with a final dot; empty for a model that is itself the block."""
    slots: Mapping[Role, Slot]
    ambiguous: Mapping[Role, Ambiguity]
    heads: int | None

    @property
    def coverage(self) -> int:
        """How much of it the layout explains: 2 for a weight, 1 more for its bias, 1 for an ambiguous weight."""
        return sum(2 if slot.bias is None else 3 for slot in self.slots.values()) + len(self.ambiguous)


def find_blocks(layout: Layout, shapes: Shapes) -> Iterator[Match]:
    """Every block: every place that has the weight that marks the family."""
    anchor = layout.mark or next(iter(layout.roles.values())).weight
    if layout.block is None:
        if anchor in shapes:
            yield "", (), ""
        return
    stage = "" if layout.stage is None else rf"{re.escape(layout.stage)}(\d+)\."
    pattern = re.compile(rf"(((?:.*\.)?){stage}{re.escape(layout.block)}(\d+)\.){re.escape(anchor)}")
    for name in shapes:
        match = pattern.fullmatch(name)
        if match:
            path, prefix, *numbers = match.groups()
            yield prefix, tuple(map(int, numbers)), path


def read_block(source: Source, layout: Layout, place: Match, shapes: Shapes) -> Block:
    """The roles of a block."""
    prefix, numbers, path = place
    heads = source.attribute(path + layout.heads) if isinstance(layout.heads, str) else layout.heads
    heads = heads if isinstance(heads, int) else None
    output = layout.roles.get("attention_output")
    shape = None if output is None or output.parts > 1 else shapes.get(path + output.weight)
    inputs = None if shape is None or output is None else shape[0 if output.transposed else 1]
    results = {role: _slot(layout, place, path, shapes, heads, inputs) for role, place in layout.roles.items()}
    slots = {role: slot for role, slot in results.items() if isinstance(slot, Slot)}
    ambiguous = {role: slot for role, slot in results.items() if isinstance(slot, Ambiguity)}
    return Block(prefix, numbers, path, slots, ambiguous, heads)


def _slot(
    layout: Layout, place: Place, path: str, shapes: Shapes, heads: int | None, inputs: int | None
) -> Slot | Ambiguity | None:
    """Where a role is; None where its weight does not exist, or is empty. `inputs`: those of the attention output."""
    stored_shape = shapes.get(path + place.weight)
    if stored_shape is None or 0 in stored_shape:
        return None
    shape = stored_shape if not place.transposed else (stored_shape[1], stored_shape[0], *stored_shape[2:])
    shape = without_kernel(shape)
    rows, rest = divmod(shape[0], place.parts)
    what = f"{place.weight} {stored_shape}"
    if rest or (place.parts > 1 and inputs is not None and rows != inputs):
        return Ambiguity(
            f"{what} is not {place.parts} shares of equal size, each as wide as the attention output reads",
            "leave the role out with roles=, or describe the model with a Layout of its own",
            what="size",
        )
    groups = _groups(layout, place, what, rows, heads)
    if isinstance(groups, Ambiguity):
        return groups
    own = Slot(
        path + place.weight,
        place.part * rows // groups,
        (place.part + 1) * rows // groups,
        (rows, *shape[1:]),
        groups=groups,
        transposed=place.transposed,
    )
    length = shapes.get(path + place.bias, (0,))[0] if place.bias is not None else 0
    bias = f"{path}{place.bias}"
    if length == rows * place.parts:
        return replace(own, bias=Slot(bias, own.start, own.stop, (rows,), groups=groups))
    return replace(own, bias=Slot(bias, 0, rows, (rows,))) if length == rows else own


def _groups(layout: Layout, place: Place, what: str, rows: int, heads: int | None) -> int | Ambiguity:
    """The number of stretches in which each part of a fused weight lies."""
    if place.parts == 1 or place.order == "three-major":
        return 1
    if place.order is None:
        return Ambiguity(
            f"{what} holds {place.parts} roles, and {layout.name} does not state in which order",
            f"state it with {{side}}_layout=crosspath.layout_named({layout.name!r}, order=..., heads=...), the order "
            "being three-major, head-major or interleaved; or with order= in the Places of a Layout of your own",
        )
    if place.order == "interleaved":
        return rows
    if heads is None:
        return Ambiguity(
            f"{what} holds {place.parts} roles head by head, and nothing states the head count",
            f"state it with {{side}}_layout=crosspath.layout_named({layout.name!r}, heads=...), or with heads= in a "
            "Layout of your own",
        )
    if heads < 1 or rows % heads:
        return Ambiguity(
            f"{what} holds {place.parts} roles of {rows} rows head by head, which {heads} heads cannot share",
            "state the right head count with heads= in the layout",
        )
    return heads
