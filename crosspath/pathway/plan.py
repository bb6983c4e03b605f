"""What `connect` will do, and every reason against it: the pairs of `match`, by target tensor. Nothing is built yet.

connect.py makes one `Plan` for each auxiliary; assemble.py builds what a plan without faults describes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.conv import _ConvTransposeNd

from crosspath.counts import first_names
from crosspath.pathway.anatomy.slot import Slot, read_entries
from crosspath.pathway.engines.parametrization import is_sharded
from crosspath.pathway.finite import all_finite
from crosspath.pathway.fitting.model import FitStep
from crosspath.pathway.options import Options, ScalePer
from crosspath.pathway.report import MatchReport, Pair
from crosspath.pathway.sources.parameters import Holder, holders
from crosspath.pathway.sources.shared_memory import memory_sharers, repeats_entries
from crosspath.pathway.sources.source import ModuleSource, Source, is_quantised

MOST_NAMES = 3
"""Weights named beside one, of many."""


@dataclass(frozen=True, kw_only=True)
class TensorPlan:
    """Everything that one auxiliary supplies to one target tensor, in the order of the target's rows."""

    holder: Holder
    pairs: tuple[Pair, ...]
    positions: tuple[int, ...]
    """Each pair's index among those of the weight; a bias may have fewer."""
    rows: tuple[int, ...]
    """Of each pair of the weight: its rows in one group."""
    bias: bool

    @property
    def weight(self) -> str:
        """The target weight, which a bias shares its λ with."""
        return self.pairs[0].target.weight

    @property
    def target_slots(self) -> list[Slot]:
        """Which rows of the target tensor get values."""
        return [_slot(pair.target, self.bias) for pair in self.pairs]

    @property
    def auxiliary_slots(self) -> list[Slot]:
        """Which rows of the auxiliary's tensors the values are, or are made from: a bias may be made from a weight."""
        return [_slot(pair.auxiliary, self.bias and pair.auxiliary.bias is not None) for pair in self.pairs]

    @property
    def has_learned_pair(self) -> bool:
        """Whether W' is read through P and Q that train."""
        return not self.bias and any(is_learned(pair) for pair in self.pairs)

    @property
    def has_derivation(self) -> bool:
        """Whether some values are made from the auxiliary's, rather than taken as they are."""
        return any(pair.derivation is not None for pair in self.pairs)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one auxiliary supplies to the target."""

    name: str
    """The auxiliary's."""
    source: Source
    target: Source
    report: MatchReport
    tensors: tuple[TensorPlan, ...]
    options: Options

    def faults(self, target: nn.Module) -> Iterator[str]:
        """What prevents the plan, in words: mismatches, and weights that pair but cannot be connected."""
        yield from map(str, self.report.mismatches)
        names = [tensor.holder.name for tensor in self.tensors]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{name}: it is chosen by name and as the bias of a weight; leave one of them out"
        originals = {holder.name: holder.original for holder in holders(target) if not holder.foreign}
        in_memory = memory_sharers(originals)
        foreign = [tensor.holder.name for tensor in self.tensors if tensor.holder.foreign]
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            yield f"{foreign[0]}{more}: another parametrization computes it; remove that first"
        for tensor in self.tensors:
            if tensor.holder.foreign:
                continue
            own, name = tensor.holder.original, tensor.holder.name
            sharing = [other for other, original in originals.items() if original is own]
            yield from _target_faults(tensor.holder, sharing, in_memory.get(name, ()))
            if self.options.shrink != 1.0 and tensor.holder.pathway is not None:
                yield f"{tensor.holder.name}: it has a pathway, so shrinking it would change that; connect all at once"
            yield from _scale_faults(tensor, self.options.scale_per)
            yield from _auxiliary_faults(tensor, self.source)
            yield from _learned_faults(tensor)
        if not self.report.pairs and not self.report.mismatches:
            yield "selection: no weight is chosen; change roles=, names= or blocks="


def is_learned(pair: Pair) -> bool:
    """Whether W' of a pair is read through P and Q that train."""
    step = None if pair.derivation is None else pair.derivation.fit
    return isinstance(step, FitStep) and step.trains


def make_plan(name: str, source: Source, target: nn.Module, report: MatchReport, options: Options) -> Plan:
    """The plan that connects the pairs of a report."""
    tensors = tuple(_tensor_plans(target, report, options.bias or options.canonical))
    own = ModuleSource(target)
    return Plan(name=name, source=source, target=own, report=report, tensors=tensors, options=options)


def _tensor_plans(target: nn.Module, report: MatchReport, bias: bool) -> Iterator[TensorPlan]:
    holder_of = {holder.name: holder for holder in holders(target)}
    by_weight: dict[str, list[Pair]] = {}
    for pair in report.pairs:
        by_weight.setdefault(pair.target.weight, []).append(pair)
    for name, group in by_weight.items():
        pairs = tuple(sorted(group, key=lambda pair: pair.target.start))
        positions = tuple(range(len(pairs)))
        rows = tuple(pair.target.stop - pair.target.start for pair in pairs)
        yield TensorPlan(holder=holder_of[name], pairs=pairs, positions=positions, rows=rows, bias=False)
        by_bias: dict[str, list[int]] = {}
        for index, pair in enumerate(pairs if bias else ()):
            if pair.has_biases:
                assert pair.target.bias is not None
                by_bias.setdefault(pair.target.bias.weight, []).append(index)
        for bias_name, indices in by_bias.items():
            own = tuple(pairs[index] for index in indices)
            yield TensorPlan(holder=holder_of[bias_name], pairs=own, positions=tuple(indices), rows=rows, bias=True)


def _slot(slot: Slot, bias: bool) -> Slot:
    """The slot itself, or that of its bias."""
    if not bias:
        return slot
    assert slot.bias is not None
    return slot.bias


def _target_faults(holder: Holder, sharing: Sequence[str], in_memory: Sequence[str]) -> Iterator[str]:
    """`sharing`: the names under which the model holds this parameter; `in_memory`: other ones in the same memory."""
    name, original = holder.name, holder.original
    if len(sharing) > 1:
        yield f"{name}: one Parameter is shared by {', '.join(sharing)}; leave it out, or untie it first"
    elif in_memory:
        memory = f"its memory is shared with {first_names(in_memory, MOST_NAMES)}"
        yield f"{name}: {memory}; leave it out, or untie it first, as in weight.data = weight.data.clone()"
    elif repeats_entries(original):
        found = "several of its entries are one place in memory (an expanded tensor)"
        yield f"{name}: {found}; give each its own, as in weight.data = weight.data.contiguous()"
    if original.is_complex():
        found = f"{original.dtype}, whose gradients λ does not get right"
        yield f"{name}: expected a real weight, found {found}; leave it out"
    elif is_quantised(original) or original.element_size() == 1:  # torch adds no 8-bit floats
        found = f"{type(original).__name__} of {original.dtype}"
        expected = "a floating-point weight of 16 bits or more"
        yield f"{name}: expected {expected}, found {found}; connect and merge before quantising"
    if original.is_inference():  # which nothing may write to
        yield f"{name}: it was made in torch.inference_mode(); build or load the target outside of that, then connect"
    if getattr(holder.module, "sparse", None) is True:  # nn.Embedding, nn.EmbeddingBag
        found = "its layer gives sparse gradients, which no pathway computes with"
        yield f"{name}: {found}; set its sparse=False first, or leave it out"
    if is_sharded(original):
        yield f"{name}: its values are spread over processes; connect before sharding"
    if not isinstance(original, nn.Parameter):
        yield f"{name}: expected a Parameter, found {type(original).__name__}; connect the plain model"


def _scale_faults(tensor: TensorPlan, scale_per: ScalePer) -> Iterator[str]:
    name = tensor.holder.name
    if scale_per == "channel" and isinstance(tensor.holder.module, _ConvTransposeNd):
        yield f"{name}: scale_per='channel' needs rows that are outputs, and here they are inputs; choose layer"
    if scale_per in ("role", "head") and any(pair.role is None for pair in tensor.pairs):
        yield f"{name}: scale_per={scale_per!r} needs roles; weights chosen by name take layer or channel"
    attention = [pair for pair in tensor.pairs if pair.role is not None and not pair.role.startswith("mlp")]
    if scale_per != "head" or not attention:
        return
    if any(pair.heads is None for pair in attention):
        yield f"{name}: scale_per='head' needs a head count, and the target states none"
    elif any(_entries_of_heads(pair) % (pair.heads or 1) for pair in attention):
        counts = f"{attention[0].heads} heads for {_entries_of_heads(attention[0])} entries"
        yield f"{name}: scale_per='head' needs heads of equal size, found {counts}; choose another scale_per"


def _entries_of_heads(pair: Pair) -> int:
    """How many entries the heads share: the inputs of the attention output, the outputs of query, key and value."""
    return pair.target.shape[1 if pair.role == "attention_output" else 0]


def _learned_faults(tensor: TensorPlan) -> Iterator[str]:
    name, steps = tensor.holder.name, [pair.derivation for pair in tensor.pairs if is_learned(pair)]
    if not steps:
        return
    if tensor.bias:
        yield f"{name}: fit='learned' has no P for a bias; leave bias=True out, or choose another fit"
    elif any(len([*derivation.steps]) > 1 for derivation in steps if derivation is not None):
        yield f"{name}: fit='learned' takes W' as the auxiliary has it; beside canonical= or normalise= choose another"
    elif tensor.holder.original.is_meta:
        yield f"{name}: the target holds no values (meta device), and P and Q start from some; load it, then connect"


def _auxiliary_faults(tensor: TensorPlan, source: Source) -> Iterator[str]:
    for slot in tensor.auxiliary_slots:
        values = source.tensor(slot.weight)
        on_meta = tensor.holder.original.is_meta
        if is_sharded(values):
            yield f"{slot}: the auxiliary's values are spread over processes; gather them first"
        elif values.is_complex():
            yield f"{slot}: expected real values, found {values.dtype}; leave it out"
        elif is_quantised(values) or values.is_quantized or not values.is_floating_point():
            found = f"{type(values).__name__} of {values.dtype}"
            yield f"{slot}: expected floating-point values, found {found}; pass them as they were before quantising"
        elif values.layout != torch.strided:
            yield f"{slot}: expected a dense tensor, found {values.layout}; pass it after to_dense()"
        elif values.is_meta and not on_meta:
            yield f"{slot}: the auxiliary holds no values (meta device); load them first"
        elif on_meta and not values.is_meta:
            where = tensor.holder.name
            yield f"{where}: the target holds no values (meta device), so that W' would be lost; load it, then connect"
            return
        elif not values.is_meta and not all_finite(read_entries(values, slot)):
            yield f"{slot}: the auxiliary holds values that are not finite; use another checkpoint"
