"""Recognise the layout of a source, and with it every role of every block."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import nn

from crosspath.errors import PathwayError
from crosspath.layouts import LAYOUTS, NORMS, ROLES, Layout, Norm, Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.apply_layout import Block, Match, find_blocks, read_block
from crosspath.pathway.anatomy.discover import discover, order_of_class
from crosspath.pathway.anatomy.layout_by_hand import check_by_hand
from crosspath.pathway.anatomy.meaning import with_meaning
from crosspath.pathway.anatomy.shown_gate import with_gates
from crosspath.pathway.anatomy.shown_order import shown_order
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.structure import (
    Shapes,
    Structure,
    find_structure,
    list_of,
    matrices_in,
    non_matrices,
    weights_in,
)
from crosspath.pathway.anatomy.weight_names import is_matrix, template
from crosspath.pathway.sources.source import ModuleSource, Source
from crosspath.pathway.sources.transposed import shows_transposed

ADAPTER = ".base_layer."
"""Where peft keeps a layer that has an adapter: inside the adapter, under this name."""


def locate(source: Source, layout: Layout | None = None) -> Anatomy | None:
    """The anatomy of a source; None where nothing looks like a block, or the layout that is named fits nowhere.

    Without a layout, the shipped table that explains every matrix of the blocks is used, else the structure itself.

    Raises
    ------
    PathwayError
        When a layout that is named fits at several places (an encoder and a decoder), or one by hand names what is not
        there.
    """
    shapes = dict(source.shapes())
    adapter_names = {name.replace(ADAPTER, "."): name for name in shapes if ADAPTER in name}
    adapters = tuple({name.partition(ADAPTER)[0] + "." for name in adapter_names.values()})
    plain = {name: shapes[inside] for name, inside in adapter_names.items()}
    shapes = plain | {name: shape for name, shape in shapes.items() if not (adapters and name.startswith(adapters))}
    structure = find_structure(shapes)
    if layout is not None:
        check_by_hand(layout, source, shapes, [path for _, _, path in sorted(find_blocks(layout, shapes))])
    table = _best_table(source, LAYOUTS if layout is None else (layout,), shapes)
    if table is not None:
        best, places = table
        if layout is not None:
            _one_place(source, best, places)
        blocks = [read_block(source, best, place, shapes) for place in places]
        anatomy = _read_table(source, best, blocks, shapes, structure)
        one = len({prefix for prefix, _, _ in places}) == 1
        if layout is not None or (one and _explains(anatomy, structure, source)):
            own = layout is not None and layout.name not in (table.name for table in LAYOUTS)
            placement = anatomy.norm if own else None  # a shipped table may not know the variant at hand
            unknown = layout is None and not isinstance(source, ModuleSource)
            anatomy = replace(anatomy, by_names=unknown)
            anatomy = with_gates(source, anatomy) if layout is None else anatomy
            return _in_adapters(with_meaning(source, anatomy, shapes, placement), adapter_names)
    if layout is not None or not structure.blocks:
        return None
    anatomy = with_meaning(source, with_gates(source, discover(source, structure, shapes)), shapes)
    return _in_adapters(anatomy, adapter_names)


def _best_table(source: Source, layouts: Iterable[Layout], shapes: Shapes) -> tuple[Layout, list[Match]] | None:
    """The table that explains most of a block, as families share the names of some weights; and where it fits."""
    candidates = []
    for candidate in layouts:
        places = sorted(find_blocks(candidate, shapes))
        if places:
            candidates.append((candidate, places, read_block(source, candidate, places[0], shapes).coverage))
    if not candidates:
        return None
    best, places, _ = max(candidates, key=lambda entry: entry[2])
    return best, places


def _one_place(source: Source, layout: Layout, places: list[Match]) -> None:
    prefixes = sorted({prefix for prefix, _, _ in places})
    if len(prefixes) > 1:
        several = ", ".join(repr(prefix.rstrip(".") or "the model itself") for prefix in prefixes)
        todo = "pass one of these submodules, or choose weights with names="
        raise PathwayError(source.origin, f"one place that {layout.name} fits", f"several places ({several})", todo)


def _explains(anatomy: Anatomy, structure: Structure, source: Source) -> bool:
    """Whether a table gives every matrix of its blocks its role, and no attention stands outside of them."""
    outside = {path for path in structure.attending if path not in anatomy.paths.values()}
    extras = [role for _, role in anatomy.slots if role not in ROLES]
    widths = [
        (anatomy.slots[index, "mlp_in"].shape[0], anatomy.slots[index, "mlp_out"].shape[1])
        for index in anatomy.blocks
        if {(index, "mlp_in"), (index, "mlp_out")} <= set(anatomy.slots)
    ]
    gates = any(inputs != outputs for inputs, outputs in widths)  # one weight holds both inputs of a gated mlp
    sizes = any(ambiguity.what == "size" for ambiguity in anatomy.ambiguous.values())
    several = len(anatomy.lists) > 1
    doubtful = outside or extras or gates or sizes or several
    return not doubtful and _orders_agree(anatomy, source) and _orientations_agree(anatomy, source)


def _orientations_agree(anatomy: Anatomy, source: Source) -> bool:
    """Whether the layers of classes other than torch's show that they hold their weights as the table says."""
    shapes = source.shapes()
    slots = {slot.weight: slot for slot in anatomy.slots.values()}
    return all(
        shows_transposed(source, name, shapes[name]) in (None, slot.transposed)
        for name, slot in slots.items()
        if name in shapes  # not inside an adapter
    )


def _orders_agree(anatomy: Anatomy, source: Source) -> bool:
    """Whether the attentions hold fused weights in the table's order, as far as known classes tell it, and others show
    it.
    """
    place = anatomy.layout.roles.get("query")
    if place is None or place.parts == 1:
        return True
    inside, _, name = place.weight.rpartition(".")
    inside, _, layer = inside.rpartition(".")
    output = anatomy.layout.roles["attention_output"].weight.removesuffix(".weight")
    reader = output.removeprefix(f"{inside}.") if output.startswith(f"{inside}.") else None
    agreement: dict[tuple[object, ...], bool] = {}
    for index, path in anatomy.paths.items():
        module = source.attribute(f"{path}{inside}".rstrip("."))
        kind = (template(path), type(module))
        if kind in agreement:
            continue
        order = order_of_class(module)
        heads = source.heads(path, inside)
        count = anatomy.heads.get(index) or (1 if heads is None else heads.query)
        if order is None and isinstance(module, nn.Module) and inside and not place.transposed:
            answer = shown_order(module, f"{layer}.{name}", reader, count)
            agreement[kind] = answer in (None, place.order) or (answer == "head-major" and count == 1)
        else:
            agreement[kind] = order in (None, place.order)
    return all(agreement.values())


def _read_table(source: Source, layout: Layout, blocks: list[Block], shapes: Shapes, structure: Structure) -> Anatomy:
    """The anatomy by a table; matrices of its blocks that have no role in it stand under their own path."""
    one_prefix = len({block.prefix for block in blocks}) == 1
    by_index = {
        block.numbers[0] if one_prefix and len(block.numbers) == 1 else i: block for i, block in enumerate(blocks)
    }
    paths = {index: block.path for index, block in by_index.items()}
    in_blocks = tuple(paths.values())
    slots: dict[tuple[int, Role], Slot] = {}
    for index, block in by_index.items():
        slots |= {(index, role): slot for role, slot in block.slots.items()}
        in_roles = {block.path + place.weight for place in layout.roles.values()}
        for name, shape in weights_in(block.path, paths.values(), shapes).items():
            if block.path + name not in in_roles and is_matrix(name, shape):
                slots[index, name.removesuffix(".weight")] = Slot(block.path + name, 0, shape[0], shape)
    norm: Norm | None = None
    if layout.norm in NORMS:
        norm = layout.norm
    elif layout.norm is not None and (first := source.attribute(blocks[0].path + layout.norm)) is not None:
        norm = "pre" if first else "post"
    return Anatomy(
        layout,
        tuple(by_index),
        slots,
        {(index, role): ambiguity for index, block in by_index.items() for role, ambiguity in block.ambiguous.items()},
        {index: block.heads for index, block in by_index.items() if block.heads is not None},
        norm,
        blocks[0].prefix,
        paths,
        non_matrices=non_matrices(paths, shapes),
        matrices=matrices_in(paths, shapes),
        lists=tuple(dict.fromkeys(list_of(path, structure.towers) for path in paths.values())),
        others={part: why for part, why in structure.others.items() if not f"{part}.".startswith(in_blocks)},
        attending=frozenset(paths),
    )


def _in_adapters(anatomy: Anatomy, adapter_names: Mapping[str, str]) -> Anatomy:
    """The same anatomy, with weights that are inside adapters under the names that they have there."""
    if not adapter_names:
        return anatomy
    return replace(anatomy, slots={key: _in_adapter(slot, adapter_names) for key, slot in anatomy.slots.items()})


def _in_adapter(slot: Slot, adapter_names: Mapping[str, str]) -> Slot:
    bias = None if slot.bias is None else _in_adapter(slot.bias, adapter_names)
    return replace(slot, weight=adapter_names.get(slot.weight, slot.weight), bias=bias)
