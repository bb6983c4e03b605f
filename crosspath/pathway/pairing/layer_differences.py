"""What two layers make of weights of equal shape: kinds of convolution."""

from collections.abc import Iterable, Mapping

from torch.nn.modules.conv import _ConvNd

from crosspath.pathway.report import Mismatch, Pair
from crosspath.pathway.sources.source import Source


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
            f"{names[0]}{'' if len(names) == 1 else f' and {len(names) - 1} more'}",
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
