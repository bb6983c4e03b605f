"""The two ways out: merge stores W + λ·W' in the plain weight, disconnect drops the pathways."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_tensors
from crosspath.pathway.combine import exact_blocks
from crosspath.pathway.engines import detach
from crosspath.pathway.finite import all_finite
from crosspath.pathway.handle import pathways
from crosspath.pathway.origins import forget_origins
from crosspath.pathway.parameters import Holder, connections, plain_state
from crosspath.pathway.parametrization import is_sharded
from crosspath.pathway.pathway_weight import PathwayWeight
from crosspath.pathway.safeguards import release, unmoved


@dataclass(frozen=True, repr=False)
class Receipt:
    """What a merge did. `to_json()` gives plain data; printing it shows a line."""

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

    def __repr__(self) -> str:
        changes = [change for change in self.change.values() if change is not None]
        change = f", W changed by {min(changes):.2%} to {max(changes):.2%}" if changes else ""
        return (
            f"<Receipt: {len(self.change)} weights merged from {', '.join(self.auxiliaries)}{change}, "
            f"largest rounding {self.largest_drift:.2g}>"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain nested data."""
        return asdict(self)


def merge(target: nn.Module) -> Receipt:
    """Store every W + λ·W' as the plain weight, in place: plain classes, plain keys, the same Parameter objects.

    The stored values come from the function that the connected layers compute with, so the outputs are bitwise equal
    (eager mode, same dtype, threads and autocast). Takes the memory of one weight more.

    Raises
    ------
    PathwayError
        Without pathways; when a result is not finite, has no values (meta) or is sharded; when pathways are disabled
        or another parametrization computes the weight as well. The model is untouched.
    """
    handle = pathways(target)
    target = handle.target
    warning = unmoved(target)
    if warning is not None:
        warnings.warn(f"crosspath: {warning}", stacklevel=2)
    places = list(connections(target))
    # Every sum is computed twice, here to be checked and below to be stored: nothing is stored before all are checked,
    # and only one of them is in memory at a time.
    drift: dict[str, float] = {}
    change: dict[str, float | None] = {}
    for holder, pathway in places:
        drift[holder.name], change[holder.name] = _drift_and_change(holder.original, _sum(holder, pathway), pathway)
    scales: dict[str, dict[str, list[float]]] = {}
    for (name, auxiliary), scale in handle.scales().items():
        scales.setdefault(name, {})[auxiliary] = scale.detach().double().tolist()
    auxiliaries = {name: asdict(origin) for name, origin in handle.origins.items()}
    before = sha256_of_tensors(sorted(plain_state(target).items()))
    for holder, pathway in places:
        _store(holder, _sum(holder, pathway))
    forget_origins(target)
    release(target)
    after = sha256_of_tensors(sorted(plain_state(target).items()))
    return Receipt(scales, drift, change, auxiliaries, before, after)


def disconnect(target: nn.Module) -> None:
    """Drop every pathway, in place: the target's own weights, bitwise, under plain keys and in plain classes.

    Raises
    ------
    PathwayError
        Without pathways.
    """
    target = pathways(target).target
    for holder, _ in list(connections(target)):
        detach(holder.module, holder.attribute)
    forget_origins(target)
    release(target)


def _sum(holder: Holder, pathway: PathwayWeight) -> Tensor:
    """W + λ·W' as the layer computes it. Raises `PathwayError` where it cannot be stored."""
    auxiliaries, scales, _ = pathway.terms()
    name, tensors = holder.name, [holder.original, *auxiliaries, *scales]
    if not pathway.enabled:
        raise PathwayError(name, "enabled pathways", "disabled ones", "merge outside of `disabled()`")
    if any(is_sharded(tensor) for tensor in tensors):
        raise PathwayError(name, "full tensors", "shards of them", "gather the full model, then merge")
    if any(tensor.is_meta for tensor in tensors):
        todo = "load the values with load_pathway, then merge"
        raise PathwayError(name, "tensors with values", "some on the meta device", todo)
    if holder.held is not None:
        holder.held.check_sum(name)
    with torch.no_grad():
        # Not through the module's attribute: PyTorch's `parametrize.cached` could answer with an older sum.
        result: Tensor = pathway(holder.original)
    if not all_finite(result):
        raise PathwayError(
            name, "a finite W + λ·W'", "infinity or NaN", "check the training run; the model is unchanged"
        )
    return result


@torch.no_grad()
def _store(holder: Holder, result: Tensor) -> None:
    """Make the result the plain weight."""
    detach(holder.module, holder.attribute).copy_(result)


@torch.no_grad()
def _drift_and_change(original: Tensor, result: Tensor, pathway: PathwayWeight) -> tuple[float, float | None]:
    """The entries of a receipt: see `Receipt`. By blocks of rows, in float64."""
    drift, change, norm = torch.zeros(3, dtype=torch.float64, device=original.device)
    for rows, own, exact in exact_blocks(original, *pathway.terms()):
        stored = result[rows].double()
        drift = torch.maximum(drift, exact.sub_(stored).abs_().max())
        change += stored.sub_(own).square_().sum()
        norm += own.square_().sum()
    return float(drift), float((change / norm).sqrt()) if float(norm) else None
