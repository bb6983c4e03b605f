"""Modules that wrap a model: which of them are seen through, and which a target must not be inside yet.

A pathway adds parameters. Whatever has already listed the parameters of a model (DistributedDataParallel's buckets,
FSDP's shards, a moving average) would miss them, so that connecting comes first.
"""

import gc
from os import PathLike
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from crosspath.errors import PathwayError

TRANSPARENT = {"OptimizedModule": "_orig_mod", "DistributedDataParallel": "module", "DataParallel": "module"}
"""{class: attribute of the model inside}. They compute what the model inside computes."""
COPIES = {"AveragedModel": "module"}
"""As an auxiliary, the average itself is meant."""
ACTIVATIONS = {"ActivationWrapper": "_checkpoint_wrapped_module"}
"""torch's wrappers for activation checkpointing and offloading; state dicts have the names of the module inside."""
CONNECT_FIRST = {
    "DistributedDataParallel": "delete the wrapper, connect the model that was inside, and wrap that",
    "FullyShardedDataParallel": "connect the plain model, and shard it afterwards",
    "DeepSpeedEngine": "connect the model before deepspeed.initialize",
    "_FabricModule": "connect the model before fabric.setup",
    "AveragedModel": "connect the model, and average it afterwards",
    "DataParallel": "connect the model inside; over several devices, wrap it in DistributedDataParallel afterwards",
    "ScriptModule": "connect the Python model",
}
"""{class: what to do}. They hold a list of parameters, or run without Python, so that λ and W' would be missed."""


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside torch.compile's, DistributedDataParallel's and DataParallel's wrappers."""
    return _inside(model, TRANSPARENT)


def unwrap_block(block: nn.Module) -> nn.Module:
    """The block inside torch.compile's wrapper, and inside those that recompute or offload activations."""
    return _inside(block, {"OptimizedModule": "_orig_mod"} | ACTIVATIONS)


def without_activation_wrappers(model: nn.Module) -> nn.Module:
    """The model, in place, with the modules that recompute or offload activations replaced by those inside."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            setattr(module, name, _inside(child, ACTIVATIONS))
    return model


def plain_name(name: str) -> str:
    """The name of a module or tensor as state dicts have it: without wrappers of activations."""
    for attribute in ACTIVATIONS.values():
        name = name.replace(f"{attribute}.", "")
    return name


def unwrap_auxiliary(model: nn.Module) -> nn.Module:
    """The same, and the average inside torch's AveragedModel."""
    return _inside(model, TRANSPARENT | COPIES)


def check_target(target: Any, auxiliary: object = None) -> nn.Module:
    """The model to connect, out of torch.compile's wrapper.

    Raises
    ------
    PathwayError
        For a target that is no module, and one in a wrapper that would miss its new parameters.
    """
    check_module(target, auxiliary)
    if target is auxiliary:
        todo = "pass another model; if the target's own weights are meant, a copy.deepcopy of it"
        raise PathwayError("auxiliary", "a model other than the target", "the target itself", todo)
    model = _inside(target, {"OptimizedModule": "_orig_mod"})
    for name, module in model.named_modules():
        kind = _class_among(module, CONNECT_FIRST)
        if kind is not None:
            where = f"{type(target).__name__} ({name})" if name else type(target).__name__
            raise PathwayError(where, "a model that is not wrapped yet", f"one in {kind}", CONNECT_FIRST[kind])
    if _is_in_live_ddp(model):
        kind = "DistributedDataParallel"
        todo = CONNECT_FIRST[kind]
        raise PathwayError(type(model).__name__, "a model that is not wrapped yet", f"one in a live {kind}", todo)
    return model


def check_module(target: object, auxiliary: object = None) -> None:
    """Raise `PathwayError` unless the target is a module whose weights have shapes."""
    if isinstance(target, nn.Module):
        check_shapes(target)
        return
    found = f"the path {target}" if isinstance(target, str | PathLike) else type(target).__name__
    todo = "pass the model itself"
    if isinstance(auxiliary, nn.Module):
        todo = "swap the two arguments: the target comes first"
    raise PathwayError("target", "a torch.nn.Module", found, todo)


def check_shapes(model: nn.Module) -> None:
    """Raise `PathwayError` for a lazy layer, whose weights have no shape yet."""
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            todo = "run the model once, which makes them"
            raise PathwayError(name, "a weight with a shape", "one of a lazy layer before its first input", todo)


def _inside(model: nn.Module, attributes: dict[str, str]) -> nn.Module:
    while (kind := _class_among(model, attributes)) is not None:
        inner = getattr(model, attributes[kind], None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def _class_among(module: nn.Module, names: dict[str, str]) -> str | None:
    """The wrapper class of these that a module is an instance of. By name: their libraries may not be installed."""
    libraries = ("torch", "deepspeed", "lightning", "lightning_fabric")
    for base in type(module).__mro__:
        if base.__name__ in names and base.__module__.partition(".")[0] in libraries:
            return base.__name__
    return None


def _is_in_live_ddp(model: nn.Module) -> bool:
    """Whether a DistributedDataParallel holds the model, or a part of it. It can exist in a process group only."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    parts = {id(module) for module in model.modules()}

    def holders() -> bool:
        ddp = nn.parallel.DistributedDataParallel
        live = [wrapper for wrapper in gc.get_objects() if issubclass(type(wrapper), ddp)]
        return any(id(part) in parts for wrapper in live for part in wrapper.modules())

    if not holders():
        return False
    gc.collect()  # a wrapper that was deleted may wait for the collector
    return holders()
