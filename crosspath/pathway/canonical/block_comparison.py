"""Whether two blocks compute the same with the same weights, seen in copies of both that are run: what no norm, layer
scale or activation tells, such as the scale of the scores, and in which order attention and mlp follow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from crosspath.layouts import Role
from crosspath.pathway.anatomy.slot import Slot, write_entries
from crosspath.pathway.canonical.shown_surroundings import running_copy
from crosspath.pathway.canonical.surroundings import Surroundings, Unfoldable
from crosspath.pathway.canonical.watched_run import plain_attention, random_values, run
from crosspath.pathway.sources.norms import isolation
from crosspath.pathway.sources.silent_copy import Call

ALIKE = 1e-3
"""Difference, as a share of what a block adds, up to which two compute the same: of other ε they do."""
LOUD = 10.0
"""Size of the tokens, beside which ε is small."""

PairOfSlots = tuple[Slot, Slot]
Side = tuple[nn.Module, Call, Surroundings]


def compare_blocks(
    target: tuple[nn.Module, Surroundings],
    auxiliary: tuple[nn.Module, Surroundings],
    attention: Mapping[Role, PairOfSlots],
    mlp: Mapping[Role, PairOfSlots],
) -> tuple[bool, bool, bool] | None:
    """Whether two blocks compute the same with the same values in these weights: in the attention's alone, in the mlp's
    alone, and in both. None where they do not run on the same tokens.

    Norms and layer scales of both copies are neutral, since the proof of each (shown_surroundings.py) accounts for
    them; weights that are not named are 0.
    """
    sides: list[Side] = []
    for block, around in (target, auxiliary):
        copy = running_copy(block)
        if isinstance(copy, Unfoldable):
            return None
        clone, call, _ = copy
        sides.append((clone, call, around))
    if sides[0][1].tokens.shape != sides[1][1].tokens.shape:
        return None
    with isolation(torch.device("cpu")), plain_attention():
        first, second = _same(sides, attention.values()), _same(sides, mlp.values())
        both = _same(sides, [*attention.values(), *mlp.values()])
    return None if first is None or second is None or both is None else (first, second, both)


def _same(sides: Iterable[Side], pairs: Iterable[PairOfSlots]) -> bool | None:
    outputs: list[Tensor] = []
    tokens = torch.zeros((), device="cpu")
    pairs = list(pairs)
    for which, (clone, call, around) in enumerate(sides):
        parameters = dict(clone.named_parameters())
        _silence(parameters, around)
        for seed, slots in enumerate(pairs):
            slot, fan = slots[which], slots[which].shape[1]
            values = random_values(slot.shape, seed=seed) / fan**0.5
            write_entries(parameters[slot.weight].data, slot, values)
            if slot.bias is not None and slots[1 - which].bias is not None:
                write_entries(parameters[slot.bias.weight].data, slot.bias, random_values(slot.shape[:1], seed=seed))
        tokens = random_values(call.tokens.shape, seed=len(pairs)) * LOUD
        result = run(clone, replace(call, tokens=tokens))
        if result is None:
            return None
        outputs.append(result.output)
    ours, theirs = outputs
    return bool((ours - theirs).abs().max() <= ALIKE * (theirs - tokens).abs().max())


def _silence(parameters: Mapping[str, nn.Parameter], around: Surroundings) -> None:
    """Every parameter 0, but for the scales of norms and layers, which then change nothing."""
    for parameter in parameters.values():
        parameter.data.zero_()
    for norm in around.norms.values():
        if norm.scale is not None:
            parameters[norm.scale].data.fill_(1 - norm.offset)
    for name in around.layer_scales.values():
        parameters[name].data.fill_(1)
