"""A layer whose weights are held by an optimizer: how it comes to be one, loads a state dict, and is plain again."""

from typing import Any, cast

import torch
from torch import nn

from crosspath.pathway.engines.held_weight import HELD, HeldWeight
from crosspath.pathway.engines.optimizer_watch import unwatch
from crosspath.pathway.engines.pathway_weight import INSIDE, warn_of_other_state


def hold(owner: nn.Module, attribute: str) -> HeldWeight:
    """Let `owner.attribute` be the sum of W, which it is now, and of pathways to come."""
    order = [name for name, parameter in owner._parameters.items() if parameter is not None]
    if HELD not in owner._modules:
        owner.add_module(HELD, nn.ModuleDict())
        # Any: PyTorch gives it no types.
        cast(Any, owner)._register_load_state_dict_pre_hook(_translate_names, with_module=True)
    held = HeldWeight(owner, attribute, order)
    owner.get_submodule(HELD).add_module(attribute, held)
    return held


def release(held: HeldWeight) -> nn.Parameter:
    """Remove the pathways; the layer's Parameter holds W."""
    owner, parameter = held.owner, held.parameter
    with torch.no_grad():
        parameter.copy_(held.original)
    parameter.requires_grad_(held.original.requires_grad)
    weights = owner.get_submodule(HELD)
    del weights._modules[held.attribute]
    unwatch(held)
    if not len(weights._modules):
        del owner._modules[HELD]
        for key, hook in list(owner._load_state_dict_pre_hooks.items()):
            if getattr(hook, "hook", None) is _translate_names:
                del owner._load_state_dict_pre_hooks[key]
    return parameter


def _translate_names(owner: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Before a layer loads: give the names of a state dict the path of the modules that load them."""
    for attribute, held in owner.get_submodule(HELD)._modules.items():
        assert isinstance(held, HeldWeight)
        start, path = f"{prefix}{INSIDE}.{attribute}.", f"{prefix}{HELD}.{attribute}."
        warn_of_other_state(prefix + attribute, start, held.pathway, state)
        for name in [name for name in state if name.startswith(start)]:
            state[path + name.removeprefix(start)] = state.pop(name)
