"""Which kind of norm a module is, and which of its parameters scale and shift, told from what it computes."""

import torch
from torch import Tensor, nn

from crosspath.pathway.canonical.surroundings import NormBefore, plain_norms
from crosspath.pathway.canonical.watched_run import random_values, same

EPS = ("eps", "variance_epsilon", "epsilon", "layer_norm_eps")
"""Attributes that state a norm's ε."""


def norm_before(module: nn.Module, path: str, tokens: torch.Size) -> NormBefore | None:
    """What a norm computes; None where it is neither of the two kinds. `path`: its name, `tokens`: the shape of what it
    reads where it has no parameters.
    """
    parameters = dict(module.named_parameters())
    width = next((parameter.numel() for parameter in parameters.values()), tokens[-1])
    eps = next((value for name in EPS if isinstance(value := getattr(module, name, None), float)), 0.0)
    x = random_values((1, 3, width), seed=2) * 1e-2  # small: ε takes part
    before = {name: parameter.data for name, parameter in parameters.items()}
    try:
        nothing = _output_of(module, x, ())
        alone = {name: _output_of(module, x, (name,)) for name in parameters}
    finally:
        for name, parameter in parameters.items():
            parameter.data = before[name]
    if nothing is None:
        return None
    effects = {name: value - nothing for name, value in alone.items() if value is not None}
    shifts = [name for name, effect in effects.items() if same(effect, torch.ones_like(x))]
    scales = [name for name in parameters if name not in shifts]
    if len(effects) < len(parameters) or len(shifts) > 1 or len(scales) > 1:
        return None
    scale, shift = next(iter(scales), None), next(iter(shifts), None)
    unit = nothing if scale is None else effects[scale]
    kind = next((kind for kind, plain in plain_norms(x, eps) if same(unit, plain)), None)
    offset = 1.0 if scale is not None and bool(nothing.any()) else 0.0
    if kind is None or (offset and not same(nothing, unit)):
        return None
    scale, shift = (None if name is None else f"{path}.{name}" for name in (scale, shift))
    return NormBefore(kind, scale, shift, eps, offset)


def _output_of(module: nn.Module, x: Tensor, ones: tuple[str, ...]) -> Tensor | None:
    """What a norm gives with these parameters 1 and all others 0; None where it does not normalise the last axis."""
    for name, parameter in module.named_parameters():
        parameter.data = torch.full_like(parameter, float(name in ones))
    try:
        result = module(x)
    except (Exception, SystemExit):
        return None
    return result if isinstance(result, Tensor) and result.shape == x.shape else None
