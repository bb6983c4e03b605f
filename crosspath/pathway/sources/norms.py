"""Where a block normalises, found by where its norms act."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from crosspath.layouts import Norm
from crosspath.pathway.sources.silent_copy import Call, calls, is_matrix, norms_in, silent_copy

PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "addmm", "mm", "bmm", "baddbmm", "einsum")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRIES = 200
"""Forwards to try on a block before its norms are left unverified."""


def norm_placement(block: nn.Module) -> Norm | None:
    """Where a block normalises; None where it has no norms, or where that cannot be seen.

    A copy without values is run, never the block itself. With matrices of 0, whatever attention and mlp compute is the
    same for any input, so that the residual stream alone depends on it:

    - `pre`: a norm comes before the first matrix, or reads the residual stream and writes to matrices alone
    - `post`: a norm reads the residual stream and writes to it (BERT)
    - `res-post`: norms read what attention and mlp give and write to the residual stream (Swin V2, OLMo 2)

    Norms of queries and keys, and those inside an mlp, read and write inside: they do not count. A block with norms
    before and after its branches (Gemma 2) is `pre`.
    """
    if not norms_in(block):
        return None
    try:
        clone = silent_copy(block)
    except Exception:  # a class of the user's that does not copy
        return None
    device = next((parameter.device for parameter in clone.parameters()), torch.device("cpu"))
    with isolation(device):
        for _, call in zip(range(TRIES), calls(clone, None), strict=False):
            trace = _run(clone, call)
            if trace.norm_first:
                return "pre"
            if trace.output is not None:
                return _by_effects(clone, call, trace)
    return None


@contextmanager
def isolation(device: torch.device) -> Iterator[None]:
    """Run copies on a device without gradients or compilation; random numbers are drawn as if nothing had run."""
    devices = [device] if device.type == "cuda" else []
    # Without its compiler, which takes longer to import than torch itself, torch has nothing compiled to run.
    compiler = "torch._dynamo" in sys.modules
    eager = torch.compiler.set_stance("force_eager") if compiler else nullcontext()
    with device, eager, torch.no_grad(), torch.random.fork_rng(devices=devices):
        yield


@dataclass
class _Trace:
    """What one forward showed."""

    norm_first: bool = False
    """Whether a norm came before every matrix."""
    inputs: list[Tensor] = field(default_factory=list)
    """What each call of a norm read, in their order."""
    output: Tensor | None = None
    """None where the forward failed, or its result is not finite."""


def _by_effects(clone: nn.Module, call: Call, trace: _Trace) -> Norm | None:
    """The placement of a block that begins with a matrix."""
    assert trace.output is not None
    other = _run(clone, Call(call.tokens.flip(1, -1) * 2, call.others, call.keywords))
    if other.output is None or len(other.inputs) != len(trace.inputs):
        return None
    effects = set()
    for index, (first, second) in enumerate(zip(trace.inputs, other.inputs, strict=True)):
        response = _run(clone, call, change=index)
        if response.output is None:
            return None
        on_stream, writes = not torch.equal(first, second), not torch.equal(response.output, trace.output)
        effects.add((on_stream, writes))
    if (True, False) in effects:
        return "pre"
    if (True, True) in effects:
        return "post"
    return "res-post" if (False, True) in effects else None


def _run(clone: nn.Module, call: Call, change: int | None = None) -> _Trace:
    """One forward; what the norm of call number `change` gives is changed on the way."""
    trace = _Trace()
    products = _Products()

    def before_matrix(module: nn.Module, args: Any) -> None:
        products.count += 1

    def before_norm(module: nn.Module, args: Any, keywords: Any) -> None:
        if not products.count:
            trace.norm_first = True
            raise _NormFirstError  # nothing else is asked of this block
        trace.inputs.append(next(iter(_tensors((args, keywords))), torch.zeros((), device="cpu")).clone())

    def after_norm(module: nn.Module, args: Any, output: Any) -> Any:
        if change != len(trace.inputs) - 1 or not isinstance(output, Tensor):
            return None
        return output + torch.linspace(1, 2, output.numel(), dtype=output.dtype, device=output.device).view_as(output)

    norms = norms_in(clone)
    handles = [norm.register_forward_pre_hook(before_norm, with_kwargs=True) for norm in norms]
    handles += [norm.register_forward_hook(after_norm) for norm in norms]
    handles += [module.register_forward_pre_hook(before_matrix) for module in _mixers(clone)]
    try:
        with products:
            output = clone(call.tokens, *call.others, **call.keywords)
    except (Exception, SystemExit):  # these arguments are not the block's
        return trace
    finally:
        for handle in handles:
            handle.remove()
    tensors = _tensors(output)
    same = [tensor for tensor in tensors if tensor.shape == call.tokens.shape] or tensors
    if same and bool(same[0].isfinite().all()):
        trace.output = same[0].clone()
    return trace


class _NormFirstError(Exception):
    """Ends a forward that has shown enough."""


class _Products(TorchFunctionMode):
    """Counts matrix products, for modules that compute with the weights of others."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        self.count += name in PRODUCTS or (name in CONVOLUTIONS and is_matrix(args[1]))
        return func(*args, **(kwargs or {}))


def _mixers(block: nn.Module) -> Iterator[nn.Module]:
    """Modules with a matrix of their own, packed ones too; one that holds a norm begins wherever its parts begin."""
    for module in block.modules():
        own = (
            any(is_matrix(p) for p in module.parameters(recurse=False))
            or getattr(module, "in_features", None) is not None
        )
        if own and not norms_in(module):
            yield module


def _tensors(value: Any) -> list[Tensor]:
    """Floating-point tensors in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for part in value for tensor in _tensors(part)] if isinstance(value, tuple | list) else []
