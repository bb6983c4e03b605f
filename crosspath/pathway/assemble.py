"""What one auxiliary supplies to one target tensor: which pieces, W' laid as the target stores it, and λ's shares."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from crosspath.pathway.combine import Spread
from crosspath.pathway.parameters import Holder, holders
from crosspath.pathway.report import MatchReport, Pair
from crosspath.pathway.slot import Slot, read_entries, write_parts
from crosspath.pathway.sources import Source

ScalePer = Literal["layer", "role", "head", "channel"]


@dataclass(frozen=True)
class Group:
    """All pieces of one target tensor that one auxiliary supplies, in the order of the target's rows."""

    holder: Holder
    pairs: tuple[Pair, ...]
    positions: tuple[int, ...]
    """Of each pair among those of the weight; a bias may hold fewer."""
    bias: bool

    @property
    def weight(self) -> str:
        """The target weight it belongs to."""
        return self.pairs[0].target.weight


def groups_of(target: nn.Module, report: MatchReport, bias: bool) -> Iterator[Group]:
    by_name = {holder.name: holder for holder in holders(target)}
    pieces: dict[str, list[Pair]] = {}
    for pair in report.pairs:
        pieces.setdefault(pair.target.weight, []).append(pair)
    for name, pairs in pieces.items():
        ordered = tuple(sorted(pairs, key=lambda pair: pair.target.start))
        yield Group(by_name[name], ordered, tuple(range(len(ordered))), bias=False)
        biases: dict[str, list[int]] = {}
        for index, pair in enumerate(ordered if bias else ()):
            if pair.target.bias is not None and pair.auxiliary.bias is not None:
                biases.setdefault(pair.target.bias.weight, []).append(index)
        for own, held in biases.items():
            yield Group(by_name[own], tuple(ordered[index] for index in held), tuple(held), bias=True)


def piece_of(slot: Slot, bias: bool) -> Slot:
    """The slot itself, or that of its bias."""
    if not bias:
        return slot
    assert slot.bias is not None
    return slot.bias


def copied(group: Group, source: Source) -> Tensor:
    """W' as the target stores it (its order of rows, its way round), in its type and on its device."""
    original = group.holder.original
    parts = []
    for pair in group.pairs:
        counterpart = piece_of(pair.auxiliary, group.bias)
        parts.append(read_entries(source.tensor(counterpart.weight), counterpart))
    own = piece_of(group.pairs[0].target, group.bias)
    shape = list(original.shape)
    shape[own.axis] = sum(map(len, parts))
    # One copy into fresh, aligned memory: a file's mapping or the auxiliary's own storage is never kept.
    values = torch.empty(shape, dtype=original.dtype, device=original.device)
    if not values.is_meta:
        write_parts(values, parts, own.axis, own.groups)
    return values


def spread_of(group: Group, values: Tensor, scale_per: ScalePer) -> tuple[Spread, int]:
    """How W' lies on W, and the number of λ."""
    slots = [piece_of(pair.target, group.bias) for pair in group.pairs]
    own, role, heads = slots[0], group.pairs[0].role, group.pairs[0].heads
    segments: list[tuple[int, int]] = []
    for slot in slots:
        if segments and segments[-1][1] == slot.start:
            segments[-1] = (segments[-1][0], slot.stop)
        else:
            segments.append((slot.start, slot.stop))
    axis, rows, repeats = own.axis, values.shape[own.axis], 1
    lengths = [slot.stop - slot.start for slot in slots]
    runs = [(0, 1, rows)]
    if scale_per == "channel":
        runs = [(0, rows, rows)]
    elif scale_per == "role":
        runs = [(index, index + 1, length) for index, length in zip(group.positions, lengths, strict=True)]
        repeats = own.groups
    elif scale_per == "head" and role is not None and not role.startswith("mlp"):
        assert heads is not None
        if role == "attention_output":
            axis = 1 - own.axis
            runs = [(0, heads, values.shape[axis])]
        elif own.groups > 1:  # each head's rows of all roles stand together
            runs = [(0, heads, rows)]
        else:
            runs = [(0, heads, length) for length in lengths]
    count = max(last for _, last, _ in runs)
    extent = group.holder.original.shape[own.axis]
    return Spread(tuple(segments), extent, axis, tuple(runs), own.axis, own.groups, repeats), count
