"""What two layers make of weights of equal shape: kinds of convolution, and which way round a weight is stored."""

from collections.abc import Iterable, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from crosspath.counts import first_names
from crosspath.pathway.report import Mismatch, Pair
from crosspath.pathway.sources.source import Source
from crosspath.pathway.sources.transposed import shows_transposed


def compare_convolutions(pairs: Iterable[Pair], target: Source, auxiliary: Source) -> list[Mismatch]:
    """Convolutions whose equal shapes mean different things: a transposed one stores (inputs, outputs, *kernel) and
    mirrors its kernel; one in groups reads other inputs for each of its outputs. A linear layer is a plain one.
    """
    weights_by_fault: dict[tuple[str, str], list[str]] = {}
    shapes = target.shapes(), auxiliary.shapes()
    for pair in pairs:
        ours = _convolution(target, pair.target.weight, shapes[0])
        theirs = _convolution(auxiliary, pair.auxiliary.weight, shapes[1])
        if ours is not None and theirs is not None and ours != theirs:
            weights_by_fault.setdefault((ours, theirs), []).append(pair.target.weight)
    return [
        Mismatch(
            "convolution",
            first_names(names, 1),
            f"target's convolution is {ours}, auxiliary's {theirs}",
            "choose other weights with names=, or an auxiliary with the same convolutions",
        )
        for (ours, theirs), names in weights_by_fault.items()
    ]


def _convolution(source: Source, weight: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """What the weight of a convolution means beyond its shape; None where a kernel has no module that tells it."""
    module = source.attribute(weight.rpartition(".")[0])
    if not isinstance(module, _ConvNd):
        return "plain" if len(shapes[weight]) == 2 else None
    groups = "" if module.groups == 1 else f" in {module.groups} groups"
    return f"{'transposed' if module.transposed else 'plain'}{groups}"


def unknown_orientations(pairs: Iterable[Pair], target: Source, auxiliary: Source) -> list[str]:
    """Square weights of which nothing shows whether their rows are outputs, beside those of another class."""
    sides = (target, target.shapes()), (auxiliary, auxiliary.shapes())
    classes: dict[tuple[str, str], None] = {}
    for pair in pairs:
        names = pair.target.weight, pair.auxiliary.weight
        owners = [side.attribute(name.rpartition(".")[0]) for (side, _), name in zip(sides, names, strict=True)]
        if type(owners[0]) is type(owners[1]):
            continue
        for which, (side, shapes), name, owner in zip(("target", "auxiliary"), sides, names, owners, strict=True):
            shape = shapes[name]
            square = isinstance(owner, nn.Module) and len(shape) == 2 and shape[0] == shape[1]
            if square and shows_transposed(side, name, shape) is None:
                classes[which, type(owner).__name__] = None
    return [f"orientation of weights of the {side}'s {owner}: taken as (outputs, inputs)" for side, owner in classes]
