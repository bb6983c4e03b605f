"""Weights that are kept in fewer bits: a pathway needs floating-point ones."""

from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from crosspath.pathway.parameters import holders
from crosspath.pathway.parametrization import is_sharded
from crosspath.pathway.sources import ModuleSource, Source

SMALL_INTEGERS = ("I8", "U8", "I32")
"""What packed or rounded matrices are kept as; tables of indices have 64 bits."""


def quantised_in(source: Source) -> list[str]:
    """The names of a source's quantised weights; of one that is no module, its matrices of small integers."""
    if isinstance(source, ModuleSource):
        return quantised_weights(source.module)
    matrices = {name: source.kind(name) for name, shape in source.shapes().items() if len(shape) == 2}
    return [f"{name} ({kind})" for name, kind in matrices.items() if kind in SMALL_INTEGERS]


def quantised_weights(model: nn.Module) -> list[str]:
    """The names of quantised weights, each with what it is kept as: packed by torch, integers, or a tensor class that
    stands for them (bitsandbytes, torchao).
    """
    packed = [
        f"{name}.weight ({type(module).__module__}.{type(module).__name__})"
        for name, module in model.named_modules()
        if "quantized" in type(module).__module__.split(".")
        and hasattr(module, "_packed_params")
        and not name.endswith("_packed_params")
    ]
    return packed + [
        f"{holder.name} ({type(holder.original).__name__}, {holder.original.dtype})"
        for holder in holders(model)
        if is_quantised(holder.original)
    ]


def is_quantised(weight: Tensor) -> bool:
    """Whether a weight holds something else than plain floating-point (or complex) values."""
    if is_sharded(weight):
        return False
    plain = weight.is_floating_point() or weight.is_complex()
    return not plain or is_traceable_wrapper_subclass(weight)
