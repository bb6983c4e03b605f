"""Steps of an optimizer that holds pathways: through PyTorch's own hooks, for any optimizer that updates in `step`.

Before a step: λ·G and ⟨G, W'⟩ become the gradients of W' and λ, and W takes the place of the sum E in the module, so
that the optimizer's moments and its weight decay are those of W. After it: E = W + λ·W'. A step that raises, and the
closure that a step may call, find E in its place.
"""

import weakref
from collections.abc import Callable, Iterable
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from crosspath.errors import PathwayError
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.engines.held_weight import HeldWeight
from crosspath.pathway.engines.optimizer_groups import add_leaves
from crosspath.pathway.engines.parametrization import is_sharded

LIVE = "connect with engine='live'"
UNSUITABLE = ("LBFGS", "SAM", "Lookahead")
"""Optimizers that compute sums, or move weights, outside of one plain update: by class name, beside those with an
inner optimizer or a `train()` and `eval()` of their own, as schedule-free ones have."""
_steps: "weakref.WeakKeyDictionary[Optimizer, OptimizerSteps]" = weakref.WeakKeyDictionary()
"""Of every optimizer that was attached: it is not hooked twice, also where another one held its weights since."""


class OptimizerSteps:
    """The steps of one optimizer that holds the pathways of a target."""

    def __init__(self, optimizer: Optimizer, weights: Iterable[HeldWeight]) -> None:
        self.weights = list(weights)
        self._snapshot: list[list[tuple[Tensor | None, int]]] | None = None
        """The gradients of each weight, of W' and of λ, and the writes to them, where they stand already."""
        self._gradients: list[tuple[nn.Parameter, Tensor]] = []
        """Of weights that are frozen: E has one, for the sake of λ, and W takes none."""
        before = optimizer.register_step_pre_hook(self._before)
        after = optimizer.register_step_post_hook(self._after)
        plain_step = optimizer.step

        @wraps(plain_step)
        def step(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            _innermost(optimizer, before.id, after.id)
            try:
                return plain_step(*args, **kwargs)
            except BaseException:  # PyTorch calls no hook then.
                self.end()
                raise

        # A bound method, as schedulers expect.
        optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def fill_gradients(self) -> None:
        """Write the gradients of W' and λ."""
        for weight in self.weights:
            weight.clear_gradients()
        for weight in self.weights:
            weight.fill_gradients()

    def prepare(self) -> None:
        """Write the gradients of W' and λ; the next step uses them as they are."""
        self.fill_gradients()
        self._snapshot = [_writes(weight) for weight in self.weights]

    @property
    def is_prepared(self) -> bool:
        """Whether the gradients of W' and λ stand already, clipped perhaps, and belong to those of the weights."""
        if self._snapshot is None or len(self._snapshot) != len(self.weights):
            return False
        for weight, then in zip(self.weights, self._snapshot, strict=True):
            now = _writes(weight)
            writes = [new[1] - old[1] for new, old in zip(now, then, strict=False)]
            # A new gradient, or another backward into it; clipping writes to the others as well.
            if now[0][0] is not then[0][0] or len(now) != len(then) or writes[0] > min(writes):
                return False
            if any(new[0] is None and old[0] is not None for new, old in zip(now, then, strict=True)):
                return False
        return True

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def begin(self) -> None:
        """W takes E's place. Everything is checked before the first one does."""
        for weight in self.weights:
            if not weight.pathway.enabled or weight.pathway.off:
                raise PathwayError("step", "enabled pathways", "disabled ones", "step outside of `disabled()`")
            weight.check_sum()
        for weight in self.weights:
            weight.begin_step()
            parameter = weight.parameter
            if parameter.grad is not None and not weight.original.requires_grad:
                self._gradients.append((parameter, parameter.grad))
                parameter.grad = None

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def end(self) -> None:
        """E is back."""
        for weight in self.weights:
            weight.end_step()
            for leaf in weight.pathway.auxiliaries.values():
                leaf.grad = None  # As large as the weights, and computed before each step.
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        self._gradients.clear()
        self._snapshot = None

    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch._C._current_graph_task_id() != -1:
            raise PathwayError(type(optimizer).__name__, "a step after backward", "one inside of it", LIVE)
        # Merged and disconnected ones are plain weights by now.
        self.weights = [weight for weight in self.weights if weight.in_place and weight.optimizer is optimizer]
        self._check(optimizer)
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            if not self.is_prepared:
                self.fill_gradients()
            self.begin()
            return None
        self.begin()
        evaluate = self._outside_step(closure)
        return ((args[0], evaluate, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": evaluate})

    def _check(self, optimizer: Optimizer) -> None:
        """Refuse tensors that train and that the optimizer does not have: they would stay as they are."""
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for weight in self.weights:
            weight.check_switches()
            todo = "make the optimizer anew of the model's parameters, and attach it"
            missing = id(weight.parameter) not in own
            if not missing:
                todo = "call pathways(model).attach(optimizer) again"
                missing = any(leaf.requires_grad and id(leaf) not in own for leaf in weight.pathway.own_leaves())
            if missing:
                words = f"one of {weight.attribute} that it does not have"
                raise PathwayError(type(optimizer).__name__, "every tensor that trains", words, todo)

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


def _writes(weight: HeldWeight) -> list[tuple[Tensor | None, int]]:
    return [(gradient, 0 if gradient is None else gradient._version) for gradient in weight.gradients()]


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _innermost(optimizer: Optimizer, before: int, after: int) -> None:
    """Let other hooks of a step find the sums, whenever they were registered: ours run last before it, first after."""
    optimizer._optimizer_step_pre_hooks.move_to_end(before)  # type: ignore[attr-defined]
    optimizer._optimizer_step_post_hooks.move_to_end(after, last=False)  # type: ignore[attr-defined]


def fill_gradients(target: nn.Module) -> None:
    """Write the gradients of each W' and λ that an optimizer holds; the next step uses them as they are."""
    weights = list(held_weights(target))
    steps = {id(weight.steps): weight.steps for weight in weights if weight.steps is not None}
    if weights and not steps:
        todo = "call pathways(model).attach(optimizer) first"
        raise PathwayError("fill_gradients", "an attached optimizer", "none", todo)
    for step in steps.values():
        step.prepare()


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
    for weight in weights:
        weight.check_switches()
    every = weights
    parameters = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    weights = [weight for weight in weights if id(weight.parameter) in parameters]
    if not weights:
        todo = "make it from the target's parameters, or from crosspath.param_groups(target, lr=...)"
        raise PathwayError(name, "an optimizer of the target's weights", "one of none of them", todo)
    if any(is_sharded(weight.parameter) for weight in weights):
        raise PathwayError(name, "full tensors", "shards of them", LIVE)
    steps = _steps.get(optimizer)
    leaves = {id(leaf) for weight in weights for leaf in weight.pathway.own_leaves()}
    # Its moments may be those of pathways that were merged since, whose tensors would stay in its groups.
    if optimizer.state and (steps is None or not parameters & leaves):
        todo = f"attach before the first step and before load_state_dict; where it starts with a state, {LIVE}"
        raise PathwayError(name, "an optimizer without a state", "one that has moments", todo)
    _check_scales(optimizer, weights, every)
    has_names = any("param_names" in group for group in optimizer.param_groups)
    names = {id(value): key for key, value in target.state_dict(keep_vars=True).items()} if has_names else {}
    add_leaves(optimizer, weights, scale_lr, auxiliary_lr, names)
    if steps is None:
        steps = _steps[optimizer] = OptimizerSteps(optimizer, [])
    for weight in weights:
        weight.check_sum()
        weight.follow_leaves()
        weight.attach(optimizer, steps)
    steps.weights = [*dict.fromkeys([*steps.weights, *weights])]


def _check_scales(optimizer: Optimizer, weights: list[HeldWeight], every: list[HeldWeight]) -> None:
    """Refuse an optimizer that cannot hold a λ, or that holds a part of the tensors that λ acts on."""
    name = type(optimizer).__name__
    scales = {id(scale) for weight in weights for scale in weight.pathway.scales.values() if scale.requires_grad}
    if scales and isinstance(optimizer, getattr(torch.optim, "Muon", ())):
        raise PathwayError(name, "an optimizer of one-dimensional tensors, as λ is", "one of matrices alone", LIVE)
    own = {id(weight) for weight in weights}
    rest = [scale for weight in every if id(weight) not in own for scale in weight.pathway.terms()[1]]
    if any(id(scale) in scales for scale in rest):
        found, todo = "the weight alone", f"give it both, or {LIVE}"
        raise PathwayError(name, "a weight and its bias, which share λ, in one optimizer", found, todo)


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
    if name in UNSUITABLE or inner or modes:
        raise PathwayError(name, "an optimizer that moves weights in one plain step", "another kind", LIVE)
    return optimizer
