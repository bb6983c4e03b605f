"""Which input of a gated mlp the activation acts on, seen in what the mlp's last matrix reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, takewhile

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from crosspath.layouts import Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.weight_names import template
from crosspath.pathway.sources.norms import isolation
from crosspath.pathway.sources.silent_copy import Call, calls, norms_in, silent_copy
from crosspath.pathway.sources.source import Source

TRIES = 24
"""Forwards to try on an mlp before its gate is left to its name."""
VALUES = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""What an input gives, in equal steps, below the bounds to which some models cut it."""


def with_gates(source: Source, anatomy: Anatomy) -> Anatomy:
    """The same anatomy, with the gate of every mlp whose inputs are two weights where its module shows it."""
    slots = dict(anatomy.slots)
    by_names: dict[tuple[int, Role], type | None] = {}
    answers: dict[object, bool | None] = {}
    for (index, role), gate in anatomy.slots.items():
        branch = role.removesuffix("mlp_gate")
        places = [(index, f"{branch}{part}") for part in ("mlp_gate", "mlp_in", "mlp_out")]
        if branch == role or not all(place in slots for place in places):
            continue
        mlp = [anatomy.slots[place] for place in places]
        path = anatomy.paths[index]
        if mlp[1].weight == gate.weight:  # halves of one weight, whose order a class tells
            if not isinstance(source.attribute(path.rstrip(".")), nn.Module):
                by_names[index, role] = None
            continue
        layers = [slot.weight.removeprefix(path).removesuffix(".weight") for slot in mlp]
        around = zip(*(layer.split(".")[:-1] for layer in layers), strict=False)
        scope = ".".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, around))
        module = source.attribute((path + scope).rstrip("."))
        kind = (template(path), type(module), *layers)
        if kind not in answers:
            inside = [layer.removeprefix(f"{scope}.") for layer in layers]
            answers[kind] = shown_gate(module, inside, mlp) if isinstance(module, nn.Module) else None
        if answers[kind] is False:
            slots[places[0]], slots[places[1]] = mlp[1], gate
        elif answers[kind] is None:
            by_names[index, role] = type(module) if isinstance(module, nn.Module) else None
    return replace(anatomy, slots=slots, gates_by_names=by_names)


def shown_gate(mlp: nn.Module, layers: list[str], slots: list[Slot]) -> bool | None:
    """Whether the activation acts on what the first layer gives, and the second is a factor; None where that cannot be
    seen. The third reads their product.

    A copy without values is run, never the mlp itself, with constants for what the two layers give: what is read
    follows a factor in equal steps, and an activation in others.
    """
    try:
        clone = silent_copy(mlp)
        gate, factor, reader = (clone.get_submodule(layer) for layer in layers)
        for parameter in (p for layer in (gate, factor, reader) for p in layer.parameters()):
            parameter.data = parameter.new_zeros(1)  # only its type may be asked for
        clone = clone.float()
    except Exception:  # a class of the user's that does not copy, or computes its weights
        return None
    rows = slots[0].shape[0]
    for norm in norms_in(clone):
        norm.register_forward_hook(lambda module, args, output: args[0])
    reader.__dict__["forward"] = _read
    device = next((parameter.device for parameter in clone.parameters()), torch.device("cpu"))
    with isolation(device):
        for call in islice(calls(clone, slots[0].shape[1]), TRIES):
            by_gate, by_factor = (
                [_reading(clone, call, {still: (rows, 1.0), other: (rows, value)}) for value in VALUES]
                for still, other in ((factor, gate), (gate, factor))
            )
            if None in (*by_gate, *by_factor):
                continue
            straight = _in_equal_steps(by_gate), _in_equal_steps(by_factor)
            return None if straight == (False, False) else straight[1]
    return None


class _ReadError(Exception):
    """Ends a forward with what the last matrix reads."""

    def __init__(self, value: float) -> None:
        self.value = value


def _read(value: Tensor) -> Tensor:
    raise _ReadError(float(value.flatten()[0]))


def _reading(clone: nn.Module, call: Call, constants: Mapping[nn.Module, tuple[int, float]]) -> float | None:
    """What the last matrix reads where layers give {layer: (rows, constant)}; None where it reads nothing."""
    for layer, (rows, value) in constants.items():
        layer.__dict__["forward"] = partial(_constant, 1 if isinstance(layer, _ConvNd) else -1, rows, value)
    try:
        clone(call.tokens, *call.others, **call.keywords)
    except _ReadError as end:
        return end.value
    except (Exception, SystemExit):  # these arguments are not the mlp's
        return None
    return None


def _constant(axis: int, rows: int, value: float, tokens: Tensor) -> Tensor:
    shape = list(tokens.shape)
    shape[axis] = rows
    return tokens.new_full(shape, value)


def _in_equal_steps(values: Sequence[float | None]) -> bool:
    steps = torch.tensor(values, dtype=torch.float64, device="cpu").diff()
    return bool(steps[0] != 0 and torch.allclose(steps, steps[:1].expand_as(steps), rtol=1e-4, atol=1e-6))
