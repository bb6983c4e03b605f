"""Gates of mlps of which names alone say which input the activation acts on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from crosspath.layouts import Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.pairing.differences import ranges_of
from crosspath.pathway.pairing.selection import Selection


def with_gates_of(anatomy: Anatomy, other: Anatomy, block_pairs: Sequence[tuple[int, int]]) -> Anatomy:
    """The anatomy, with gates that its modules do not show where the other model has those of the same names, if both
    may be of one class: a state dict beside a module.
    """
    slots, by_names = dict(anatomy.slots), dict(anatomy.gates_by_names)
    for own, its in block_pairs:
        for gate in [role for index, role in by_names if index == own]:
            names, others = _inputs(anatomy, own, gate), _inputs(other, its, gate)
            if names not in (others, others[::-1]):
                continue
            kind, certain = by_names[own, gate], (its, gate) not in other.gates_by_names
            if kind is not None and (certain or other.gates_by_names[its, gate] not in (None, kind)):
                continue
            if certain and names != others:
                factor = _factor(gate)
                slots[own, gate], slots[own, factor] = slots[own, factor], slots[own, gate]
            del by_names[own, gate]
    return replace(anatomy, slots=slots, gates_by_names=by_names)


def unverified_gates(
    target: Anatomy, auxiliary: Anatomy, block_pairs: Sequence[tuple[int, int]], selection: Selection
) -> Iterator[str]:
    """The chosen gates that names alone tell."""
    for side, anatomy, blocks in (
        ("target", target, {ours for ours, _ in block_pairs}),
        ("auxiliary", auxiliary, {theirs for _, theirs in block_pairs}),
    ):
        gates = anatomy.gates_by_names
        open_blocks = {block for block, gate in gates if selection.includes(gate) or selection.includes(_factor(gate))}
        if open_blocks & blocks:
            yield f"gate of the mlp in the {side}'s block {ranges_of(open_blocks & blocks)}: by names alone"


def _inputs(anatomy: Anatomy, block: int, gate: Role) -> list[tuple[str, int]]:
    """The name, inside a block, and the first row of both inputs of a gated mlp."""
    slots = [slot for role in (gate, _factor(gate)) if (slot := anatomy.slots.get((block, role))) is not None]
    return [(slot.weight.removeprefix(anatomy.paths[block]), slot.start) for slot in slots]


def _factor(gate: Role) -> Role:
    return gate.removesuffix("gate") + "in"
