"""A live model under its plain names, whatever is connected inside it."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.pathway.engines.engine import connected_attributes, held_weight, pathway_of
from crosspath.pathway.engines.held_weight import WEIGHTS, HeldWeight
from crosspath.pathway.engines.parametrization import is_computed_further, read_tensor
from crosspath.pathway.engines.pathway_weight import INSIDE, PathwayWeight
from crosspath.pathway.sources.wrappers import plain_name


@dataclass(frozen=True)
class Holder:
    """A parameter's place in a model: the module that owns it and the attribute under which it does."""

    name: str
    """Plain dotted name, such as `blocks.0.attn.qkv.weight`."""
    module: nn.Module
    attribute: str

    @property
    def pathway(self) -> PathwayWeight | None:
        """The pathways connected here."""
        return pathway_of(self.module, self.attribute)

    @property
    def held_weight(self) -> HeldWeight | None:
        """What holds W and the pathways beside this tensor, where its optimizer does."""
        return held_weight(self.module, self.attribute)

    @property
    def parameter(self) -> Tensor:
        """What an optimizer holds for this weight: the target's own parameter, or the sum that the module keeps."""
        weight = self.held_weight
        return self.original if weight is None else weight.parameter

    @property
    def foreign(self) -> bool:
        """Whether a parametrization that is not a pathway computes this tensor."""
        parametrizations = self.module._modules.get(INSIDE)
        inside = parametrizations is not None and self.attribute in parametrizations._modules
        return inside and self.pathway is None

    @property
    def original(self) -> Tensor:
        """The target's own parameter."""
        weight = self.held_weight
        if weight is not None:
            return weight.original
        if self.pathway is None:
            return read_tensor(self.module, self.attribute)
        value = self.module.get_submodule(f"{INSIDE}.{self.attribute}").original
        assert isinstance(value, Tensor)
        return value


def holders(model: nn.Module) -> Iterator[Holder]:
    """Every parameter of the plain model, in the plain model's order; a shared module is visited once."""
    for path, module in model.named_modules():
        if not {INSIDE, WEIGHTS}.isdisjoint(path.split(".")):
            continue
        for attribute in plain_attributes(module):
            yield Holder(plain_name(f"{path}.{attribute}" if path else attribute), module, attribute)


def plain_attributes(module: nn.Module) -> list[str]:
    """Names of the parameters that the module itself owns when nothing is connected, in their order."""
    own = [name for name, parameter in module._parameters.items() if parameter is not None]
    parametrizations = module._modules.get(INSIDE)
    if parametrizations is None:
        return own
    names = [name for name, _ in parametrizations.named_children()]
    order: list[str] = []
    for name in names:
        pathway = pathway_of(module, name)
        if pathway is not None and len(pathway.parameter_order) > len(order):
            order = list(pathway.parameter_order)
    present = {*own, *names}
    return [name for name in order if name in present] + [name for name in [*names, *own] if name not in order]


def every_parameter(model: nn.Module) -> Iterator[nn.Parameter]:
    """Every parameter of the model with W' and λ, whatever holds them, in the order of a model of live sums."""
    for module in model.modules():
        if isinstance(module, HeldWeight):
            yield module.parameter
            yield from module.pathway.parameters()
        for attribute, parameter in module._parameters.items():
            if parameter is not None and held_weight(module, attribute) is None:
                yield parameter


def connections(model: nn.Module) -> Iterator[tuple[Holder, PathwayWeight]]:
    """Every parameter that has pathways, with them.

    Raises
    ------
    PathwayError
        Where another parametrization was added to them: what that computes, λ alone does not say.
    """
    for holder in holders(model):
        pathway = holder.pathway
        if pathway is not None:
            yield holder, pathway
        elif is_computed_further(holder.module, holder.attribute):
            steps = f"{INSIDE}.{holder.attribute}"
            expected, found = "pathways alone to compute it", "another parametrization added to them"
            todo = f"delete that from {steps} of this layer, and add it again after merge or disconnect"
            raise PathwayError(holder.name, expected, found, todo)


def has_pathways(model: nn.Module) -> bool:
    """Whether the model has pathways."""
    return any(True for _ in connections(model))


def require_pathways(model: nn.Module) -> None:
    """Raise `PathwayError` for a model without pathways."""
    if not has_pathways(model):
        todo = "connect it first; after merge or disconnect it is a plain model"
        raise PathwayError(type(model).__name__, "a model with pathways", "none", todo)


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of the target alone: plain keys, the target's own tensors; nothing of the pathways."""
    plain_names: dict[str, str] = {}
    pathway_prefixes: list[str] = []
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = plain_name(f"{path}.") if path else ""
        for attribute in connected_attributes(module):
            plain_names[f"{prefix}{INSIDE}.{attribute}.original"] = prefix + attribute
            pathway_prefixes.append(f"{prefix}{INSIDE}.{attribute}.0.")
    return {
        plain_names.get(name, name): value
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor) and not name.startswith(tuple(pathway_prefixes))
    }
