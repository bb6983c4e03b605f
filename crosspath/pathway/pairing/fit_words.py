"""What a fit does to two models, in words: what is exact, what is approximate, what is left out."""

from collections.abc import Iterable, Iterator

from torch import nn

from crosspath.layouts import ATTENTION_ROLES
from crosspath.pathway.fitting.blocks import BlockShape
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.model import Blocks, ModelFit
from crosspath.pathway.pairing.differences import ranges_of
from crosspath.pathway.report import Pair
from crosspath.pathway.sources.heads import Heads
from crosspath.pathway.sources.source import Source

STREAMS: dict[Fit, str] = {
    "slice": "the first of them",
    "average": "averages of neighbours",
    "spectra": "principal components of the auxiliary's matrices",
    "learned": "principal components of the auxiliary's matrices, from which P and Q learn",
}
HEADS: dict[Fit, str] = {
    "slice": "the first",
    "average": "averages of neighbours",
    "spectra": "the strongest",
    "learned": "the strongest, from which P and Q learn",
}


def describe_fit(model: ModelFit, block_pairs: Iterable[Blocks], pairs: Iterable[Pair]) -> Iterator[str]:
    """A line for each thing that is fitted: depth, stream, heads, mlp."""
    block_pairs, roles = list(block_pairs), {pair.role for pair in pairs}
    depths = len(model.target.blocks), len(model.auxiliary.blocks)
    if depths[0] != depths[1]:
        yield f"depth: {depths[1]} blocks for {depths[0]}"
    lines: dict[str, list[int]] = {}
    for blocks in block_pairs:
        if model.fault(*blocks) is None:
            ours, theirs = model.shapes(*blocks)
            for line in (*_stream(model.fit, ours, theirs), *_attention(model, blocks), *_mlp(model, blocks)):
                lines.setdefault(line, []).append(blocks[0])
    attends = any(role in ATTENTION_ROLES for role in roles)
    for line, where in lines.items():
        if attends or not line.startswith("heads"):
            yield line if len(where) == len(block_pairs) else f"block {ranges_of(where)}: {line}"


def _stream(fit: Fit, ours: BlockShape, theirs: BlockShape) -> Iterator[str]:
    if ours.stream < theirs.stream:
        yield f"stream: {theirs.stream} channels to {ours.stream}, {STREAMS[fit]}: approximate"
    elif ours.stream > theirs.stream:
        rule = "each on neighbours" if fit == "average" else "the first of them"
        yield (
            f"stream: {theirs.stream} channels in {ours.stream}, {rule}: products of what is read and written are "
            "exact, norms divide by other sums"
        )


def _attention(model: ModelFit, blocks: Blocks) -> Iterator[str]:
    """What becomes of the heads: as the anatomies state them, whether or not shapes differ."""
    counts = [
        Heads(side.heads[block], side.key_value_heads.get(block, side.heads[block]))
        for side, block in ((model.target, blocks[0]), (model.auxiliary, blocks[1]))
        if block in side.heads
    ]
    ours, theirs = model.shapes(*blocks)
    if len(counts) < 2 or (counts[0] == counts[1] and ours.attention == theirs.attention):
        return
    own, its = ours.attention, theirs.attention
    if its is not None and its.key_value_heads < its.heads:
        yield f"heads: {its.key_value_heads} keys and values, once for each of the {its.heads} queries: exact"
    if own is None or its is None or own.entries == its.entries:
        if counts[0].query != counts[1].query:
            yield (
                f"heads: {counts[1].query} in the place of {counts[0].query}; neighbours share one, or one is split: "
                "what value and output give is exact, the scores are not"
            )
    else:
        if own.heads < its.heads:
            yield f"heads: {its.heads} to {own.heads}, {HEADS[model.fit]}: approximate"
        elif own.heads > its.heads:
            yield f"heads: {its.heads} of {own.heads}, nothing in the others: exact"
        if own.width < its.width:
            rule = "best approximation of their products" if model.fit in ("spectra", "learned") else STREAMS[model.fit]
            yield f"heads: {its.width} channels to {own.width}, {rule}: approximate"
        elif own.width > its.width:
            scores = f"scores divide by the root of {own.width}"
            yield f"heads: {its.width} channels of {own.width}: products are exact, {scores}"
    if own is not None and own.key_value_heads < own.heads:
        heads = f"the target's {own.key_value_heads} keys and values"
        yield f"heads: {heads} get means of those that share them: approximate"


def _mlp(model: ModelFit, blocks: Blocks) -> Iterator[str]:
    ours, theirs = model.shapes(*blocks)
    if ours.hidden is not None and theirs.hidden is not None and ours.hidden < theirs.hidden:
        yield f"mlp: {theirs.hidden} channels to {ours.hidden}, {HEADS[model.fit]}: approximate"
    elif ours.hidden is not None and theirs.hidden is not None and ours.hidden > theirs.hidden:
        yield f"mlp: {theirs.hidden} channels of {ours.hidden}, nothing in the others: exact"
    gates = model.target.has_gate(blocks[0]), model.auxiliary.has_gate(blocks[1])
    if gates == (False, True):
        gate = "mlp_in takes the auxiliary's mlp_gate, on which its activation acts"
        yield f"mlp: {gate}; its mlp_in is left out: approximate"
    elif gates == (True, False):
        gate = "mlp_gate takes the auxiliary's mlp_in, on which its activation acts"
        yield f"mlp: {gate}; mlp_in stays as it is: approximate"


TRAITS = {
    "rotary": ("rotary: the auxiliary turns queries and keys by their positions", "that is not carried over"),
    "rms": ("norm: the auxiliary's is an RMSNorm", "the target's also subtracts a mean: approximate"),
}
"""What an auxiliary may do beside its matrices."""
CLASSES = {"rotary": ("rotary", "rope"), "rms": ("rmsnorm",)}
"""Parts of the class names of modules that do."""
SETTINGS = {"rotary": ("rope_theta", "rope_parameters", "rope_scaling"), "rms": ("rms_norm_eps",)}
"""Settings of a config that state it."""


def describe_traits(target: Source, auxiliary: Source) -> Iterator[str]:
    """What the auxiliary's blocks do besides their matrices and the target's do not, as far as modules or a config show
    it.
    """
    for trait in _traits(auxiliary):
        if trait not in _traits(target):
            does, result = TRAITS[trait]
            yield f"{does}; {result}"


def _traits(source: Source) -> list[str]:
    model = source.attribute("")
    classes = [type(module).__name__.lower() for module in model.modules()] if isinstance(model, nn.Module) else []
    config = {} if source.description is None else source.description.config
    return [
        trait
        for trait in TRAITS
        if any(word in name for name in classes for word in CLASSES[trait])
        or any(config.get(setting) is not None for setting in SETTINGS[trait])
    ]
