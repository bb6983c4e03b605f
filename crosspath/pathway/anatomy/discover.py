"""The anatomy of a model that no table describes: roles by names and shapes, orders by the class of a module."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import nn

from crosspath.layouts import Layout, Order, Role
from crosspath.layouts.orders import (
    GATE_FIRST,
    GATE_LAST,
    LIBRARIES,
    ORDER_ATTRIBUTES,
    ORDERS_OF_CLASSES,
    ORDERS_OF_MODULES,
)
from crosspath.pathway.anatomy.anatomy import Ambiguity, Anatomy
from crosspath.pathway.anatomy.block_roles import Attention, BlockRoles, Mlp, find_roles
from crosspath.pathway.anatomy.shown_order import shown_order
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.structure import Shapes, Structure, list_of, matrices_in, non_matrices, weights_in
from crosspath.pathway.anatomy.weight_names import template
from crosspath.pathway.sources.heads import Heads
from crosspath.pathway.sources.source import Source
from crosspath.pathway.sources.transposed import transposed_weights

FUSED_ROLES: Mapping[str, tuple[Role, ...]] = {
    "qkv": ("query", "key", "value"),
    "kv": ("key", "value"),
    "qk": ("query", "key"),
}
"""{kind: roles, in this order} of the weights that hold several roles of an attention."""


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A block of a source, for the functions that read it."""

    source: Source
    path: str
    weights: Mapping[str, tuple[int, ...]]
    transposed: frozenset[str]
    """Weights that are stored as (inputs, outputs)."""
    roles: BlockRoles
    orders: dict[tuple[object, ...], Order | Literal["other"] | None] = field(default_factory=dict)
    """What attentions have shown of their orders, by list of blocks, class and weight; shared by all blocks."""

    def module(self, inside: str) -> object:
        """The module at a path inside the block; None in a state dict."""
        return self.source.attribute((self.path + inside).rstrip("."))

    def heads(self, attention: Attention) -> Heads | None:
        """The heads of an attention, where its module, or what its file states, tells them."""
        return self.source.heads(self.path, attention.path)


def discover(source: Source, structure: Structure, shapes: Shapes) -> Anatomy:
    """The anatomy of a source with this structure."""
    slots: dict[tuple[int, Role], Slot] = {}
    ambiguous: dict[tuple[int, Role], Ambiguity] = {}
    heads: dict[int, int] = {}
    orders: dict[tuple[object, ...], Order | Literal["other"] | None] = {}
    for index, path in enumerate(structure.blocks):
        weights = weights_in(path, structure.blocks, shapes)
        transposed = transposed_weights(source, path, weights)
        roles = find_roles(weights, transposed)
        place = _Place(source=source, path=path, weights=weights, transposed=transposed, roles=roles, orders=orders)
        for attention in place.roles.attentions:
            count = place.heads(attention)
            if count is not None and attention.branch == "":
                heads[index] = count.query
        for role, slot in _slots(place):
            if isinstance(slot, Ambiguity):
                ambiguous[index, role] = slot
            else:
                slots[index, role] = slot
    paths = dict(enumerate(structure.blocks))
    attending = (path for path in structure.blocks if path in structure.attending)
    lists = tuple(dict.fromkeys(list_of(path, structure.towers) for path in attending))
    return Anatomy(
        Layout(name=_name(source, structure), block=None, roles={}),
        tuple(paths),
        slots,
        ambiguous,
        heads,
        None,
        "",
        paths,
        non_matrices=non_matrices(paths, shapes),
        matrices=matrices_in(paths, shapes),
        lists=lists,
        others=structure.others,
        attending=frozenset(index for index, path in paths.items() if path in structure.attending),
    )


def _slots(place: _Place) -> Iterator[tuple[Role, Slot | Ambiguity]]:
    for attention in place.roles.attentions:
        yield from _attention_slots(place, attention)
    for mlp in place.roles.mlps:
        yield from _mlp_slots(place, mlp)
    for name in place.roles.others:
        yield name.removesuffix(".weight"), _slot(place, name)


def _attention_slots(place: _Place, attention: Attention) -> Iterator[tuple[Role, Slot | Ambiguity]]:
    for kind, name in attention.inputs.items():
        if kind not in FUSED_ROLES:
            yield _role(attention.branch, kind), _slot(place, name)
            continue
        yield from _fused_slots(place, attention, name, FUSED_ROLES[kind])
    if attention.output is not None:
        yield _role(attention.branch, "attention_output"), _slot(place, attention.output)


def _fused_slots(
    place: _Place, attention: Attention, name: str, roles: tuple[Role, ...]
) -> Iterator[tuple[Role, Slot | Ambiguity]]:
    """The shares of a fused weight: sizes from the head counts, their order from the attention's class."""
    total = place.roles.shapes[name][0]
    heads = place.heads(attention)
    order = _order(place, attention, name, heads if len(roles) == 3 else None)
    sizes = _sizes(place, attention, total, roles)
    if order is None or sizes is None or (order == "head-major" and (heads is None or sizes[0] % heads.query)):
        module = place.module(attention.path)
        kind = type(module) if isinstance(module, nn.Module) else None
        open_roles = tuple(_role(attention.branch, role) for role in roles)
        yield from _undecided_slots(place, name, open_roles, " and ".join(roles), kind)
        return
    groups, start = 1, 0
    if order == "head-major" and heads is not None:
        # Where several query heads share a key and a value, these stand together.
        groups = heads.query if len(set(sizes)) == 1 else heads.key_value
    elif order == "interleaved":
        groups = sizes[0]
    for role, size in zip(roles, sizes, strict=True):
        yield _role(attention.branch, role), _slot(place, name, start // groups, (start + size) // groups, groups, size)
        start += size


def _undecided_slots(
    place: _Place, name: str, roles: tuple[Role, ...], content: str, kind: type[nn.Module] | None
) -> Iterator[tuple[Role, Slot | Ambiguity]]:
    """A fused weight whose order nothing states: open roles, and the undivided weight under its own path."""
    whole = name.removesuffix(".weight")
    reason = f"{place.path}{name} {place.weights[name]} holds {content} in an order that nothing states"
    remedy = "pair it with a model of the same architecture, or describe the blocks with {side}_layout="
    yield from ((role, Ambiguity(reason, remedy, whole=whole, kind=kind)) for role in roles)
    yield whole, _slot(place, name)


def _sizes(place: _Place, attention: Attention, total: int, roles: tuple[Role, ...]) -> tuple[int, ...] | None:
    """How many rows each role has of a fused weight; None where that is not decided."""
    output = None if attention.output is None else place.roles.shapes[attention.output][1]
    heads, module = place.heads(attention), place.module(attention.path)
    equal = total // len(roles)
    if total % len(roles) == 0 and (output is None or equal == output or "value" not in roles):
        return (equal,) * len(roles)
    if heads is None:
        return None
    key, value = (getattr(module, name, None) for name in ("key_dim", "val_dim"))
    if isinstance(key, int) and isinstance(value, int):
        rows = {"query": heads.query * key, "key": heads.query * key, "value": heads.query * value}
        if sum(rows[role] for role in roles) == total:
            return tuple(rows[role] for role in roles)
    together = heads.query + 2 * heads.key_value
    if len(roles) == 3 and total % together == 0:
        width = total // together
        return (heads.query * width, heads.key_value * width, heads.key_value * width)
    return None


def _order(place: _Place, attention: Attention, name: str, heads: Heads | None) -> Order | None:
    """`heads`: None where the weight holds two roles only, or nothing states them."""
    if name.endswith("in_proj_weight"):
        return "three-major"  # torch's own
    module = place.module(attention.path)
    order = order_of_class(module)
    if order is not None or heads is None or not isinstance(module, nn.Module) or name in place.transposed:
        return order
    kind = (template(place.path), type(module), name, place.weights[name])
    if kind not in place.orders:
        inside = f"{attention.path}." if attention.path else ""
        reader = (attention.output or "").removesuffix(".weight")
        output = reader.removeprefix(inside) if reader.startswith(inside) and reader else None
        place.orders[kind] = shown_order(module, name.removeprefix(inside), output, heads.query)
    answer = place.orders[kind]
    return None if answer == "other" else answer


def order_of_class(module: object) -> Order | None:
    """The order of a fused weight of an attention, by its class and attributes; None for a class that is not listed."""
    for attribute, orders in ORDER_ATTRIBUTES.items() if type(module).__module__.partition(".")[0] in LIBRARIES else ():
        value = getattr(module, attribute, None)
        order = orders[0 if value else 1] if isinstance(value, bool) else None
        if order is not None:
            return order
    if type(module).__module__ in ORDERS_OF_MODULES:
        return ORDERS_OF_MODULES[type(module).__module__]
    return ORDERS_OF_CLASSES.get(_class(module))


def _mlp_slots(place: _Place, mlp: Mlp) -> Iterator[tuple[Role, Slot | Ambiguity]]:
    for role, name in mlp.weights.items():
        if role != "mlp_in" or not mlp.fused:
            yield _role(mlp.branch, role), _slot(place, name)
            continue
        half, gate_first = place.roles.shapes[name][0] // 2, _gate_first(place, mlp, name)
        if gate_first is None:
            module = place.module(mlp.path)
            kind = type(module) if isinstance(module, nn.Module) else None
            open_roles = tuple(_role(mlp.branch, half_role) for half_role in ("mlp_in", "mlp_gate"))
            yield from _undecided_slots(place, name, open_roles, "both inputs of a gated mlp", kind)
            continue
        for index, half_role in enumerate(("mlp_gate", "mlp_in") if gate_first else ("mlp_in", "mlp_gate")):
            yield _role(mlp.branch, half_role), _slot(place, name, index * half, (index + 1) * half, 1, half)


def _gate_first(place: _Place, mlp: Mlp, name: str) -> bool | None:
    module = place.module(mlp.path)
    last = getattr(module, GATE_LAST, None)
    if isinstance(last, bool):
        return not last
    return GATE_FIRST.get(_class(module), True if "gate_up" in name else None)


def _slot(
    place: _Place, name: str, start: int = 0, stop: int | None = None, groups: int = 1, rows: int | None = None
) -> Slot:
    """The slot of a weight, or of some of its rows, with its bias."""
    shape = place.roles.shapes[name]
    outputs = shape[0] if rows is None else rows
    stop = shape[0] if stop is None else stop
    slot = Slot(
        place.path + name,
        start,
        stop,
        (outputs, *shape[1:]),
        groups=groups,
        transposed=name in place.transposed,
    )
    bias = name.removesuffix("weight") + "bias" if name.endswith("weight") else f"{name}_bias"
    length = place.weights.get(bias, (0,))[0]
    if length != shape[0]:
        return slot
    return replace(slot, bias=Slot(place.path + bias, start, stop, (outputs,), groups=groups))


def _role(branch: str, role: Role) -> Role:
    return f"{branch}.{role}" if branch else role


def _class(module: object) -> str:
    return f"{type(module).__module__.partition('.')[0]}.{type(module).__name__}"


def _name(source: Source, structure: Structure) -> str:
    """What to call the anatomy: the classes of its blocks, or their names where there are no modules."""
    paths = [path for path in structure.blocks if path in structure.attending] or list(structure.blocks)
    modules = [source.attribute(path.rstrip(".")) for path in paths]
    names = dict.fromkeys(type(module).__name__ for module in modules if module is not None)
    lists = dict.fromkeys(template(path).rstrip(".") for path in paths)
    return ", ".join(names or lists) + " (discovered)"
