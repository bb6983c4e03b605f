"""The ways out: merge stores W + λ·W' in the plain weight, which unmerge takes back; disconnect drops the pathways."""

import warnings
from collections.abc import Iterable
from dataclasses import asdict

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_tensors
from crosspath.pathway.engines.combine import effective_weight, exact_blocks
from crosspath.pathway.engines.engine import detach
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.engines.parametrization import attach, is_sharded
from crosspath.pathway.engines.pathway_weight import PathwayWeight
from crosspath.pathway.finite import all_finite
from crosspath.pathway.handle import Pathways, pathways
from crosspath.pathway.origins import add_origin, forget_origins, origins_of
from crosspath.pathway.receipt import Backup, Receipt
from crosspath.pathway.safeguards import guard, release, scale_warning
from crosspath.pathway.sources.parameters import Holder, connections, has_pathways, holders, plain_state
from crosspath.pathway.sources.wrappers import check_module, unwrap

Terms = tuple[list[Tensor], list[nn.Parameter], list[Overlay]]


def merge(target: nn.Module, *names: str, keep: bool = False) -> Receipt:
    """Store every W + λ·W' as the plain weight, in place: plain classes, plain keys, the same Parameter objects.

    The stored values come from the function that the connected layers compute with, so the outputs are bitwise equal
    (eager mode, same dtype, threads and autocast). Takes the memory of one weight more.

    Parameters
    ----------
    names
        Merge these auxiliaries and leave the others connected; all of them when none is named. Sums run in the order of
        connecting: outputs stay bitwise equal where the first ones are merged, and equal to rounding otherwise.
    keep
        Keep W, W' and λ in the receipt, for `unmerge`: the memory of one more target. Of all auxiliaries at once, and
        with `engine="live"` only.

    Raises
    ------
    PathwayError
        Without pathways; when a result is not finite, has no values (meta) or is sharded; when pathways are disabled
        or another parametrization computes the weight as well; for an unknown name. The model is untouched.
    """
    handle = pathways(target)
    target = handle.target
    handle.check_names(names, "merge")
    if keep and not set(handle.names) <= {*(names or handle.names)}:
        raise PathwayError(
            "merge", "keep=True for all auxiliaries at once", ", ".join(names), "name none, or merge without keep=True"
        )
    warning = scale_warning(target)
    if warning is not None:
        warnings.warn(f"crosspath: {warning}", stacklevel=2)
    places = _places(handle, names)
    if keep and any(holder.held_weight is not None for holder, *_ in places):
        expected = "engine='live', for keep=True"
        raise PathwayError("merge", expected, "engine='optimizer'", "merge without keep=True")
    # Every sum is computed twice, here to be checked and below to be stored: nothing is stored before all are checked,
    # and only one of them is in memory at a time.
    drift: dict[str, float] = {}
    change: dict[str, float | None] = {}
    for holder, pathway, own in places:
        result = _sum(holder, pathway, own)
        drift[holder.name], change[holder.name] = _drift_and_change(holder.original, result, pathway.terms_of(own))
    scales: dict[str, dict[str, list[float]]] = {}
    for (name, auxiliary), scale in handle.scales().items():
        if auxiliary in (names or handle.names):
            scales.setdefault(name, {})[auxiliary] = scale.detach().double().tolist()
    records = {
        holder.name: {name: pathway.derived[name] for name in own if name in pathway.derived}
        for holder, pathway, own in places
        if any(name in pathway.derived for name in own)
    }
    origins = {name: origin for name, origin in handle.origins.items() if name in (names or handle.names)}
    before = sha256_of_tensors(sorted(plain_state(target).items()))
    weights = {holder.name: (holder.original.detach().clone(), pathway) for holder, pathway, _ in places if keep}
    for holder, pathway, own in places:
        with torch.no_grad():
            holder.original.copy_(_sum(holder, pathway, own))
    # A bias borrows λ from its weight's pathway, so none goes before all sums are stored.
    _drop(target, places, origins)
    after = sha256_of_tensors(sorted(plain_state(target).items()))
    auxiliaries = {name: asdict(origin) for name, origin in origins.items()}
    backup = Backup(weights, origins) if keep else None
    return Receipt(scales, drift, change, auxiliaries, before, after, records, backup)


def unmerge(target: nn.Module, receipt: Receipt) -> Pathways:
    """Take a merge back, in place: connected again, with W, W' and λ as they were, to the bit. `disconnect` then gives
    the plain target.

    Parameters
    ----------
    receipt
        What `merge(target, keep=True)` returned.

    Raises
    ------
    PathwayError
        For a receipt that kept nothing, and a target whose weights are not those that the merge left, or lie on another
        device. The model is untouched.
    """
    check_module(target)
    target = unwrap(target)
    backup = receipt.backup if isinstance(receipt, Receipt) else None
    if backup is None:
        found = "one that kept nothing" if isinstance(receipt, Receipt) else f"a {type(receipt).__name__}"
        todo = "merge with keep=True; or load the connected model again with load_pathway"
        raise PathwayError("receipt", "that of merge(target, keep=True)", found, todo)
    if sha256_of_tensors(sorted(plain_state(target).items())) != receipt.sha256_after:
        todo = "load the connected model again with load_pathway"
        raise PathwayError(type(target).__name__, "the weights that the merge left", "others", todo)
    places = {holder.name: holder for holder in holders(target)}
    for name, (original, _) in backup.weights.items():
        if places[name].original.device != original.device:
            found = f"{places[name].original.device}, and {original.device} when it was merged"
            raise PathwayError(name, "one device", found, "move the model back, then unmerge it")
    for name, (original, pathway) in backup.weights.items():
        with torch.no_grad():
            places[name].original.copy_(original)
        attach(places[name].module, places[name].attribute, pathway)
    handle = Pathways(target)
    for name, origin in backup.origins.items():
        add_origin(target, name, origin)
    guard(target)
    return handle


def disconnect(target: nn.Module, *names: str) -> None:
    """Drop every pathway, or those of the auxiliaries that are named, in place. Without any the target has its own
    weights, bitwise, under plain keys and in plain classes.

    Raises
    ------
    PathwayError
        Without pathways, and for an unknown name.
    """
    handle = pathways(target)
    handle.check_names(names, "disconnect")
    selection = tuple(names) or handle.names
    _drop(handle.target, _places(handle, names), selection)


Place = tuple[Holder, PathwayWeight, tuple[str, ...]]
"""A connected weight, its pathways, and the auxiliaries among them that leave it."""


def _places(handle: Pathways, names: tuple[str, ...]) -> list[Place]:
    selection = names or handle.names
    every = [
        (holder, pathway, tuple(name for name in pathway.overlays if name in selection))
        for holder, pathway in connections(handle.target)
    ]
    for holder, pathway, own in every:
        if holder.held_weight is not None and len(own) < len(pathway.overlays):
            expected, todo = "a model connected with engine='live'", "name none, for all auxiliaries"
            raise PathwayError("one auxiliary of several", expected, "'optimizer', which holds them together", todo)
    return [place for place in every if place[2]]


def _drop(target: nn.Module, places: list[Place], names: Iterable[str]) -> None:
    """Remove the pathways from these auxiliaries; a weight without any is plain again."""
    for holder, pathway, own in places:
        if len(own) == len(pathway.overlays):
            detach(holder.module, holder.attribute)
        else:
            pathway.remove(own)
    if has_pathways(target):
        forget_origins(target, names)
    else:
        forget_origins(target, origins_of(target))
        release(target)


def _sum(holder: Holder, pathway: PathwayWeight, names: tuple[str, ...]) -> Tensor:
    """W + λ·W' of these auxiliaries, as the layer computes it. Raises `PathwayError` where it cannot be stored."""
    leaves = [pathway.auxiliary(name) for name in names]
    if pathway.learned is not None:
        leaves += pathway.learned.parameters()
    name, tensors = holder.name, [holder.original, *leaves, *map(pathway.scale, names)]
    if not pathway.enabled or pathway.off:
        raise PathwayError(name, "enabled pathways", "disabled ones", "merge outside of `disabled()`")
    if any(is_sharded(tensor) for tensor in tensors):
        raise PathwayError(name, "full tensors", "shards of them", "gather the full model, then merge")
    if any(tensor.is_meta for tensor in tensors):
        todo = "load the values with load_pathway, then merge"
        raise PathwayError(name, "tensors with values", "some on the meta device", todo)
    if holder.held_weight is not None:
        holder.held_weight.check_sum(name)
    with torch.no_grad():
        # Not through the module's attribute: PyTorch's `parametrize.cached` could answer with an older sum.
        result = effective_weight(holder.original, *pathway.terms_of(names))
    if not all_finite(result):
        raise PathwayError(
            name, "a finite W + λ·W'", "infinity or NaN", "check the training run; the model is unchanged"
        )
    return result


@torch.no_grad()
def _drift_and_change(original: Tensor, result: Tensor, terms: Terms) -> tuple[float, float | None]:
    """The entries of a receipt: see `Receipt`. By blocks of rows, in float64."""
    drift, change, norm = torch.zeros(3, dtype=torch.float64, device=original.device)
    for rows, own, exact in exact_blocks(original, *terms):
        values = result[rows].double()
        drift = torch.maximum(drift, exact.sub_(values).abs_().max())
        change += values.sub_(own).square_().sum()
        norm += own.square_().sum()
    return float(drift), float((change / norm).sqrt()) if float(norm) else None
