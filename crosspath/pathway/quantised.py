"""Weights that are kept in fewer bits: a pathway needs floating-point ones."""

from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from crosspath.pathway.parameters import holders
from crosspath.pathway.parametrization import is_sharded


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
