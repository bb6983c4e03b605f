"""Builds what a plan describes (W', λ, and how they lie on W) and attaches it to the target.

Everything is built before the first module is touched: an error leaves the target as it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_file, sha256_of_tensors
from crosspath.pathway.anatomy.slot import read_entries, scale_entries, write_parts
from crosspath.pathway.derivation import Derivation, Entries, Sides
from crosspath.pathway.engines.engine import Engine, attach
from crosspath.pathway.engines.learned_pair import LearnedPair
from crosspath.pathway.engines.overlay import Overlay, join_ranges
from crosspath.pathway.finite import all_finite
from crosspath.pathway.fitting.model import FitStep
from crosspath.pathway.options import ScalePer
from crosspath.pathway.origins import Origin
from crosspath.pathway.plan import Plan, TensorPlan
from crosspath.pathway.records import Records, StepRecord
from crosspath.pathway.report import Pair
from crosspath.pathway.sources.parameters import Holder
from crosspath.pathway.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """What one auxiliary adds to one target tensor."""

    holder: Holder
    name: str
    """The auxiliary's."""
    values: nn.Parameter
    """W'."""
    scale: nn.Parameter | str
    """λ, or the target weight whose λ a bias borrows."""
    overlay: Overlay
    pieces: tuple[str, ...]
    """The auxiliary's weights that W' was cut from, such as `blocks.0.attn.qkv.weight[0:192]`."""
    learned_pair: LearnedPair | None = None
    """P and Q, where W' is in the auxiliary's shape."""
    records: Records = ()
    """What was done to each piece; empty where W' is the auxiliary's as it is."""


def attach_all(attachments: Iterable[Attachment], engine: Engine) -> None:
    """Attach everything to the target."""
    attachments = list(attachments)
    places = {part.holder.name: attach(part.holder.module, part.holder.attribute, engine) for part in attachments}
    for part in attachments:
        place = places[part.holder.name]
        if isinstance(part.scale, str):
            place.borrow(part.name, part.values, places[part.scale], part.overlay, part.pieces)
        else:
            place.add(part.name, part.values, part.scale, part.overlay, part.pieces)
        if part.records:
            place.derived[part.name] = part.records
        if part.learned_pair is not None:
            place.learn(part.name, part.learned_pair)
    for part in attachments:
        weight = part.holder.held_weight
        if weight is not None:
            weight.follow_leaves()
            weight.write_sum()


@torch.no_grad()
def shrink_weights(plans: Iterable[Plan]) -> None:
    """Multiply the entries of every W that the plans connect by the plans' factor, once, however many they are."""
    entries = {
        (tensor.holder.name, slot.start, slot.stop): (tensor.holder.original, slot, plan.options.shrink)
        for plan in plans
        if plan.options.shrink != 1.0
        for tensor in plan.tensors
        if not tensor.bias
        for slot in tensor.target_slots
    }
    for original, slot, factor in entries.values():
        scale_entries(original, slot, factor)


def build(plan: Plan) -> list[Attachment]:
    """W', how it lies on W, and λ for each target tensor, in the target's type and on its device."""
    options = plan.options
    attachments = []
    biases: dict[Pair, Tensor | None] = {}
    for tensor in plan.tensors:
        values, records = auxiliary_values(tensor, plan, biases)
        overlay, count = overlay_of(tensor, values.shape, options.scale_per)
        if abs(options.scale_init) > torch.finfo(values.dtype).max:
            kind = str(values.dtype).removeprefix("torch.")
            raise PathwayError("scale_init", f"a number that {kind} holds", repr(options.scale_init), "lower it")
        scale = torch.full((count,), options.scale_init, dtype=values.dtype, device=values.device)
        pair = None
        if tensor.has_learned_pair:
            values, pair = learned_pair(tensor, plan, overlay)
        attachments.append(
            Attachment(
                holder=tensor.holder,
                name=plan.name,
                values=nn.Parameter(values, requires_grad=options.train_auxiliary),
                scale=tensor.weight if tensor.bias else nn.Parameter(scale, requires_grad=options.train_scale),
                overlay=overlay,
                pieces=tuple(map(str, tensor.auxiliary_slots)),
                records=records,
                learned_pair=pair,
            )
        )
    return attachments


def learned_pair(tensor: TensorPlan, plan: Plan, overlay: Overlay) -> tuple[Tensor, LearnedPair]:
    """W' in the auxiliary's shape, and P and Q as they start, in the target's type and on its device."""
    original, trains = tensor.holder.original, plan.options.train_scale or plan.options.train_auxiliary
    pieces: list[Tensor] = []
    left: dict[int, nn.Parameter] = {}
    right: dict[int, nn.Parameter] = {}
    for index, pair in enumerate(tensor.pairs):
        piece = read_entries(plan.source.tensor(pair.auxiliary.weight), pair.auxiliary)
        step = None if pair.derivation is None else pair.derivation.fit
        if isinstance(step, FitStep):
            maps = step.maps(plan.source)
            piece = maps.whole(piece)
            for place, matrix in ((left, maps.outputs), (right, None if maps.inputs is None else maps.inputs.T)):
                if matrix is not None:
                    start = matrix.to_dense().to(original.device, original.dtype).contiguous()
                    place[index] = nn.Parameter(start, requires_grad=trains)
        pieces.append(piece.to(original.device, original.dtype))
    if len({piece.shape[1] for piece in pieces}) > 1:
        found, todo = ", ".join(str(tuple(piece.shape)) for piece in pieces), "choose another fit"
        raise PathwayError(tensor.holder.name, "pieces of as many inputs, for fit='learned'", found, todo)
    values = torch.cat(pieces)
    check_finite(tensor.holder.name, values, has_derivation=tensor.has_derivation)
    return values, LearnedPair([len(piece) for piece in pieces], left, right, overlay)


def auxiliary_values(tensor: TensorPlan, plan: Plan, biases: dict[Pair, Tensor | None]) -> tuple[Tensor, Records]:
    """W' (or b') in the target's order of rows and orientation, its type and on its device; and what was done to each
    piece, or nothing where all are the auxiliary's as they are.

    `biases` keeps each b' that comes with a derived W', for the plan of the bias, which follows that of the weight.
    """
    original, slot = tensor.holder.original, tensor.target_slots[0]
    shape = list(original.shape)
    shape[slot.axis] = sum(piece.groups * (piece.stop - piece.start) for piece in tensor.target_slots)
    # One copy into fresh, aligned memory: never the mapping of a file or the auxiliary's own storage.
    values = torch.empty(shape, dtype=original.dtype, device=original.device)
    if values.is_meta:
        return values, ()
    parts: list[Tensor] = []
    records: list[tuple[StepRecord, ...]] = []
    for pair, piece in zip(tensor.pairs, tensor.auxiliary_slots, strict=True):
        steps: tuple[StepRecord, ...] = ()
        if pair.derivation is None:
            part = read_entries(plan.source.tensor(piece.weight), piece)
        elif tensor.bias:
            part = _expect(biases[pair])
        else:
            entries, steps = derive(pair, pair.derivation, plan.source, plan.target, original)
            part, biases[pair] = entries.weight, entries.bias
        parts.append(part)
        records.append(steps)
    write_parts(values, parts, slot.axis, slot.groups)
    check_finite(tensor.holder.name, values, has_derivation=tensor.has_derivation)
    return values, tuple(records) if any(records) else ()


def check_finite(weight: str, values: Tensor, *, has_derivation: bool = False) -> None:
    """Raise `PathwayError` where W' is too large for the target's type: the auxiliary's own values are finite."""
    if not all_finite(values):
        kind = str(values.dtype).removeprefix("torch.")
        todo = "use a target in a wider type, or another auxiliary"
        todo += ", or connect without this derivation" if has_derivation else ""
        raise PathwayError(weight, f"a W' that is finite in {kind}", "infinity or NaN", todo)


def _expect(bias: Tensor | None) -> Tensor:
    assert bias is not None, "a derivation that promises a bias gives one"
    return bias


def derive(
    pair: Pair, derivation: Derivation, source: Source, target: Source, original: Tensor
) -> tuple[Entries, tuple[StepRecord, ...]]:
    """W' and b' of a pair, beside the target's tensor `original`, and what was done. Computed where that is: an
    auxiliary may be mapped from its file.
    """
    weight = read_entries(source.tensor(pair.auxiliary.weight), pair.auxiliary).to(original.device)
    bias = None
    if pair.auxiliary.bias is not None:
        bias = read_entries(source.tensor(pair.auxiliary.bias.weight), pair.auxiliary.bias).to(original.device)
    sides = Sides(auxiliary=source, target=target, own=read_entries(original, pair.target))
    return derivation.apply(Entries(weight, bias), sides)


def overlay_of(tensor: TensorPlan, shape: Sequence[int], scale_per: ScalePer) -> tuple[Overlay, int]:
    """How a W' of this shape lies on W, and the number of λ."""
    slots = tensor.target_slots
    slot, role, heads = slots[0], tensor.pairs[0].role, tensor.pairs[0].heads
    axis, rows, repeats = slot.axis, shape[slot.axis], 1
    lengths = [piece.stop - piece.start for piece in slots]
    runs = [(0, 1, rows)]
    if scale_per == "channel" and len(tensor.positions) == len(tensor.rows):
        runs = [(0, rows, rows)]
    elif scale_per == "channel":  # a bias without some of its weight's rows borrows the λ of the others
        group = [sum(tensor.rows[:index]) for index in tensor.positions]
        starts = [index * sum(tensor.rows) + start for index in range(slot.groups) for start in group]
        runs = [(start, start + length, length) for start, length in zip(starts, lengths * slot.groups, strict=True)]
    elif scale_per == "role":
        runs = [(index, index + 1, length) for index, length in zip(tensor.positions, lengths, strict=True)]
        repeats = slot.groups
    elif scale_per == "head" and role is not None and not role.startswith("mlp"):
        assert heads is not None
        if role == "attention_output":
            axis = 1 - slot.axis
            runs = [(0, heads, shape[axis])]
        elif slot.groups > 1:  # the rows of all roles stand together, head by head
            runs = [(0, heads, rows)]
        else:
            runs = [(0, heads, length) for length in lengths]
    overlay = Overlay(
        segments=join_ranges((piece.start, piece.stop) for piece in slots),
        rows=tensor.holder.original.shape[slot.axis],
        axis=axis,
        runs=tuple(runs),
        along=slot.axis,
        groups=slot.groups,
        repeats=repeats,
    )
    return overlay, max(last for _, last, _ in runs)


def origin_of(plan: Plan, attachments: Iterable[Attachment]) -> Origin:
    """Where the plan's auxiliary came from; of a frozen one whose values are its own, also a digest of these, by which
    it is saved as a reference.
    """
    by_value = plan.options.train_auxiliary or any(tensor.has_derivation for tensor in plan.tensors)
    values = {} if by_value else {part.holder.name: part.values for part in attachments}
    digest = None
    if values and not any(value.is_meta for value in values.values()):
        digest = sha256_of_tensors(sorted(values.items()))
    file, options = plan.source.file, plan.options.record
    if file is None:
        return Origin(plan.source.origin, None, None, options, digest)
    return Origin(plan.source.origin, str(file.resolve()), sha256_of_file(file), options, digest)
