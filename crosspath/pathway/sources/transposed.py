"""Which weights are stored as (inputs, outputs), as those of GPT-2's layer are."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from crosspath.pathway.sources.norms import isolation
from crosspath.pathway.sources.silent_copy import silent_copy
from crosspath.pathway.sources.source import Source

TORCH = (nn.Linear, _ConvNd, nn.Embedding, nn.MultiheadAttention)
"""Modules whose class tells that their rows are outputs; all others show it."""


def transposed_weights(source: Source, path: str, weights: Mapping[str, tuple[int, ...]]) -> frozenset[str]:
    """Those of a block at a path, whose weights are named without it: as their layers show it, or, where these do not,
    by biases as long as the second axis. Square ones are then as the others are.
    """
    answers = {n: shows_transposed(source, path + n, shape) for n, shape in weights.items() if n.endswith(".weight")}
    biases = {n: weights.get(f"{n.removesuffix('weight')}bias") for n, answer in answers.items() if answer is None}
    matrices = {name: weights[name] for name, bias in biases.items() if bias is not None and len(weights[name]) == 2}
    by_bias = {name for name, (rows, columns) in matrices.items() if biases[name] == (columns,) and rows != columns}
    others = {name for name, (rows, columns) in matrices.items() if rows != columns} - by_bias
    of_layers = {name for name, answer in answers.items() if answer}
    return frozenset(of_layers | (matrices.keys() if by_bias and not others else by_bias))


def shows_transposed(source: Source, weight: str, shape: tuple[int, ...]) -> bool | None:
    """Whether the layer of a weight reads it as (inputs, outputs): shown by a copy with a single entry, which is run
    once. None where there is no module, or where it does not run on tokens alone.
    """
    path, _, attribute = weight.rpartition(".")
    layer = source.attribute(path)
    if isinstance(layer, TORCH):
        return False
    if not isinstance(layer, nn.Module) or attribute != "weight" or len(shape) != 2 or 0 in shape:
        return None
    try:
        clone = silent_copy(layer).float()
        parameter = clone.get_parameter(attribute)
    except Exception:  # a class of the user's that does not copy, or computes its weight
        return None
    rows, columns = shape
    parameter.data = torch.zeros(shape, dtype=torch.float32, device=parameter.device)
    parameter.data[0, -1] = 1
    with isolation(parameter.device):
        if _answers(clone, columns, columns - 1, rows, 0):
            return False
        return True if _answers(clone, rows, 0, columns, columns - 1) else None


def _answers(layer: nn.Module, inputs: int, source: int, outputs: int, destination: int) -> bool:
    """Whether a token of this input changes this output and no other."""
    device = next(layer.parameters()).device
    tokens = torch.zeros(1, 2, inputs, dtype=torch.float32, device=device)
    tokens[0, 1, source] = 1
    try:
        result = layer(tokens)
    except (Exception, SystemExit):  # a layer of other inputs
        return False
    if not isinstance(result, Tensor) or result.shape != (1, 2, outputs):
        return False
    return (result[0, 1] - result[0, 0]).nonzero().flatten().tolist() == [destination]
