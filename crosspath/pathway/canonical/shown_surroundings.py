"""What stands around a block's matrices, shown by running a copy of the block.

With matrices of 0, a change of what a norm gives reaches the matrices that read it and nothing else, and a change of
what a matrix gives reaches the residual stream through its layer scale alone. What is seen so is then proved: a copy
with random values, and the same copy with every norm scale, shift and layer scale folded into its matrices, give equal
outputs. The block itself is never run.
"""

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from crosspath.layouts import Role
from crosspath.pathway.anatomy.slot import Slot, read_entries, write_entries
from crosspath.pathway.canonical.canonical import fold_entries
from crosspath.pathway.canonical.norm_kind import norm_before
from crosspath.pathway.canonical.surroundings import PROBE, NormBefore, Surroundings, Unfoldable, activation_like
from crosspath.pathway.canonical.watched_run import (
    Change,
    Run,
    in_double,
    plain_attention,
    random_values,
    randomise,
    run,
    same,
    with_ramp,
)
from crosspath.pathway.sources.norms import TRIES, isolation
from crosspath.pathway.sources.silent_copy import Call, calls, is_matrix, norms_in, silent_copy

POSITIONS = ("rope", "rotary_pos_emb", "position_embeddings", "freqs_cis", "position_bias", "rotary_emb", "alibi")
"""Arguments by which a block is given the positions of its tokens."""
CANNOT_RUN = "its blocks do not run on tokens alone, so that their norms are not seen"

Slots = Mapping[Role, Slot]


def shown_surroundings(block: nn.Module, slots: Slots) -> Surroundings | Unfoldable:
    """What stands around the matrices of a block. `slots`: its roles, by names inside the block."""
    copy = running_copy(block)
    if isinstance(copy, Unfoldable):
        return copy
    clone, call, base = copy
    names = {slot.weight for slot in slots.values()}
    if not names <= {name for name, _ in clone.named_parameters()}:
        return Unfoldable("its weights are computed by other modules than those that hold them")
    with isolation(torch.device("cpu")), plain_attention():
        return _observe(_Block(clone, call, slots), base)


def running_copy(block: nn.Module) -> tuple[nn.Module, Call, Run] | Unfoldable:
    """A silent copy of a block in float64, a call that it answers, and the answer."""
    try:
        clone = silent_copy(block).cpu().double()
    except Exception:  # a class of the user's that does not copy
        return Unfoldable("its blocks cannot be copied, so that their norms are not seen")
    for parameter in clone.parameters():
        parameter.data = parameter.data.clone()  # memory of its own: what is read is told by its address
    with isolation(torch.device("cpu")), plain_attention():
        for _, call in zip(range(TRIES), calls(clone, None), strict=False):
            call = in_double(call)
            base = run(clone, call)
            if base is not None:
                return clone, call, base
    return Unfoldable(CANNOT_RUN)


@dataclass(frozen=True)
class _Block:
    clone: nn.Module
    call: Call
    slots: Slots

    @property
    def weights(self) -> list[str]:
        return list(dict.fromkeys(slot.weight for slot in self.slots.values()))

    def run(
        self, norms: Mapping[nn.Module, Change] | None = None, products: Mapping[str, Change] | None = None
    ) -> Run | None:
        return run(self.clone, self.call, norms, products)


def _observe(block: _Block, base: Run) -> Surroundings | Unfoldable:
    slots = {role: slot for role, slot in block.slots.items() if base.reads.get(slot.weight)}
    unread = tuple(name for name in block.weights if not base.reads.get(name))
    block = replace(block, slots=slots)
    norms: dict[str, NormBefore] = {}
    modules = {module: name for name, module in block.clone.named_modules()}
    norm_parameters: set[str] = set()
    for module in norms_in(block.clone):
        response = block.run({module: with_ramp})
        if response is None:
            return Unfoldable(CANNOT_RUN)
        if not same(response.output, base.output):
            return Unfoldable("it is post-norm: its norms stand on the residual stream, and scale it")
        readers = [n for n in block.weights if not all(map(same, response.reads[n], base.reads[n]))]
        if not readers:
            continue
        norm = norm_before(module, modules[module], block.call.tokens.shape)
        if norm is None:
            return Unfoldable(f"{modules[module]} ({type(module).__name__}) is no LayerNorm or RMSNorm")
        norm_parameters |= {name for name in (norm.scale, norm.shift) if name is not None}
        for name in readers:
            if name in norms:
                return Unfoldable(f"several norms reach {name}")
            norms[name] = norm
    layer_scales, factors = _layer_scales(block, base, norm_parameters)
    biases = {slot.bias.weight for slot in block.slots.values() if slot.bias is not None}
    covered_names = {*block.weights, *biases, *norm_parameters, *layer_scales.values()}
    others = [n for n, p in block.clone.named_parameters() if n not in covered_names and _is_scale(p)]
    surroundings = Surroundings(
        norms,
        layer_scales,
        (*others, *factors),
        activation=_activation(block),
        positions=_positions(block),
        unread=unread,
    )
    try:
        proof = _proves(block, surroundings)
    except RuntimeError:  # a matrix that stands the other way round than its roles say
        proof = False
    if not proof:
        return Unfoldable("folding its norms and layer scales changes what it computes")
    return surroundings


def _is_scale(parameter: Tensor) -> bool:
    """Whether it is a vector or a number: matrices without a role are the pairing's affair."""
    return not is_matrix(parameter)


def _layer_scales(block: _Block, base: Run, norm_parameters: set[str]) -> tuple[dict[str, str], list[str]]:
    """{matrix: its layer scale}, and the matrices whose outputs are multiplied by a constant."""
    candidates = {
        name: parameter
        for name, parameter in block.clone.named_parameters()
        if name not in norm_parameters and not name.endswith("bias") and parameter.numel() > 1 and _is_scale(parameter)
    }
    scales: dict[str, str] = {}
    factors = []
    for weight in block.weights:
        response = block.run(products={weight: lambda value: value + 1})
        if response is None or same(response.output, base.output):
            continue  # it does not write to the residual stream
        step = response.output - base.output
        if not same(step, torch.ones_like(step)):
            factors.append(f"a factor on the output of {weight}")
        for name, parameter in candidates.items():
            parameter.data = random_values(parameter.shape, seed=1) + 2
            plain_run = block.run()
            shifted_run = block.run(products={weight: lambda value: value + 1})
            values = parameter.data.flatten()
            parameter.data = torch.ones_like(parameter)
            if plain_run is None or shifted_run is None or same(shifted_run.output - plain_run.output, step):
                continue
            scales[weight] = name
            if not any(
                same(shifted_run.output - plain_run.output, step * values.view(shape))
                for shape in _channel_views(step, len(values))
            ):
                factors.append(f"{name} on the output of {weight}")
    return scales, factors


def _channel_views(like: Tensor, count: int) -> Iterator[tuple[int, ...]]:
    """The shapes of a vector of channels beside a tensor."""
    for axis, size in enumerate(like.shape):
        if size == count:
            yield tuple(size if other == axis else 1 for other in range(like.dim()))


def _activation(block: _Block) -> str | None:
    """What the mlp's last matrix reads, where the first one gives `PROBE` (with a gate: 1, and the gate `PROBE`)."""
    first, last, gate = (block.slots.get(role) for role in ("mlp_in", "mlp_out", "mlp_gate"))
    if first is None or last is None or last.shape[1] < len(PROBE):
        return None
    hidden = last.shape[1]
    probe = PROBE.repeat(math.ceil(hidden / len(PROBE)))[:hidden, None]
    values = {first: probe} if gate is None else {first: torch.ones_like(probe), gate: probe}

    def replacement(weight: str) -> Change:
        def change(product: Tensor) -> Tensor:
            rows = product.movedim(-1, 0).flatten(1).contiguous()
            for slot, value in values.items():
                if slot.weight == weight:
                    write_entries(rows, slot, value.expand(-1, rows.shape[1]))
            return rows.view(-1, *product.shape[:-1]).movedim(0, -1)

        return change

    result = block.run(products={slot.weight: replacement(slot.weight) for slot in values})
    if result is None or result.reads[last.weight][0].shape[-1] != hidden:
        return None
    return activation_like(result.reads[last.weight][0].flatten(0, -2)[0, : len(PROBE)])


def _positions(block: _Block) -> bool:
    """Whether the block handles positions: by an argument, or since tokens in another order give other values."""
    for module in block.clone.modules():
        if any(name in POSITIONS for name in inspect.signature(module.forward).parameters):
            return True
    randomise(block.clone)
    tokens = block.call.tokens
    if tokens.dim() != 3:
        return True
    order = torch.arange(tokens.shape[1], device=tokens.device).flip(0)
    straight = run(block.clone, replace(block.call, tokens=random_values(tokens.shape, seed=3)))
    reverse = run(block.clone, replace(block.call, tokens=random_values(tokens.shape, seed=3)[:, order]))
    return straight is None or reverse is None or not same(straight.output[:, order], reverse.output)


def _proves(block: _Block, surroundings: Surroundings) -> bool:
    """Whether a copy with random values computes the same with everything folded."""
    parameters = dict(block.clone.named_parameters())
    randomise(block.clone)
    tokens = random_values(block.call.tokens.shape, seed=3)
    for slot in block.slots.values():
        norm = surroundings.norms.get(slot.weight)
        if slot.bias is None and norm is not None and norm.shift is not None and slot is not block.slots.get("key"):
            parameters[norm.shift].data.zero_()  # no bias to fold it into
    straight = run(block.clone, replace(block.call, tokens=tokens))
    for slot in block.slots.values():
        weight = read_entries(parameters[slot.weight].data, slot).clone()
        bias = None if slot.bias is None else read_entries(parameters[slot.bias.weight].data, slot.bias).clone()
        norm = surroundings.norms.get(slot.weight, NormBefore("layer"))
        scale, shift, layer_scale = (
            None if name is None else parameters[name].data.flatten()
            for name in (norm.scale, norm.shift, surroundings.layer_scales.get(slot.weight))
        )
        scale = None if scale is None else scale + norm.offset
        weight, bias = fold_entries(weight, bias, scale, shift, layer_scale)
        write_entries(parameters[slot.weight].data, slot, weight)
        if slot.bias is not None and bias is not None:
            write_entries(parameters[slot.bias.weight].data, slot.bias, bias)
    for norm in surroundings.norms.values():
        if norm.scale is not None:
            parameters[norm.scale].data.fill_(1 - norm.offset)
        if norm.shift is not None:
            parameters[norm.shift].data.zero_()
    for name in surroundings.layer_scales.values():
        parameters[name].data.fill_(1)
    result = run(block.clone, replace(block.call, tokens=tokens))
    return straight is not None and result is not None and same(straight.output, result.output)
