"""The two ways out: merge stores W + λ·W' in the plain weight, disconnect drops the pathways."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_tensors
from crosspath.pathway.combine import Spread
from crosspath.pathway.handle import forget_origins, pathways
from crosspath.pathway.parameters import Holder, connections, plain_state
from crosspath.pathway.parametrization import PathwayWeight, detach, is_sharded


@dataclass(frozen=True)
class Receipt:
    """What a merge did. `to_json()` gives plain data."""

    scales: Mapping[str, Mapping[str, list[float]]]
    """{weight: {auxiliary: λ}}."""
    drift: Mapping[str, float]
    """{weight: largest |stored value - (W + λ·W' in float64)|}: the rounding of the stored sum."""
    change: Mapping[str, float | None]
    """{weight: ‖stored - W‖ / ‖W‖}; None where W is zero."""
    auxiliaries: Mapping[str, Mapping[str, Any]]
    """{auxiliary: where it came from and how it was connected}."""
    sha256_before: str
    """Of the target's own tensors, by plain name."""
    sha256_after: str
    """Of the merged tensors."""

    @property
    def largest_drift(self) -> float:
        """The largest drift of all weights."""
        return max(self.drift.values())

    def to_json(self) -> dict[str, Any]:
        """Plain nested data."""
        return asdict(self)


def merge(target: nn.Module) -> Receipt:
    """Store every W + λ·W' as the plain weight, in place: plain classes, plain keys, the same Parameter objects.

    The stored values come from the function that the connected layers compute with, so the outputs are bitwise equal
    (eager mode, same dtype, threads and autocast).

    Raises
    ------
    PathwayError
        Without pathways; when a result is not finite, has no values (meta) or is sharded; when pathways are switched
        off or a foreign parametrization stands on top. The model is untouched.
    """
    handle = pathways(target)
    places = list(connections(target))
    results = {holder.name: _checked_sum(holder, pathway) for holder, pathway in places}
    scales: dict[str, dict[str, list[float]]] = {}
    for (name, auxiliary), scale in handle.scales().items():
        scales.setdefault(name, {})[auxiliary] = scale.detach().double().tolist()
    drift: dict[str, float] = {}
    change: dict[str, float | None] = {}
    for holder, pathway in places:
        original, result = holder.original.detach(), results[holder.name]
        drift[holder.name] = float((result.double() - _sum_in_float64(original, pathway)).abs().max())
        norm = float(original.double().norm())
        change[holder.name] = float((result.double() - original.double()).norm()) / norm if norm else None
    auxiliaries = {name: asdict(origin) for name, origin in handle.origins.items()}
    before = sha256_of_tensors(sorted(plain_state(target).items()))
    for holder, _ in places:
        parameter = detach(holder.module, holder.attribute)
        with torch.no_grad():
            parameter.copy_(results[holder.name])
    forget_origins(target)
    after = sha256_of_tensors(sorted(plain_state(target).items()))
    return Receipt(scales, drift, change, auxiliaries, before, after)


def disconnect(target: nn.Module) -> None:
    """Drop every pathway, in place: the target's own weights, bitwise, under plain keys and in plain classes.

    Raises
    ------
    PathwayError
        Without pathways.
    """
    pathways(target)
    for holder, _ in list(connections(target)):
        detach(holder.module, holder.attribute)
    forget_origins(target)


def _checked_sum(holder: Holder, pathway: PathwayWeight) -> Tensor:
    if not pathway.enabled:
        raise PathwayError(f"{holder.name}: its pathways are switched off; merge outside of `disabled()`")
    names = list(pathway.spreads)
    tensors = [holder.original, *map(pathway.auxiliary, names), *map(pathway.scale, names)]
    if any(is_sharded(tensor) for tensor in tensors):
        raise PathwayError(f"{holder.name}: its values are spread over processes; gather the full model, then merge")
    if any(tensor.is_meta for tensor in tensors):
        raise PathwayError(f"{holder.name}: no values (meta device); load them with load_pathway, then merge")
    with torch.no_grad():
        # Not through the module's attribute: PyTorch's `parametrize.cached` could answer with an older sum.
        result: Tensor = pathway(holder.original)
    if not bool(torch.isfinite(result).all()):
        raise PathwayError(f"{holder.name}: W + λ·W' is not finite; the model is left as it was")
    return result


def _sum_in_float64(original: Tensor, pathway: PathwayWeight) -> Tensor:
    """W + Σ λ·W' in float64, written out run by run: an account of the sum that shares no code with the formula."""
    total = original.double().clone()
    for name, spread in pathway.spreads.items():
        auxiliary = pathway.auxiliary(name).detach().double()
        factors = _factors(pathway.scale(name).detach().double(), spread, auxiliary.shape)
        period = spread.rows // spread.groups
        rows = [
            group * period + row
            for group in range(spread.groups)
            for start, stop in spread.segments
            for row in range(start, stop)
        ]
        total.index_add_(spread.along, torch.tensor(rows, device=total.device), factors * auxiliary)
    return total


def _factors(scale: Tensor, spread: Spread, shape: torch.Size) -> Tensor:
    entries = [
        scale[first + entry * (last - first) // length]
        for _ in range(spread.repeats)
        for first, last, length in spread.runs
        for entry in range(length)
    ]
    view = [1] * len(shape)
    view[spread.axis] = len(entries)
    return torch.stack(entries).reshape(view)
