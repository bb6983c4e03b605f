"""Which weights are stored as (inputs, outputs): those of transformers' Conv1D, GPT-2's layer."""

from collections.abc import Mapping

from torch import nn

from crosspath.pathway.sources.source import Source

CONV1D = ("transformers", "Conv1D")


def transposed_weights(source: Source, path: str, weights: Mapping[str, tuple[int, ...]]) -> frozenset[str]:
    """Those of a block at a path, whose weights are named without it: by the class of their layer, or, where there are
    no modules, by biases as long as the second axis. Square ones are as the others are.
    """
    biases = {name: weights.get(f"{name.removesuffix('weight')}bias") for name in weights if name.endswith(".weight")}
    owners = [source.attribute((path + name).rpartition(".")[0]) for name in biases]
    if any(isinstance(owner, nn.Module) for owner in owners):
        return frozenset(name for name, owner in zip(biases, owners, strict=True) if _is_conv1d(owner))
    matrices = {name: weights[name] for name, bias in biases.items() if bias is not None and len(weights[name]) == 2}
    by_bias = {name for name, (rows, columns) in matrices.items() if biases[name] == (columns,) and rows != columns}
    others = {name for name, (rows, columns) in matrices.items() if rows != columns} - by_bias
    return frozenset(matrices if by_bias and not others else by_bias)


def _is_conv1d(owner: object) -> bool:
    return (type(owner).__module__.partition(".")[0], type(owner).__name__) == CONV1D
