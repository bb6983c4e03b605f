"""Where the first value stands that is not finite. The learning rate is at fault only for what updates have changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.errors import InputError
from crosspath.pathway.engines.held_weight import WEIGHTS
from crosspath.pathway.engines.parametrization import is_sharded, read_tensor
from crosspath.pathway.engines.pathway_weight import INSIDE
from crosspath.pathway.finite import all_finite
from crosspath.pathway.sources.parameters import holders
from crosspath.training.pathways import strengths_of

LOWER = "lower optimizer.lr"
LOWER_SCALE = "lower pathway.scale_init"
INNER = frozenset({INSIDE, WEIGHTS})
"""Child modules of a connected layer."""
STRONG = 100.0
"""‖λW'‖/‖W‖ at the start from which λ is named as a likely cause beside the learning rate."""


@torch.no_grad()
def check_weights(model: nn.Module, start: object) -> None:
    """Raise `InputError` for a model that begins with weights that are not finite: its own, or W + λ·W'.

    `start` names where its own weights come from.
    """
    for holder in holders(model):
        if is_sharded(holder.original):
            continue
        if not all_finite(holder.original):
            raise InputError(f"{holder.name} of {start}", "finite weights", "nan or infinity", "choose other weights")
        if holder.pathway is not None and not all_finite(read_tensor(holder.module, holder.attribute)):
            raise InputError(holder.name, "a finite W + λ·W'", "nan or infinity", LOWER_SCALE)


class DivergenceError(InputError):
    """Training that ended in values that are not finite, as too large a learning rate may do."""


def strongest(model: nn.Module) -> str | None:
    """The pathway that begins far above the target's own weight, in words; None where there is none."""
    ratios = [(ratio, weight) for weight, by_name in strengths_of(model).items() for ratio in by_name.values()]
    ratio, weight = max(ratios, default=(0.0, ""))
    return f"λ·W' began at {ratio:.3g} times W in {weight}" if ratio > STRONG else None


def loss_error(step: int, loss: float, strong: str | None) -> InputError:
    """For a loss that updates have made infinite or NaN."""
    found, todo = (f"{loss}", LOWER) if strong is None else (f"{loss}; {strong}", f"{LOWER_SCALE} or optimizer.lr")
    return DivergenceError(f"step {step} of training", "a finite loss", found, todo)


@torch.no_grad()
def sample_error(inputs: Tensor, names: Sequence[str]) -> InputError | None:
    """For the first sample of a part of a batch (B, ...) that is not finite; None where all are."""
    rows = inputs.flatten(1).isfinite().all(1).logical_not().nonzero().flatten().tolist()
    if not rows:
        return None
    return InputError(f"training sample {names[rows[0]]}", "finite values", "nan or infinity", "correct or remove it")


def first_error(model: nn.Module, forward: Callable[[], Any], loss: float) -> InputError:
    """For a loss that is not finite before anything was updated: the first module whose outputs are not finite."""
    with _listening(model) as names, torch.no_grad():
        forward()
    expected = "finite values before the first update"
    if not names:
        return InputError("the first loss", expected, str(loss), "set train.precision=float32, or check the data")
    module = model.get_submodule(names[0])
    own = [holder for holder in holders(model) if holder.module is module]
    largest = max((float(read_tensor(module, holder.attribute).detach().abs().max()) for holder in own), default=0.0)
    found = f"nan or infinity in its outputs; its weights reach {largest:.3g}"
    todo = "start from other weights, or set train.precision=float32"
    has_pathway = any(holder.pathway is not None for holder in own) or strongest(model) is not None
    return InputError(names[0], expected, found, LOWER_SCALE if has_pathway else todo)


def check_gradients(model: nn.Module, strong: str | None) -> None:
    """Raise `InputError` for the first gradient that is not finite, before anything was updated."""
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is not None and not is_sharded(gradient) and not all_finite(gradient):
            found = "nan or infinity" if strong is None else f"nan or infinity; {strong}"
            todo = "start from other weights, or set train.precision=float32" if strong is None else LOWER_SCALE
            raise InputError(f"the gradient of {name}", "finite values before the first update", found, todo)


@contextmanager
def _listening(model: nn.Module) -> Iterator[list[str]]:
    """The names of modules without children whose outputs are not finite, in the order in which they compute."""
    names: list[str] = []

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not all_finite(output):
                names.append(name)

        return note

    modules = [(name, module) for name, module in model.named_modules() if name and INNER.isdisjoint(name.split("."))]
    leaves = [(name, module) for name, module in modules if not {*dict(module.named_children())} - INNER]
    handles = [module.register_forward_hook(hook(name)) for name, module in leaves]
    try:
        yield names
    finally:
        for handle in handles:
            handle.remove()
