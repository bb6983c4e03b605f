"""What the hand-written tables say of a whole model: its blocks, and which rows of which weight have a role."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from crosspath.pathway.anatomy.slot import Slot

ATTENTION = ("query", "key", "value", "attention_output")


@dataclass(frozen=True)
class Rows:
    """A role's rows of one weight, in the role's own order."""

    weight: str
    rows: tuple[int, ...]
    """Of a weight that is stored as (inputs, outputs), its columns."""


def roles_of_blocks(
    model: nn.Module, table: Mapping[str, str], heads: int, transposed: bool = False
) -> list[dict[str, Rows]]:
    """Per block, in the order in which the model holds them, each role of the table with its place.

    Parameters
    ----------
    table
        {weight name inside a block: role}, as in a `Configuration`; weights without a role of the block's own are left
        out.
    heads
        Heads of the queries.
    transposed
        Whether weights are stored as (inputs, outputs), as transformers' GPT-2 does.
    """
    names = {name: tuple(value.shape) for name, value in model.named_parameters()}
    table = {
        weight: entry.removesuffix(" or none")
        for weight, entry in table.items()
        if entry != "none" and not entry.startswith("another ")
    }
    prefixes = [
        {name.removesuffix(weight): None for name in names if name == weight or name.endswith(f".{weight}")}
        for weight in table
    ]
    blocks = [prefix for prefix in prefixes[0] if all(prefix in others for others in prefixes)]
    return [
        {
            role: Rows(f"{block}{weight}", rows)
            for weight, entry in table.items()
            for role, rows in _shares(
                entry, _outputs(names[f"{block}{weight}"], transposed), _width(names, block, table, transposed), heads
            ).items()
        }
        for block in blocks
    ]


def rows_of(slot: Slot, model: nn.Module) -> Rows:
    """The rows that a slot has, counted in its tensor."""
    outputs = model.get_parameter(slot.weight).shape[slot.axis]
    stretch = outputs // slot.groups
    rows = torch.arange(outputs).unflatten(0, (slot.groups, stretch))[:, slot.start : slot.stop]
    return Rows(slot.weight, tuple(rows.flatten().tolist()))


def _outputs(shape: tuple[int, ...], transposed: bool) -> int:
    return shape[1] if transposed else shape[0]


def _width(names: Mapping[str, tuple[int, ...]], block: str, table: Mapping[str, str], transposed: bool) -> int:
    """Features of all queries together: what the attention's output takes in."""
    for weight, entry in table.items():
        if entry == "attention_output":
            return names[f"{block}{weight}"][0 if transposed else 1]
    return 0


def _shares(entry: str, outputs: int, width: int, heads: int) -> dict[str, tuple[int, ...]]:
    """{role: its rows} of a weight with so many outputs; `width` of them are the queries', where it has queries."""
    order, _, text = entry.rpartition(" ")
    roles = text.split("+")
    if "query" in roles:
        rest = (outputs - width) // max(len(roles) - 1, 1)
        lengths = [width if role == "query" else rest for role in roles]
    else:
        lengths = [outputs // len(roles)] * len(roles)
    assert sum(lengths) == outputs, (entry, outputs, width)
    stretches = 1
    if order == "head-major":  # as many stretches as there are keys: of each its queries, its key, its value
        stretches = lengths[roles.index("key")] * heads // width
    elif order == "interleaved":
        stretches = lengths[0]
    else:
        assert not order, entry
    rows = torch.arange(outputs).unflatten(0, (stretches, -1))
    parts = rows.split([length // stretches for length in lengths], dim=1)
    return {role: tuple(part.flatten().tolist()) for role, part in zip(roles, parts, strict=True)}
