"""In which order a fused weight holds query, key and value, seen in what the attention does with its rows."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn

from crosspath.layouts import ORDERS, Order
from crosspath.pathway.sources.norms import isolation
from crosspath.pathway.sources.silent_copy import Call, calls, silent_copy

TRIES = 24
"""Forwards to try on an attention before its order is left open."""
PARTS = 3


def shown_order(attention: nn.Module, weight: str, output: str | None, heads: int) -> Order | Literal["other"] | None:
    """The order of a fused weight; `other` where its value does not come last, or its key comes first; None where it
    cannot be seen.

    A copy without values is run, never the attention itself. Where the values of all tokens are equal, attention gives
    these values, whatever its queries and keys are: so the rows that come out unchanged are the value's. Where the keys
    of all tokens are equal, it gives the mean of the values.

    Parameters
    ----------
    weight, output
        The fused weight, and the module that reads the heads' values (None: the attention gives them), both by their
        path inside the attention.
    """
    try:
        clone = silent_copy(attention).float()
        fused = clone.get_parameter(weight)
        reader = clone if output is None else clone.get_submodule(output)
    except Exception:  # a class of the user's that does not copy, or computes its weight
        return None
    rows = fused.shape[0] // PARTS
    if fused.shape[0] % PARTS or rows % heads or fused[0].numel() != fused.shape[1] or fused.shape[1] < 2:
        return None
    for name, parameter in clone.named_parameters():
        if name.endswith("bias") and parameter.shape == fused.shape[:1]:
            parameter.data = torch.zeros_like(parameter)
    with isolation(fused.device):
        return _order(clone, fused, reader, heads, output is None)


def _order(
    clone: nn.Module, fused: nn.Parameter, reader: nn.Module, heads: int, gives: bool
) -> Order | Literal["other"] | None:
    places = dict(_places(fused.shape[0], heads, fused.device))
    values = torch.arange(fused.shape[0] // PARTS, device=fused.device, dtype=fused.dtype) * 37 % 61 + 1
    for call in islice(calls(clone, fused.shape[1]), TRIES):
        candidates = []
        for (order, part), rows in places.items():
            response = _run(clone, fused, reader, _even(call, fused.shape[1]), {0: (rows, values)}, gives)
            if response is None:
                break
            if _along(response, values):
                candidates.append((order, part))
        if not candidates:
            continue
        order, part = candidates[0]
        if part != PARTS - 1:
            return "other"
        responses = [
            _run(
                clone,
                fused,
                reader,
                _even(call, fused.shape[1]),
                {0: (places[order, still], values * 0 + 1), 1: (places[order, 1 - still], values * 0 + 1)},
                gives,
                places[order, 2],
            )
            for still in (1, 0)
        ]
        uniform = [response is not None and _along(response, torch.zeros_like(values)) for response in responses]
        return "other" if uniform == [False, True] else order
    return None


def _places(total: int, heads: int, device: torch.device) -> Iterator[tuple[tuple[Order, int], Tensor]]:
    """{(order, part): the rows of that part, head by head}."""
    rows = torch.arange(total, device=device)
    by_order = {
        "three-major": rows.view(PARTS, -1),
        "head-major": rows.view(heads, PARTS, -1).transpose(0, 1).reshape(PARTS, -1),
        "interleaved": rows.view(-1, PARTS).T,
    }
    for order in ORDERS:
        for part in (2, 1, 0):
            yield (order, part), by_order[order][part]


def _even(call: Call, width: int) -> Call:
    """The same call with tokens whose first feature is 1, whose second one differs from token to token."""
    axis = next(a for a in range(call.tokens.dim() - 1, 0, -1) if call.tokens.shape[a] == width)
    tokens = torch.zeros_like(call.tokens).movedim(axis, -1)
    tokens[..., 0] = 1
    count = tokens[..., 1].numel()
    tokens[..., 1] = torch.linspace(-1, 1, count, device=tokens.device).view(tokens.shape[:-1])
    return replace(call, tokens=tokens.movedim(-1, axis))


def _run(
    clone: nn.Module,
    fused: nn.Parameter,
    reader: nn.Module,
    call: Call,
    entries: dict[int, tuple[Tensor, Tensor]],
    gives: bool,
    moving: Tensor | None = None,
) -> Tensor | None:
    """What the heads give with these entries {feature: (rows, values)} of the weight; None where the forward fails."""
    matrix = torch.zeros(fused.shape, dtype=fused.dtype, device=fused.device)
    for column, (rows, values) in entries.items():
        matrix[rows, column] = values.view(-1, *(1,) * (fused.dim() - 2))
    if moving is not None:
        matrix[moving, 1] = 1
    fused.data = matrix
    inputs: list[Tensor] = []

    def listen(module: nn.Module, args: tuple[object, ...]) -> None:
        inputs.extend(value for value in args[:1] if isinstance(value, Tensor))

    handle = reader.register_forward_pre_hook(listen) if not gives else None
    try:
        result = clone(call.tokens, *call.others, **call.keywords)
    except (Exception, SystemExit):  # these arguments are not the attention's
        return None
    finally:
        if handle is not None:
            handle.remove()
    if gives:
        result = result[0] if isinstance(result, tuple) and result else result
        return result if isinstance(result, Tensor) else None
    return inputs[0] if inputs else None


def _along(response: Tensor, values: Tensor) -> bool:
    """Whether every token has these values."""
    axes = [axis for axis in range(response.dim()) if response.shape[axis] == len(values)]
    return any(bool(torch.allclose(response.movedim(axis, -1), values, atol=1e-3)) for axis in axes)
