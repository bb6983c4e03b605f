"""Save a connected model: the plain target, and its pathways beside it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import sha256_of_tensors, write_tensors, write_text
from crosspath.pathway.files import DESCRIPTION, PATHWAYS, TARGET, described_spread, format_version
from crosspath.pathway.handle import Origin, Pathways, pathways
from crosspath.pathway.parameters import connections, plain_state
from crosspath.pathway.parametrization import is_sharded


def save_pathway(target: nn.Module, folder: str | Path) -> None:
    """Write the connected model into `folder`, each file whole or not at all.

    A frozen auxiliary is saved as a reference with a digest of its values; load with the same auxiliary at hand.

    Raises
    ------
    PathwayError
        Without pathways, without values (meta), or for sharded parameters.
    """
    handle = pathways(target)
    for (weight, _), tensor in [*handle.auxiliaries().items(), *handle.scales().items()]:
        if tensor.is_meta or is_sharded(tensor):
            raise PathwayError(f"{weight}: its values are not here (meta or sharded); load or gather them, then save")
    folder = Path(folder)
    layers: dict[str, dict[str, Any]] = {}
    values: dict[str, Tensor] = {}
    scales: dict[str, Tensor] = {}
    digests = {name: handle.digest(name) for name in handle.names}
    referenced = {name for name, digest in digests.items() if _is_reference(handle, name, digest)}
    owners = {id(pathway): holder.name for holder, pathway in connections(target)}
    for holder, pathway in connections(target):
        for name, spread in pathway.spreads.items():
            auxiliary, scale = pathway.auxiliary(name), pathway.scale(name)
            key = f"{holder.name}.{name}"
            if name not in referenced:
                values[f"{key}.auxiliary"] = auxiliary.detach().contiguous()
            lender = pathway.lenders.get(name)
            owner = key if lender is None else f"{owners[id(lender[0])]}.{name}"
            if lender is None:
                scales[f"{key}.scale"] = scale.detach().contiguous()
            layers.setdefault(holder.name, {})[name] = {
                **described_spread(spread),
                "from": pathway.pieces[name],
                "dtype": str(auxiliary.dtype).removeprefix("torch."),
                "scale": f"{owner}.scale",
                "trains": {"auxiliary": auxiliary.requires_grad, "scale": scale.requires_grad},
            }
    sources = {
        name: {
            **asdict(handle.origins.get(name, Origin("unknown", None, None, {}))),
            "stored": name not in referenced,
            "sha256_of_values": digests[name],
        }
        for name in handle.names
    }
    plain = {name: value.contiguous() for name, value in plain_state(target).items()}
    described = {
        "format_version": format_version(spread for _, held in connections(target) for spread in held.spreads.values()),
        "sha256_of_target": sha256_of_tensors(sorted(plain.items())),
        "sha256_of_scales": sha256_of_tensors(sorted(scales.items())),
        "auxiliaries": sources,
        "layers": layers,
    }
    with raise_as_pathway_error():
        write_tensors(folder / TARGET, plain, {})
        write_tensors(folder / PATHWAYS, values | scales, {})
        write_text(folder / DESCRIPTION, json.dumps(described, indent=1, ensure_ascii=False))


def _is_reference(handle: Pathways, name: str, digest: str) -> bool:
    """Whether an auxiliary was frozen from the start, still is, and still holds the values it was connected with."""
    origin = handle.origins.get(name)
    trains = any(value.requires_grad for (_, owner), value in handle.auxiliaries().items() if owner == name)
    return origin is not None and origin.sha256_of_frozen_values == digest and not trains
