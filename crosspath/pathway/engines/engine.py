"""The two ways in which a weight is connected, behind one set of functions.

`live`: every read of the weight computes W + λ·W' (parametrization.py). `optimizer`: the module holds the sum, and the
optimizer W, W' and λ (held_weight.py).
"""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import nn

from crosspath.errors import PathwayError
from crosspath.pathway.engines import parametrization
from crosspath.pathway.engines.held_layer import hold, release
from crosspath.pathway.engines.held_weight import WEIGHTS, HeldWeight
from crosspath.pathway.engines.pathway_weight import INSIDE, PathwayWeight

Engine = Literal["live", "optimizer"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


def held_weight(module: nn.Module, attribute: str) -> HeldWeight | None:
    """What holds W and the pathways of `module.attribute`, where its optimizer does."""
    weights = module._modules.get(WEIGHTS)
    weight = None if weights is None else weights._modules.get(attribute)
    return weight if isinstance(weight, HeldWeight) else None


def held_weights(model: nn.Module) -> Iterator[HeldWeight]:
    """Every weight that an optimizer holds, in the order of the modules."""
    for module in model.modules():
        if isinstance(module, HeldWeight):
            yield module


def pathway_of(module: nn.Module, attribute: str) -> PathwayWeight | None:
    """The pathways of `module.attribute`, if it has any, and nothing but them computes it."""
    weight = held_weight(module, attribute)
    return parametrization.live_pathway(module, attribute) if weight is None else weight.pathway


def connected_attributes(module: nn.Module) -> list[str]:
    """The names of the module's own tensors that have pathways."""
    groups = [module._modules[inside] for inside in (INSIDE, WEIGHTS) if inside in module._modules]
    names = [name for group in groups if group is not None for name in group._modules]
    return [name for name in names if pathway_of(module, name) is not None]


def engine_of(model: nn.Module) -> Engine | None:
    """How a model is connected; None where it is not."""
    if next(held_weights(model), None) is not None:
        return "optimizer"
    return "live" if any(map(connected_attributes, model.modules())) else None


def check_engine(engine: Engine) -> None:
    """Raise `PathwayError` for an engine that there is not."""
    if engine not in ENGINES:
        raise PathwayError("engine", " or ".join(map(repr, ENGINES)), repr(engine), "choose one of them")


def check_same_engine(engine: Engine, model: nn.Module) -> None:
    """Raise `PathwayError` for an engine that there is not, another one than the model is connected with, and inside of
    `torch.inference_mode`.
    """
    check_engine(engine)
    if torch.is_inference_mode_enabled():  # λ and W' could never train
        expected, todo = "a connection outside of torch.inference_mode()", "connect before that block"
        raise PathwayError("connect", expected, "one inside", todo)
    present = engine_of(model)
    if present not in (None, engine):
        todo = f"connect with engine={present!r}, or disconnect first"
        raise PathwayError("engine", f"{present!r}, as the target is connected", repr(engine), todo)


def attach(module: nn.Module, attribute: str, engine: Engine) -> PathwayWeight:
    """The pathways of `module.attribute`; an empty `PathwayWeight` where there is none yet."""
    if engine == "live":
        return parametrization.attach(module, attribute)
    weight = held_weight(module, attribute)
    return hold(module, attribute).pathway if weight is None else weight.pathway


def detach(module: nn.Module, attribute: str) -> nn.Parameter:
    """Remove the pathways of `module.attribute`; the target's own Parameter object is there, with W's values."""
    weight = held_weight(module, attribute)
    return parametrization.detach(module, attribute) if weight is None else release(weight)
