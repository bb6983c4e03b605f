"""What is done where a target whose optimizer holds its pathways is wrapped.

DistributedDataParallel gives each process the parameters of the first one, and so the sums alone. W, W' and λ, which
are no parameters of the model, go the same way here. torch.compile takes the model's own look at its sums for a part
of what it compiles, once and for all; so what it returns looks before each call.
"""

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.utils.hooks import RemovableHandle

from crosspath.errors import PathwayError


class HiddenTensors(Protocol):
    """A weight with tensors that are no parameters of its model."""

    def every_leaf(self) -> Iterator[nn.Parameter]:
        """W, each W' and each λ of its own."""

    def check_sum(self) -> None:
        """Write the sum anew where one of these was written since."""

    def write_sum(self) -> None:
        """E = W + Σ λ·W'."""

    def refresh(self) -> None:
        """`check_sum`, before a forward."""


_weights: "weakref.WeakSet[HiddenTensors]" = weakref.WeakSet()
_hooks: list[RemovableHandle] = []
"""At most one, on the registration of any module in another one."""


def watch_wrapping(weight: HiddenTensors) -> None:
    """Let the wrappers of this weight's model know of it."""
    _weights.add(weight)
    if not _hooks:
        _hooks.append(register_module_module_registration_hook(_before_wrapping))


def _before_wrapping(wrapper: nn.Module, name: str, model: nn.Module | None) -> None:
    if model is None:
        return
    if isinstance(wrapper, nn.parallel.DistributedDataParallel):
        # It has its process group by then, and sends the parameters afterwards.
        _send_leaves(model, wrapper.process_group)
    # By name: its own module takes seconds to import.
    elif type(wrapper).__name__ == "OptimizedModule" and _weights_of(model):
        wrapper.register_forward_pre_hook(_refresh_sums)


def watch_compiled(model: nn.Module) -> None:
    """The same for what torch.compile returned before the model was connected."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    if compiler is None:
        return
    parts = {id(module) for module in model.modules()}
    for wrapper in [entry for entry in gc.get_objects() if type(entry) is compiler.OptimizedModule]:
        if _refresh_sums in wrapper._forward_pre_hooks.values():
            continue
        if any(id(module) in parts for module in wrapper.modules()):
            wrapper.register_forward_pre_hook(_refresh_sums)


def _refresh_sums(wrapper: nn.Module, args: Any) -> None:
    if not torch.compiler.is_compiling():
        for weight in _weights_of(wrapper):
            weight.refresh()


def _weights_of(model: nn.Module) -> list[HiddenTensors]:
    modules: list[Any] = list(model.modules())
    return [module for module in modules if module in _weights]


@torch.no_grad()
def _send_leaves(model: nn.Module, group: Any) -> None:
    """Write the first process's W, W' and λ in all processes of the group, and their sums.

    Raises
    ------
    PathwayError
        Where the processes have other pathways.
    """
    weights = _weights_of(model)
    if not weights:
        return
    for weight in weights:
        weight.check_sum()
    leaves = [leaf for weight in weights for leaf in weight.every_leaf()]
    kinds: list[Any] = [None] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(kinds, [(tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves], group)
    if any(other != kinds[0] for other in kinds):
        expected, todo = "the same pathways in every process", "connect the same auxiliaries with the same options"
        raise PathwayError(type(model).__name__, expected, "W, W' or λ of other shapes or types in one", todo)
    first = torch.distributed.get_global_rank(group, 0)
    for leaf in leaves:
        torch.distributed.broadcast(leaf.detach(), src=first, group=group)
    for weight in weights:
        weight.write_sum()
