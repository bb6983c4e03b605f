"""Notices a step of an optimizer that was never attached: it would update a sum E as if it were a plain weight, or W,
W' or λ without their gradients, which only the attached one has.
"""

import weakref
from collections.abc import Iterator
from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from crosspath.errors import PathwayError


class WatchedWeight(Protocol):
    """A weight whose optimizer has to know of its pathways."""

    def trained_tensors(self) -> Iterator[nn.Parameter]:
        """The sum E, and what trains of W, W' and λ."""

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer that knows."""


_weights: "weakref.WeakSet[WatchedWeight]" = weakref.WeakSet()
_counts: "weakref.WeakKeyDictionary[Optimizer, int]" = weakref.WeakKeyDictionary()
"""Optimizers that are attached, or hold none of these weights, with the number of their parameters."""
_hooks: list[RemovableHandle] = []
"""At most one, before the steps of all optimizers."""


def watch(weight: WatchedWeight) -> None:
    """Refuse steps that update this weight's sum without its pathways."""
    _weights.add(weight)
    _counts.clear()
    if not _hooks:
        _hooks.append(register_optimizer_step_pre_hook(_before_step))


def unwatch(weight: WatchedWeight) -> None:
    """Forget a weight whose pathways are gone: it may live on, in a cycle or an old optimizer, beside its successor."""
    _weights.discard(weight)
    _counts.clear()


def _before_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    if not _weights or _counts.get(optimizer) == count:
        return
    ids = parameter_ids(optimizer)
    others = [weight for weight in list(_weights) if weight.optimizer is not optimizer]
    if any(id(tensor) in ids for weight in others for tensor in weight.trained_tensors()):
        expected = "an optimizer that holds the pathways (engine='optimizer')"
        todo = "make one of the model's parameters and call crosspath.pathways(model).attach(optimizer) before training"
        raise PathwayError(type(optimizer).__name__, expected, "one that was not attached", todo)
    _counts[optimizer] = count


def parameter_ids(optimizer: Optimizer) -> set[int]:
    """Of all parameters that an optimizer has."""
    return {id(parameter) for group in getattr(optimizer, "param_groups", ()) for parameter in group["params"]}
