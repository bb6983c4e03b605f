"""The pathways of a run: connected as its recipe says, and read for its log and result."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.save import has_pathways
from crosspath.config.training import PathwaySection
from crosspath.pathway import connect, match, pathways, status
from crosspath.pathway.parameters import connections
from crosspath.pathway.parametrization import is_sharded


def connect_auxiliaries(
    model: nn.Module, section: PathwaySection, auxiliaries: Mapping[str, nn.Module | Mapping[str, Tensor]]
) -> None:
    """Give the model a pathway from each auxiliary, as the recipe's `pathway` section says."""
    selection: dict[str, Any] = {
        "roles": section.roles,
        "names": section.names,
        "blocks": section.blocks,
        "accept": section.accept,
    }
    if section.shrink != 1.0:
        reports = [match(model, weights, **selection) for weights in auxiliaries.values()]
        _shrink(model, {pair.target.weight for report in reports for pair in report.pairs}, section.shrink)
    connect(
        model,
        dict(auxiliaries),
        **selection,
        scale_init=section.scale_init,
        scale_per=section.scale_per,
        train_scale=section.train_scale,
        train_auxiliary=section.train_auxiliary,
        bias=section.bias,
    )


@torch.no_grad()
def _shrink(model: nn.Module, weights: set[str], factor: float) -> None:
    for name in weights:
        model.get_parameter(name).mul_(factor)


def scales_of(model: nn.Module) -> dict[str, dict[str, list[float]]]:
    """{weight: {auxiliary: λ}}; empty without pathways."""
    if not has_pathways(model):
        return {}
    values: dict[str, dict[str, list[float]]] = {}
    for (weight, name), scale in pathways(model).scales().items():
        values.setdefault(weight, {})[name] = scale.detach().float().cpu().tolist()
    return values


def strengths_of(model: nn.Module) -> dict[str, dict[str, float]]:
    """{weight: {auxiliary: ‖λW'‖/‖W‖}}; empty for a plain model."""
    values: dict[str, dict[str, float]] = {}
    for row in status(model) if has_pathways(model) else ():
        if row.ratio is not None and math.isfinite(row.ratio):
            values.setdefault(row.weight, {})[row.auxiliary] = row.ratio
    return values


def starts_of(model: nn.Module) -> dict[tuple[str, str], Tensor]:
    """{(weight, auxiliary): a copy of W' on the CPU} of every W' that trains and is not sharded."""
    if not has_pathways(model):
        return {}
    return {
        key: auxiliary.detach().cpu().clone()
        for key, auxiliary in pathways(model).auxiliaries().items()
        if auxiliary.requires_grad and not is_sharded(auxiliary)
    }


def likeness_of(model: nn.Module, starts: Mapping[tuple[str, str], Tensor]) -> dict[str, dict[str, float]]:
    """{weight: {auxiliary: cosine of W' with where it began}}; of those in `starts`. Near 0, W' was overwritten."""
    values: dict[str, dict[str, float]] = {}
    for (weight, name), auxiliary in pathways(model).auxiliaries().items() if starts else ():
        if (weight, name) in starts and not is_sharded(auxiliary):
            now, then = auxiliary.detach().cpu().double().flatten(), starts[weight, name].double().flatten()
            lengths = float(now.norm() * then.norm())
            values.setdefault(weight, {})[name] = float(now @ then) / lengths if lengths else 0.0
    return values


def sizes_of(model: nn.Module) -> dict[str, float]:
    """{weight: root mean square of W + λ·W'}; empty for a plain model."""
    values: dict[str, float] = {}
    for holder, _ in connections(model):
        weight = getattr(holder.module, holder.attribute).detach()
        if not is_sharded(weight):
            values[holder.name] = float(weight.double().square().mean().sqrt())
    return values
