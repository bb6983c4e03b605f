"""Notices where a connected model is used in a way that leaves its pathways behind, and says what to do.

- A step of an optimizer that holds weights of the target but not its λ, and λ that were frozen after connecting.
- `save_pretrained` of a connected model: what it writes loads as a plain model with its weights missing.
- peft's merge of an adapter on a connected layer: it adds to the weight that it reads, which is computed at every read.
- Scales that had gradients but never moved (asked by `merge` and `status`).
"""

import gc
import warnings
import weakref
from collections.abc import Callable
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from crosspath.counts import first_names, quantity
from crosspath.errors import PathwayError
from crosspath.pathway.engines.engine import engine_of, held_weights
from crosspath.pathway.engines.optimizer_watch import parameter_ids
from crosspath.pathway.engines.wrapping import watch_compiled
from crosspath.pathway.origins import origins_of
from crosspath.pathway.sources.parameters import connections, has_pathways

SAVE = "save_pretrained"
MERGES = ("merge_and_unload", "merge_adapter")
"""peft's, of a whole model."""
LAYER_MERGE = "merge"
"""peft's, of one layer that has an adapter: those of a whole model call it."""
ADAPTER_PART = "base_layer"
"""The name of such a layer's own layer."""
SAVES_PATHWAYS = "saves_pathways"
"""The attribute of a class whose `save_pretrained` writes pathways too."""
SUMS = "_crosspath_sums"
"""The attribute of a target that holds the weights whose sums its optimizer writes."""
_optimizers: "weakref.WeakKeyDictionary[nn.Module, weakref.WeakSet[Optimizer]]" = weakref.WeakKeyDictionary()
"""Targets before their first step, with the optimizers that have stepped without any of their parameters."""
_hooks: list[RemovableHandle] = []
"""At most one, on the steps of all optimizers. It is removed outside of steps only: PyTorch iterates over its hooks."""


def guard(target: nn.Module) -> None:
    """Watch the first optimizer step that concerns the target, its `save_pretrained`, and peft's merges."""
    guard_saving(target)
    if engine_of(target) == "optimizer":
        _release_sums(target)
        target.__dict__[SUMS] = tuple(held_weights(target))
        target.register_forward_pre_hook(_refresh_sums)
        watch_compiled(target)
    elif any(scale.requires_grad for scale in _scales(target)):
        _optimizers[target] = weakref.WeakSet()
        if not _hooks:
            _hooks.append(register_optimizer_step_post_hook(_after_step))


def release(target: nn.Module) -> None:
    """The target is plain again, and so is a module inside that was connected by itself, as a Lightning module's is."""
    release_saving(target)
    for module in target.modules():
        _release_sums(module)
        _optimizers.pop(module, None)
    if not _optimizers:
        while _hooks:
            _hooks.pop().remove()


def _refresh_sums(target: nn.Module, args: Any) -> None:
    """Before a forward: λ, W or W' may have been written, by an average of weights for one."""
    if not torch.compiler.is_compiling():
        for weight in target.__dict__[SUMS]:
            weight.refresh()


def _release_sums(target: nn.Module) -> None:
    target.__dict__.pop(SUMS, None)
    for key, hook in list(target._forward_pre_hooks.items()):
        if hook is _refresh_sums:
            del target._forward_pre_hooks[key]


def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    if not _optimizers:
        return
    ids = parameter_ids(optimizer)
    for target, others in list(_optimizers.items()):
        if optimizer in others:
            continue
        if not any(id(parameter) in ids for parameter in target.parameters()):
            others.add(optimizer)
            continue
        del _optimizers[target]
        try:
            fault = _fault(target, ids)
        except PathwayError as error:  # the step is done: a warning says as much as an error would
            fault = str(error)
        if fault is not None:
            warnings.warn(f"crosspath: {fault}", stacklevel=3)


def _fault(target: nn.Module, ids: set[int]) -> str | None:
    """What is wrong at a step of an optimizer that holds these parameters."""
    scales = _scales(target)
    trainable = [scale for scale in scales if scale.requires_grad]
    if scales and not trainable:
        return (
            "every λ was frozen after `connect` (get_peft_model and requires_grad_(False) on the whole model do that), "
            "so the pathways do not train; connect after that, or connect(train_scale=False) if it is meant"
        )
    missing = {id(scale) for scale in trainable} - ids
    if not missing:
        return None
    # The λ of weights that this optimizer trains; or all of them, as where it trains a head alone.
    own = {
        id(pathway.scale(name))
        for holder, pathway in connections(target)
        if id(holder.original) in ids
        for name in pathway.scales
    }
    missing = missing if len(missing) == len(trainable) else missing & own
    # Rare: the heap is searched only where something is missing.
    live = [entry for entry in gc.get_objects() if issubclass(type(entry), Optimizer)]
    for other in live:
        missing -= parameter_ids(other)
    if not missing:
        return None
    return (
        f"{len(missing)} of {len(trainable)} λ are in no optimizer, so they do not train; make the optimizer after "
        "`connect` (or load_pathway), from crosspath.param_groups(model, lr=...) or all of model.parameters()"
    )


def scale_warning(target: nn.Module) -> str | None:
    """A warning where every trainable λ still has its first value although gradients reached it."""
    origins = origins_of(target)
    starts = {name: float(origin.options["scale_init"]) for name, origin in origins.items() if origin.options}
    has_gradient = False
    for _, pathway in connections(target):
        for name in pathway.scales:
            scale = pathway.scale(name)
            if not scale.requires_grad or scale.is_meta or name not in starts:
                continue
            if bool(scale.detach().ne(starts[name]).any()):
                return None
            has_gradient = has_gradient or (scale.grad is not None and bool(scale.grad.any()))
    if not has_gradient:
        return None
    return (
        "every λ has the value it was connected with, although gradients reached it; if the model was trained, its "
        "optimizer did not hold λ: make it after `connect`"
    )


def guard_saving(target: nn.Module) -> None:
    """Let `save_pretrained`, of the target and of every model inside it, warn, unless it writes pathways too; and
    peft's merges: those of its model, or, where the target is only a part of it, of each layer.
    """
    whole = any(callable(getattr(type(module), MERGES[0], None)) for module in target.modules())
    for module in target.modules():
        for name, fault in _FAULTS.items():
            method = getattr(type(module), name, None)
            own = name == SAVE and getattr(type(module), SAVES_PATHWAYS, False)
            if name == LAYER_MERGE and (whole or ADAPTER_PART not in module._modules):
                continue
            if callable(method) and not own and name not in module.__dict__:
                # An instance attribute that is a bound method: a copy of the model is bound to the copy.
                module.__dict__[name] = MethodType(_warn_before(method, fault), module)


def release_saving(target: nn.Module) -> None:
    """Give back the class's own methods."""
    for module in target.modules():
        for name in _FAULTS:
            if getattr(module.__dict__.get(name), "_crosspath", False):
                del module.__dict__[name]


def _warn_before(method: Any, fault: Callable[[nn.Module], str | None]) -> Any:
    @wraps(method)
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if (found := fault(self)) is not None:
            warnings.warn(f"crosspath: {found}", stacklevel=2)
        return method(self, *args, **kwargs)

    call._crosspath = True  # type: ignore[attr-defined]
    return call


def _fault_of_saving(model: nn.Module) -> str | None:
    if not has_pathways(model):
        return None
    return (
        f"{SAVE} writes a connected model, which loads as a plain one with its weights missing; "
        "call crosspath.merge before it, or save with crosspath.save_pathway"
    )


def _fault_of_merging(model: nn.Module) -> str | None:
    """Switched off, as `merge_lora` has them, pathways leave the layer its own weight."""
    names = [h.name for h, pathway in connections(model) if pathway.enabled and ADAPTER_PART in h.name.split(".")]
    if not names:
        return None
    return (
        f"this merge loses the adapters of {quantity(len(names), 'connected weight')} ({first_names(names, 1)}); "
        "call crosspath.merge before it, or crosspath.integrations.peft.merge_lora in its place"
    )


_FAULTS: dict[str, Callable[[nn.Module], str | None]] = {
    SAVE: _fault_of_saving,
    **dict.fromkeys((*MERGES, LAYER_MERGE), _fault_of_merging),
}
"""What is wrong with calling each of these methods of a model."""


def _scales(target: nn.Module) -> list[nn.Parameter]:
    return [pathway.scale(name) for _, pathway in connections(target) for name in pathway.scales]
