"""Where numbers are computed and in which precision; the same choice for training, evaluation and prediction."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.models.sizes import size_of

WIDE = 128
"""From this width on bfloat16 is the faster one on processors that multiply in it (`benchmarks/precision_step.py`)."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A device, a precision, and why."""

    device: torch.device
    precision: str
    """`float32`, or `bfloat16` or `float16`: weights stay float32, matrix products run in it (autocast)."""
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which models run."""
        if self.precision == "float32":
            return nullcontext()
        context = ExitStack()
        context.enter_context(torch.autocast(self.device.type, dtype=getattr(torch, self.precision)))
        if self.device.type == "cpu":
            context.enter_context(_AttentionInFloat32())
        return context


class _AttentionInFloat32(TorchFunctionMode):
    """Attention itself stays in float32 while the products with weights run in less.

    On a CPU the backward pass of torch's fused attention takes several times as long in bfloat16 as in float32, more
    than all that bfloat16 saves elsewhere in a narrow model.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        if func is not scaled_dot_product_attention:
            return func(*args, **options)
        query = args[0] if args else options["query"]
        with torch.autocast("cpu", enabled=False):
            output = func(*map(_to_float32, args), **{name: _to_float32(value) for name, value in options.items()})
        return output.to(query.dtype)


def _to_float32(value: Any) -> Any:
    """A tensor in half precision as float32; anything else, a mask of booleans too, as it is."""
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value


def choose_compute(recipe: Recipe) -> Compute:
    """Resolve `train.device` and `train.precision`. The choice depends on machine and recipe alone, never on timing.

    Raises
    ------
    InputError
        For a device that this machine or this build of torch lacks.
    """
    section = recipe.train
    has_cuda = torch.cuda.is_available()
    if section.device == "cuda" and not has_cuda:
        raise InputError("train.device", "a CUDA device", "none that torch can use", "set train.device=cpu")
    device = torch.device("cuda" if has_cuda and section.device != "cpu" else "cpu")
    if section.precision != "auto":
        return Compute(device=device, precision=section.precision, reason="train.precision asks for it")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        reason = "the GPU computes in it" if fast else "the GPU does not compute in bfloat16"
    elif not _cpu_multiplies_bfloat16():
        fast, reason = False, "the processor does not multiply in bfloat16"
    else:
        fast = size_of(recipe.model).width >= WIDE
        reason = "the processor supports it" if fast else "bfloat16 is not faster at this width"
    return Compute(device=device, precision="bfloat16" if fast else "float32", reason=reason)


def _cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16 products (AVX512-BF16, AMX, or Arm's BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    words = set(flags.split())
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & words)
