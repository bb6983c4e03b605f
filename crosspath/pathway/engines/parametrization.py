"""The live sum: a weight that is computed at every read, as a parametrization put into a module and removed again.

`torch.nn.utils.parametrize` turns `module.weight` into a property, so that every reader sees W + λ·W'. To do so it
gives the module a class of its own, which `copy.deepcopy` shares between original and copy: removing the property from
that class, as `remove_parametrizations` does, would break the other one. Here a class that may be shared is never
changed.
"""

import sys
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.nn.utils import parametrize

from crosspath.errors import PathwayError
from crosspath.pathway.engines.pathway_weight import INSIDE, PathwayWeight, warn_of_other_state


def live_pathway(module: nn.Module, attribute: str) -> PathwayWeight | None:
    """The pathways that compute `module.attribute` at every read, if it has any and nothing else."""
    steps = _steps(module, attribute)
    return steps[0] if len(steps) == 1 and isinstance(steps[0], PathwayWeight) else None


def is_computed_further(module: nn.Module, attribute: str) -> bool:
    """Whether another parametrization was added to the pathways that compute `module.attribute`."""
    steps = _steps(module, attribute)
    return len(steps) > 1 and any(isinstance(step, PathwayWeight) for step in steps)


def _steps(module: nn.Module, attribute: str) -> list[nn.Module]:
    """The parametrizations of `module.attribute`, in the order in which they compute it."""
    parametrizations = module._modules.get(INSIDE)
    steps = None if parametrizations is None else parametrizations._modules.get(attribute)
    return [*steps] if isinstance(steps, nn.ModuleList) else []


def read_tensor(module: nn.Module, attribute: str) -> Tensor:
    """`module.attribute` as it is computed with, and without changing it: in training mode, reading a spectrally
    normalised weight would take a step of its power iteration.
    """
    parametrizations = module._modules.get(INSIDE)
    steps = None if parametrizations is None else parametrizations._modules.get(attribute)
    training = [] if steps is None else [step for step in steps.modules() if step.training]
    try:
        for step in training:
            step.training = False
        value = getattr(module, attribute)
    finally:
        for step in training:
            step.training = True
    assert isinstance(value, Tensor)
    return value


def attach(module: nn.Module, attribute: str, former: PathwayWeight | None = None) -> PathwayWeight:
    """The pathways of `module.attribute`; where there is none yet, an empty `PathwayWeight` is registered, or the
    `former` one that was detached from there.
    """
    pathway = live_pathway(module, attribute)
    if pathway is not None:
        return pathway
    order = [name for name, parameter in module._parameters.items() if parameter is not None]
    parametrizations = module._modules.get(INSIDE)
    for other in parametrizations._modules if parametrizations is not None else ():
        neighbour = live_pathway(module, other)
        order = list(neighbour.parameter_order) if neighbour is not None else order
    if parametrize.is_parametrized(module):
        _unshare_class(module, without=())
    pathway = PathwayWeight(order) if former is None else former
    # An empty PathwayWeight returns its input, so PyTorch's own check of shape and dtype has nothing to compute.
    parametrize.register_parametrization(module, attribute, pathway)
    # PyTorch has given the module a class of its own, which goes with its last pathway.
    kind: Any = type(module)
    kind.__getstate__ = _refuse_pickling
    kind._load_from_state_dict = _warn_of_plain_state
    return pathway


def _refuse_pickling(module: nn.Module) -> NoReturn:
    raise PathwayError(
        type(module).__bases__[0].__name__,
        "a plain layer to pickle",
        "one with pathways",
        "save the model with crosspath.save_pathway or its state_dict(), or merge it first; a new process can be given "
        "the folder",
    )


def _warn_of_plain_state(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Load a state dict; with `strict=False` PyTorch would pass over W that is there under its plain name, or over
    missing λ and W', in silence.
    """
    for attribute in list(module.get_submodule(INSIDE)._modules):
        pathway = live_pathway(module, attribute)
        if pathway is not None:
            warn_of_other_state(prefix + attribute, f"{prefix}{INSIDE}.{attribute}.", pathway, state)
    plain: Any = type(module).__bases__[0]
    plain._load_from_state_dict(module, state, prefix, *others)


def detach(module: nn.Module, attribute: str) -> nn.Parameter:
    """Remove the pathways of `module.attribute`; the target's own Parameter object is back under its plain name."""
    pathway = live_pathway(module, attribute)
    assert pathway is not None
    parametrizations = module.get_submodule(INSIDE)
    original = parametrizations.get_submodule(attribute).original
    assert isinstance(original, nn.Parameter)
    del parametrizations._modules[attribute]
    if len(parametrizations._modules):
        _unshare_class(module, without=(attribute,))
    else:
        del module._modules[INSIDE]
        module.__class__ = type(module).__bases__[0]
    module.register_parameter(attribute, original)
    for name in pathway.parameter_order:
        if name in module._parameters:
            module._parameters[name] = module._parameters.pop(name)
    return original


def _unshare_class(module: nn.Module, without: tuple[str, ...]) -> None:
    """Replace the run-time class by an equal one, less some properties, that no copy of the module shares."""
    kind = type(module)
    omissions = {"__dict__", "__weakref__", *without}
    members = {name: member for name, member in vars(kind).items() if name not in omissions}
    module.__class__ = type(kind.__name__, kind.__bases__, members)


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is spread over processes (a DTensor, as FSDP2 makes them)."""
    # Who holds such a tensor has loaded its module, which nothing else needs and which takes a second to import.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)
