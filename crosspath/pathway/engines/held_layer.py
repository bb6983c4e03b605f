"""A layer whose weights are held by an optimizer: how it comes to be one, loads a state dict, and is plain again."""

from typing import Any, cast

import torch
from torch import nn

from crosspath.pathway.engines.held_weight import WEIGHTS, HeldWeight
from crosspath.pathway.engines.optimizer_watch import unwatch
from crosspath.pathway.engines.pathway_weight import INSIDE, warn_of_other_state


def hold(owner: nn.Module, attribute: str) -> HeldWeight:
    """Let `owner.attribute` be the sum of W, which it is now, and of pathways to come."""
    order = [name for name, parameter in owner._parameters.items() if parameter is not None]
    if WEIGHTS not in owner._modules:
        owner.add_module(WEIGHTS, nn.ModuleDict())
        # Any: PyTorch gives it no types.
        cast(Any, owner)._register_load_state_dict_pre_hook(_translate_names, with_module=True)
    weight = HeldWeight(owner, attribute, order)
    owner.get_submodule(WEIGHTS).add_module(attribute, weight)
    return weight


def release(weight: HeldWeight) -> nn.Parameter:
    """Remove the pathways; the layer's Parameter holds W."""
    owner, parameter = weight.owner, weight.parameter
    with torch.no_grad():
        parameter.copy_(weight.original)
    parameter.requires_grad_(weight.original.requires_grad)
    weights = owner.get_submodule(WEIGHTS)
    del weights._modules[weight.attribute]
    unwatch(weight)
    if not len(weights._modules):
        del owner._modules[WEIGHTS]
        for key, hook in list(owner._load_state_dict_pre_hooks.items()):
            if getattr(hook, "hook", None) is _translate_names:
                del owner._load_state_dict_pre_hooks[key]
    return parameter


def _translate_names(owner: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Before a layer loads: give the names of a state dict the path of the modules that load them."""
    for attribute, weight in owner.get_submodule(WEIGHTS)._modules.items():
        assert isinstance(weight, HeldWeight)
        start, path = f"{prefix}{INSIDE}.{attribute}.", f"{prefix}{WEIGHTS}.{attribute}."
        warn_of_other_state(prefix + attribute, start, weight.pathway, state)
        for name in [name for name in state if name.startswith(start)]:
            state[path + name.removeprefix(start)] = state.pop(name)
