"""One forward of a block's copy, with what each weight is multiplied with, and with changes on the way."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import multi_head_attention_forward
from torch.overrides import TorchFunctionMode

from crosspath.pathway.sources.norms import CONVOLUTIONS, PRODUCTS
from crosspath.pathway.sources.silent_copy import Call, is_matrix

EQUAL = 1e-5
"""Difference up to which outputs count as equal: libraries compute RMSNorm in float32, whatever they are given."""

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    output: Tensor
    reads: Mapping[str, list[Tensor]]
    """{weight: what it was multiplied with}."""


def run(
    clone: nn.Module,
    call: Call,
    norms: Mapping[nn.Module, Change] | None = None,
    products: Mapping[str, Change] | None = None,
) -> Run | None:
    """One forward, with what norms and products give changed on the way; None where it fails."""
    handles = [
        norm.register_forward_hook(lambda module, args, output, change=change: change(output))
        for norm, change in (norms or {}).items()
    ]
    watch = _Watch(clone, products or {})
    try:
        with watch:
            output = clone(call.tokens, *call.others, **call.keywords)
    except (Exception, SystemExit):  # these arguments are not the block's
        return None
    finally:
        for handle in handles:
            handle.remove()
    output = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(output, Tensor) or output.shape != call.tokens.shape or not bool(output.isfinite().all()):
        return None
    return Run(output.clone(), watch.reads)


class _Watch(TorchFunctionMode):
    """Notes what each weight is multiplied with, and changes what comes out."""

    def __init__(self, module: nn.Module, changes: Mapping[str, Change]) -> None:
        super().__init__()
        self.names = {p.untyped_storage().data_ptr(): name for name, p in module.named_parameters()}
        self.changes = changes
        self.reads: dict[str, list[Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        args = (*args, *(kwargs[word] for word in ("input", "weight") if word in kwargs))
        if func is multi_head_attention_forward:
            return self._attention(args, kwargs, result)
        if name not in PRODUCTS and name not in CONVOLUTIONS:
            return result
        # A bias is no factor: addmm has it first, the others after the factors.
        factors = args[1:3] if name == "addmm" else args[:3] if name == "einsum" else args[:2]
        weights = [self.names.get(_address(value)) for value in factors]
        for weight, other in zip(weights, reversed(factors[-2:]), strict=False) if len(factors) == 2 else ():
            if weight is not None and isinstance(other, Tensor) and self.names.get(_address(other)) is None:
                self.reads.setdefault(weight, []).append(other.detach().clone())
                if weight in self.changes and isinstance(result, Tensor):
                    result = self.changes[weight](result)
        return result

    def _attention(self, args: Any, kwargs: Any, result: Any) -> Any:
        """torch's own attention computes everything in one function."""
        values = dict(zip(multi_head_attention_forward.__code__.co_varnames, args, strict=False)) | kwargs
        inputs = ("query", "key", "value")
        separate = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        for read, own in zip(inputs, separate, strict=True):
            weight = self.names.get(_address(values.get(own))) or self.names.get(_address(values.get("in_proj_weight")))
            if weight is not None:
                self.reads.setdefault(weight, []).append(values[read].detach().clone())
        output = self.names.get(_address(values.get("out_proj_weight")))
        if output is None:
            return result
        self.reads.setdefault(output, []).append(
            torch.zeros((), device="cpu")
        )  # the heads' values, which nothing normalises
        if output in self.changes and isinstance(result, tuple):
            return (self.changes[output](result[0]), *result[1:])
        return result


def _address(value: object) -> int:
    """Where its values begin; 0 for anything else."""
    return value.untyped_storage().data_ptr() if isinstance(value, Tensor) else 0


@contextmanager
def plain_attention() -> Iterator[None]:
    """Without torch's fast path, which computes a whole layer in one kernel."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def in_double(call: Call) -> Call:
    def double(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.double() if value.is_floating_point() else value
        return tuple(map(double, value)) if isinstance(value, tuple) else value

    keywords = {name: double(value) for name, value in call.keywords.items()}
    return Call(call.tokens.double(), tuple(map(double, call.others)), keywords)


def with_ramp(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value + torch.linspace(1, 2, value.numel(), dtype=value.dtype, device=value.device).view_as(value)


def random_values(shape: torch.Size | tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")


def randomise(clone: nn.Module) -> None:
    """Random matrices that keep the size of what they read; vectors around 1."""
    for index, parameter in enumerate(clone.parameters()):
        values = random_values(parameter.shape, seed=index)
        fan = parameter[0].numel() if is_matrix(parameter) else 1
        parameter.data = values / math.sqrt(fan) if fan > 1 else 1 + values / 4


def same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=EQUAL, atol=EQUAL)
