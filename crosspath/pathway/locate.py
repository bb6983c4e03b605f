"""Find the layout of a source and, by it, every role of every block."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crosspath.layouts import LAYOUTS, Layout, Place, Role
from crosspath.pathway.errors import PathwayError
from crosspath.pathway.sources import Source

WRAPPED = ".base_layer."
"""Where peft keeps a layer that it gives an adapter: inside the adapter, under this name."""


@dataclass(frozen=True)
class Slot:
    """Rows [start, stop) of one named weight, and of the bias that goes with it."""

    weight: str
    start: int
    stop: int
    shape: tuple[int, ...]
    """Shape of these rows."""
    bias: str | None = None

    def __str__(self) -> str:
        return f"{self.weight}[{self.start}:{self.stop}]"


@dataclass(frozen=True)
class Anatomy:
    """One source by blocks and roles."""

    layout: Layout
    blocks: tuple[int, ...]
    slots: Mapping[tuple[int, Role], Slot]
    heads: Mapping[int, int]
    """Head count of each block that states one."""
    norm: str | None
    """`pre`, `post`, or None where the source does not state it."""
    prefix: str


def locate(source: Source) -> Anatomy | None:
    """The anatomy of a source, or None when no known layout fits it.

    Raises
    ------
    PathwayError
        When a layout fits at several places (an encoder and a decoder, the stages of a hierarchy).
    """
    shapes = dict(source.shapes())
    wrapped = {name.replace(WRAPPED, "."): name for name in shapes if WRAPPED in name}
    shapes |= {plain: shapes[name] for plain, name in wrapped.items()}
    fitting = [(layout, blocks) for layout in LAYOUTS if (blocks := _blocks(layout, shapes))]
    if not fitting:
        return None
    # Families share the name of their query: the table that knows most of a block is its own.
    layout, blocks = max(fitting, key=lambda entry: _known(entry[0], min(entry[1]), shapes))
    prefixes = sorted({prefix for prefix, _ in blocks})
    if len(prefixes) > 1:
        places = ", ".join(repr(prefix.rstrip(".") or "the model itself") for prefix in prefixes)
        raise PathwayError(
            f"{source.origin}: {layout.name} fits at several places ({places}); pass one of these submodules, "
            "or choose weights with names="
        )
    found = _anatomy(source, layout, prefixes[0], sorted(index for _, index in blocks), shapes)
    return replace(found, slots={key: _really_named(slot, wrapped) for key, slot in found.slots.items()})


def _really_named(slot: Slot, wrapped: Mapping[str, str]) -> Slot:
    """The slot under the name that its weight has inside an adapter."""
    return replace(slot, weight=wrapped.get(slot.weight, slot.weight), bias=wrapped.get(slot.bias or "", slot.bias))


def _known(layout: Layout, block: tuple[str, int], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many of the layout's weights a block has."""
    path = block_path(layout, *block)
    return sum(path + place.weight in shapes for place in layout.roles.values())


def block_path(layout: Layout, prefix: str, index: int) -> str:
    """The dotted name of a block, with a final dot; empty for a model that is itself the block."""
    return prefix if layout.block is None else f"{prefix}{layout.block}{index}."


def _blocks(layout: Layout, shapes: Mapping[str, tuple[int, ...]]) -> set[tuple[str, int]]:
    """(prefix, index) of every block that has the layout's query weight."""
    anchor = re.escape(layout.roles["query"].weight)
    if layout.block is None:
        return {("", 0)} if layout.roles["query"].weight in shapes else set()
    pattern = re.compile(rf"((?:.*\.)?){re.escape(layout.block)}(\d+)\.{anchor}")
    found = (pattern.fullmatch(name) for name in shapes)
    return {(match[1], int(match[2])) for match in found if match}


def _anatomy(
    source: Source, layout: Layout, prefix: str, indices: list[int], shapes: Mapping[str, tuple[int, ...]]
) -> Anatomy:
    slots: dict[tuple[int, Role], Slot] = {}
    heads: dict[int, int] = {}
    for index in indices:
        path = block_path(layout, prefix, index)
        for role, place in layout.roles.items():
            slot = _slot(place, path, shapes)
            if slot is not None:
                slots[index, role] = slot
        stated = source.stated(path + layout.heads)
        if isinstance(stated, int):
            heads[index] = stated
    norm: str | None = layout.norm
    if layout.norm not in ("pre", "post"):
        first = source.stated(block_path(layout, prefix, indices[0]) + layout.norm)
        norm = None if first is None else ("pre" if first else "post")
    return Anatomy(layout, tuple(indices), slots, heads, norm, prefix)


def _slot(place: Place, path: str, shapes: Mapping[str, tuple[int, ...]]) -> Slot | None:
    shape = shapes.get(path + place.weight)
    if shape is None or shape[0] % place.parts:
        return None
    rows = shape[0] // place.parts
    bias = path + place.bias if place.bias is not None and path + place.bias in shapes else None
    return Slot(path + place.weight, place.part * rows, (place.part + 1) * rows, (rows, *shape[1:]), bias)
