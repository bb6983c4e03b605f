"""Which weights are stored as (inputs, outputs), as those of GPT-2's layer are."""

import weakref
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from crosspath.pathway.sources.norms import isolation
from crosspath.pathway.sources.silent_copy import silent_copy
from crosspath.pathway.sources.source import Source

TORCH = (nn.Linear, _ConvNd, nn.Embedding, nn.MultiheadAttention)
"""Modules whose class tells that their rows are outputs; all others show it."""
_shown: "weakref.WeakKeyDictionary[type[nn.Module], dict[object, bool | None]]" = weakref.WeakKeyDictionary()
"""What layers have shown, by their class and settings: a deep model holds many that are alike."""
OF_EVERY_MODULE = frozenset(vars(nn.Module()))
PLAIN = (bool, int, float, str, type(None))


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
    """Whether the layer of a weight reads it as (inputs, outputs): shown by a copy with a single entry, which is run.
    None where there is no module, or where it does not run on tokens alone.
    """
    path, _, attribute = weight.rpartition(".")
    layer = source.attribute(path)
    if isinstance(layer, TORCH):
        return False
    if not isinstance(layer, nn.Module) or attribute != "weight" or len(shape) != 2 or 0 in shape:
        return None
    settings = _settings(layer)
    if settings is None:
        return _run(layer, shape)
    answers = _shown.setdefault(type(layer), {})
    if settings not in answers:
        answers[settings] = _run(layer, shape)
    return answers[settings]


def _settings(layer: nn.Module) -> tuple[object, ...] | None:
    """What two layers of one class can differ in, where that is only numbers, words and the shapes of parameters; None
    where it is more.
    """
    own = {name: value for name, value in vars(layer).items() if name not in OF_EVERY_MODULE}
    if layer._modules or layer._buffers or not all(isinstance(value, PLAIN) for value in own.values()):
        return None
    shapes = ((name, None if value is None else value.shape) for name, value in layer._parameters.items())
    return *sorted(own.items()), *shapes


def _run(layer: nn.Module, shape: tuple[int, ...]) -> bool | None:
    """Whether a layer reads a weight of this shape as (inputs, outputs), as in `shows_transposed`."""
    try:
        clone = silent_copy(layer).float()
        parameter = clone.get_parameter("weight")
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
