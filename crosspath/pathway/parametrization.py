"""The parametrization that holds all pathways of one weight, and how it is put into a module and removed again.

`torch.nn.utils.parametrize` turns `module.weight` into a property, so that every reader sees W + λ·W'. To do so it
gives the module a class of its own, which `copy.deepcopy` shares between original and copy: removing the property from
that class, as `remove_parametrizations` does, would break the other one. Here a class that may be shared is never
changed.
"""

import sys
import warnings
from collections.abc import Iterable
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.nn.utils import parametrize

from crosspath.errors import PathwayError
from crosspath.pathway.combine import effective_weight
from crosspath.pathway.spread import Spread

INSIDE = "parametrizations"
"""The module name under which PyTorch keeps what computes a parametrized tensor."""


class PathwayWeight(nn.Module):
    """All pathways of one target weight (or bias): each auxiliary W' with its scales λ.

    The target's own weight stays in PyTorch's `ParametrizationList.original`.
    """

    def __init__(self, parameter_order: Iterable[str]) -> None:
        super().__init__()
        self.auxiliaries = nn.ParameterDict()
        self.scales = nn.ParameterDict()
        self.spreads: dict[str, Spread] = {}
        self.lenders: dict[str, tuple[PathwayWeight]] = {}
        """A bias borrows λ from its weight's pathways. In a tuple, so that nn.Module does not register λ twice: under
        two names it would become two when parameters are replaced (`assign=True`, a move to the meta device)."""
        self.pieces: dict[str, tuple[str, ...]] = {}
        """Of each auxiliary: the weights that W' was cut from, such as `blocks.0.attn.qkv.weight[0:192]`."""
        self.enabled = True
        self.parameter_order = tuple(parameter_order)
        """The module's parameter names before it was connected; merging restores this order."""

    def add(
        self, name: str, auxiliary: nn.Parameter, scale: nn.Parameter, spread: Spread, pieces: tuple[str, ...]
    ) -> None:
        """Add one pathway under `name`; sums run in the order of adding."""
        self.auxiliaries[name] = auxiliary
        self.scales[name] = scale
        self.spreads[name] = spread
        self.pieces[name] = pieces

    def borrow(
        self, name: str, auxiliary: nn.Parameter, lender: "PathwayWeight", spread: Spread, pieces: tuple[str, ...]
    ) -> None:
        """Add one pathway that computes with the λ of another tensor's pathway of this name."""
        self.auxiliaries[name] = auxiliary
        self.lenders[name] = (lender,)
        self.spreads[name] = spread
        self.pieces[name] = pieces

    def auxiliary(self, name: str) -> nn.Parameter:
        """W'."""
        # The dict itself: a ParameterDict takes ten times as long, at every read of a weight.
        value = self.auxiliaries._parameters[name]
        assert value is not None
        return value

    def scale(self, name: str) -> nn.Parameter:
        """λ, its own or borrowed."""
        lender = self.lenders.get(name)
        value = (self if lender is None else lender[0]).scales._parameters[name]
        assert value is not None
        return value

    def terms(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[Spread]]:
        """Each W', its λ and how they lie on W, in the order in which they are summed."""
        names = list(self.spreads)
        return [*map(self.auxiliary, names)], [*map(self.scale, names)], [*self.spreads.values()]

    def _replicate_for_data_parallel(self) -> NoReturn:
        todo = "wrap the model in DistributedDataParallel, or train it on one device"
        raise PathwayError("DataParallel", "a model without pathways", "a connected one", todo)

    def forward(self, weight: Tensor) -> Tensor:
        """W + Σ λ·W', or W itself while the pathways are disabled."""
        if not self.enabled or not self.spreads:
            return weight
        return effective_weight(weight, *self.terms())


def pathway_of(module: nn.Module, attribute: str) -> PathwayWeight | None:
    """The pathways that compute `module.attribute`, if it has any and nothing else."""
    parametrizations = module._modules.get(INSIDE)
    steps = None if parametrizations is None else parametrizations._modules.get(attribute)
    if isinstance(steps, nn.ModuleList) and len(steps) == 1 and isinstance(steps[0], PathwayWeight):
        return steps[0]
    return None


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


def attach(module: nn.Module, attribute: str) -> PathwayWeight:
    """The pathways of `module.attribute`; an empty `PathwayWeight` is registered where there is none yet."""
    pathway = pathway_of(module, attribute)
    if pathway is not None:
        return pathway
    order = [name for name, parameter in module._parameters.items() if parameter is not None]
    parametrizations = module._modules.get(INSIDE)
    for other in parametrizations._modules if parametrizations is not None else ():
        neighbour = pathway_of(module, other)
        order = list(neighbour.parameter_order) if neighbour is not None else order
    if parametrize.is_parametrized(module):
        _unshare_class(module, without=())
    pathway = PathwayWeight(order)
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
    for attribute in [name for name in module.get_submodule(INSIDE)._modules if pathway_of(module, name) is not None]:
        inside = f"{prefix}{INSIDE}.{attribute}."
        own = [name for name in module.get_submodule(INSIDE).state_dict() if name.startswith(f"{attribute}.0.")]
        missing = [name for name in own if f"{prefix}{INSIDE}.{name}" not in state]
        if f"{inside}original" not in state and prefix + attribute in state:
            reason, todo = "the state dict is a plain model's, and its W is not loaded", "load it before `connect`"
        elif f"{inside}original" in state and missing:
            reason, todo = f"it lacks {', '.join(missing)}", "connect as the saved model was, or use load_pathway"
        else:
            continue
        where = f"load_state_dict of the connected {prefix}{attribute}"
        warnings.warn(f"crosspath: {where}: {reason}; {todo}", stacklevel=2)
    plain: Any = type(module).__bases__[0]
    plain._load_from_state_dict(module, state, prefix, *others)


def detach(module: nn.Module, attribute: str) -> nn.Parameter:
    """Remove the pathways of `module.attribute`; the target's own Parameter object is back under its plain name."""
    pathway = pathway_of(module, attribute)
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
    shared = type(module)
    skipped = {"__dict__", "__weakref__", *without}
    members = {name: member for name, member in vars(shared).items() if name not in skipped}
    module.__class__ = type(shared.__name__, shared.__bases__, members)


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is spread over processes (a DTensor, as FSDP2 makes them)."""
    # Who holds such a tensor has loaded its module, which nothing else needs and which takes a second to import.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)
