"""Steps of an optimizer that holds pathways: through PyTorch's own hooks, for any optimizer that updates in `step`.

Before a step: λ·G and ⟨G, W'⟩ become the gradients of W' and λ, and W takes the place of the sum E in the module, so
that the optimizer's moments and its weight decay are those of W. After it: E = W + λ·W'. A step that raises, and the
closure that a step may call, find E in its place.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from crosspath.errors import PathwayError
from crosspath.pathway.engines import held_weights
from crosspath.pathway.held_weight import HeldWeight
from crosspath.pathway.optimizer_groups import add_leaves
from crosspath.pathway.parametrization import is_sharded

LIVE = "connect with engine='live'"
REFUSED = ("LBFGS", "SAM", "Lookahead")
"""Optimizers that compute sums, or move weights, outside of one plain update: by class name, beside those with an
inner optimizer or a `train()` and `eval()` of their own, as schedule-free ones have."""


class OptimizerSteps:
    """The steps of one optimizer that holds the pathways of a target."""

    def __init__(self, optimizer: Optimizer, weights: Iterable[HeldWeight]) -> None:
        self.weights = list(weights)
        self.prepared = False
        """Whether the gradients of W' and λ stand already, clipped perhaps."""
        self._gradients: list[tuple[nn.Parameter, Tensor]] = []
        """Of weights that are frozen: E has one, for the sake of λ, and W takes none."""
        optimizer.register_step_pre_hook(self._before)
        optimizer.register_step_post_hook(self._after)
        plain_step = optimizer.step

        @wraps(plain_step)
        def step(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            try:
                return plain_step(*args, **kwargs)
            except BaseException:  # PyTorch calls no hook then.
                self.end()
                raise

        # A bound method, as schedulers expect.
        optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def fill_gradients(self) -> None:
        """Write the gradients of W' and λ; the next step uses them as they are."""
        for held in self.weights:
            held.clear_gradients()
        for held in self.weights:
            held.fill_gradients()
        self.prepared = True

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def begin(self) -> None:
        """W takes E's place. Everything is checked before the first one does."""
        for held in self.weights:
            if not held.pathway.enabled or held.pathway.off:
                raise PathwayError("step", "enabled pathways", "disabled ones", "step outside of `disabled()`")
            held.check_sum()
        for held in self.weights:
            held.begin_step()
            parameter = held.parameter
            if parameter.grad is not None and not held.original.requires_grad:
                self._gradients.append((parameter, parameter.grad))
                parameter.grad = None

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def end(self) -> None:
        """E is back."""
        for held in self.weights:
            held.end_step()
            for leaf in held.pathway.auxiliaries.values():
                leaf.grad = None  # As large as the weights, and computed before each step.
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        self._gradients.clear()
        self.prepared = False

    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch._C._current_graph_task_id() != -1:
            raise PathwayError(type(optimizer).__name__, "a step after backward", "one inside of it", LIVE)
        # Merged and disconnected ones are plain weights by now.
        self.weights = [held for held in self.weights if held.in_place and held.optimizer is optimizer]
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            if not self.prepared:
                self.fill_gradients()
            self.begin()
            return None
        self.begin()
        evaluate = self._outside_step(closure)
        return ((args[0], evaluate, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": evaluate})

    def _after(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.end()

    def _outside_step(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """A closure that computes with E, and leaves the gradients of its backward."""

        @wraps(closure)
        def evaluate() -> Any:
            self.end()
            loss = closure()
            self.fill_gradients()
            self.begin()
            return loss

        return evaluate


def fill_gradients(target: nn.Module) -> None:
    """Write the gradients of each W' and λ that an optimizer holds; the next step uses them as they are."""
    steps = {id(held.steps): held.steps for held in held_weights(target)}
    if None in steps.values():
        todo = "call pathways(model).attach(optimizer) first"
        raise PathwayError("fill_gradients", "an attached optimizer", "none", todo)
    for step in steps.values():
        step.fill_gradients()


def attach_optimizer(
    target: nn.Module, optimizer: Optimizer, scale_lr: float | None, auxiliary_lr: float | None
) -> None:
    """Let the optimizer hold the pathways of those weights of the target that it has; see `Pathways.attach`."""
    optimizer = _plain_optimizer(optimizer)
    name = type(optimizer).__name__
    weights = list(held_weights(target))
    if not weights:
        todo = "leave `attach` out: λ and W' are parameters of the model"
        raise PathwayError("attach", "a target connected with engine='optimizer'", "engine='live'", todo)
    parameters = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    weights = [held for held in weights if id(held.parameter) in parameters]
    if not weights:
        todo = "make it from the target's parameters, or from crosspath.param_groups(target, lr=...)"
        raise PathwayError(name, "an optimizer of the target's weights", "one of none of them", todo)
    if any(is_sharded(held.parameter) for held in weights):
        raise PathwayError(name, "full tensors", "shards of them", LIVE)
    steps = next((held.steps for held in weights if held.optimizer is optimizer), None)
    if any(held.optimizer not in (None, optimizer) for held in weights):
        raise PathwayError(name, "weights that no other optimizer holds", "some of another's", "attach one optimizer")
    if steps is None and optimizer.state:
        todo = "attach before the first step and before load_state_dict"
        raise PathwayError(name, "an optimizer without a state", "one that has moments", todo)
    add_leaves(optimizer, weights, scale_lr, auxiliary_lr)
    if steps is None:
        steps = OptimizerSteps(optimizer, [])
    for held in weights:
        held.check_sum()
        held.follow_leaves()
        held.attach(optimizer, steps)
    steps.weights = [*dict.fromkeys([*steps.weights, *weights])]


def _plain_optimizer(optimizer: Any) -> Optimizer:
    """The optimizer itself, inside a wrapper that steps it as it is. Raises `PathwayError` for one that cannot hold
    pathways.
    """
    while isinstance(getattr(optimizer, "optimizer", None), Optimizer):  # accelerate's, Lightning's
        optimizer = optimizer.optimizer
    name = type(optimizer).__name__
    if not isinstance(optimizer, Optimizer):
        raise PathwayError("attach", "a torch.optim.Optimizer", name, "pass the optimizer")
    inner = any(isinstance(getattr(optimizer, part, None), Optimizer) for part in ("base_optimizer", "_base_optimizer"))
    modes = callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))
    if name in REFUSED or inner or modes:
        raise PathwayError(name, "an optimizer that moves weights in one plain step", "another kind", LIVE)
    return optimizer
