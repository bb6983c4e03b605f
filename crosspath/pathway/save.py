"""Save a connected model: the plain target, and its pathways beside it; load.py is the way back.

A folder holds `model.safetensors` (the target alone, plain names), `pathway.safetensors` (λ, and each W' that is not
saved by reference) and `pathway.json`:

- `format_version`
- `sha256_of_target`, `sha256_of_scales`: of the tensors that belong together; λ and W' mean nothing beside another W
- `auxiliaries`: {name: where it came from, how it was connected, whether its values are stored, their sha256}
- `layers`: {target weight: {name: row segments, axis and runs of λ, the pieces W' was cut from, type, owner of λ, what
  trains}}; where W' was made from these pieces also `derived`: the step, how, and numbers of each step on each piece;
  from version 2 on also `along`, `groups` and `repeats`, where they are not 0, 1 and 1; from version 3 on also
  `learned`, where W' is in the auxiliary's shape: the outputs of each of its pieces; P and Q of the first are the
  tensors `NAME.left.0` and `NAME.right.0`

A folder has version 1 where that suffices, so that older releases can load it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import sha256_of_tensors, write_tensors, write_text
from crosspath.pathway.engines.overlay import DEFAULTS
from crosspath.pathway.engines.parametrization import is_sharded
from crosspath.pathway.engines.pathway_weight import PathwayWeight
from crosspath.pathway.handle import Pathways, pathways
from crosspath.pathway.origins import Origin
from crosspath.pathway.records import records_to_json
from crosspath.pathway.sources.parameters import connections, plain_state

FORMAT_VERSIONS = (1, 2, 3)
TARGET, PATHWAYS, DESCRIPTION = "model.safetensors", "pathway.safetensors", "pathway.json"


def save_pathway(target: nn.Module, folder: str | Path) -> None:
    """Write the connected model into `folder`, each file complete or not at all.

    A frozen auxiliary is saved as a reference with a digest of its values; loading needs the same auxiliary.

    Raises
    ------
    PathwayError
        Without pathways, without values (meta), for sharded parameters, or where the folder cannot be written.
    """
    handle = pathways(target)
    target = handle.target
    pairs = [(key, part) for key, pair in handle.learned_pairs().items() for part in pair.values()]
    for (weight, _), tensor in [*handle.auxiliaries().items(), *handle.scales().items(), *pairs]:
        if tensor.is_meta or is_sharded(tensor):
            found = "none (meta device)" if tensor.is_meta else "shards of them"
            raise PathwayError(weight, "full values", found, "load or gather them, then save")
    digests = {name: handle.digest(name) for name in handle.names}
    references = {name for name, digest in digests.items() if _is_reference(handle, name, digest)}
    values, scales, layers = _entries(target, references)
    plain = plain_state(target)
    unknown = Origin("unknown", None, None, {})
    description = {
        "format_version": _format_version(pathway for _, pathway in connections(target)),
        "sha256_of_target": sha256_of_tensors(sorted(plain.items())),
        "sha256_of_scales": sha256_of_tensors(sorted(scales.items())),
        "auxiliaries": {
            name: {
                **asdict(handle.origins.get(name, unknown)),
                "stored": name not in references,
                "sha256_of_values": digest,
            }
            for name, digest in digests.items()
        },
        "layers": layers,
    }
    text = json.dumps(
        description, indent=1, ensure_ascii=False
    )  # before the first file: an error leaves the older ones
    with raise_as_pathway_error():
        write_tensors(Path(folder) / TARGET, plain, {})
        write_tensors(Path(folder) / PATHWAYS, values | scales, {})
        write_text(Path(folder) / DESCRIPTION, text)


def _is_reference(handle: Pathways, name: str, digest: str) -> bool:
    """Whether an auxiliary was frozen from the start, still is, and still holds the values it was connected with."""
    origin = handle.origins.get(name)
    trains = any(value.requires_grad for (_, owner), value in handle.auxiliaries().items() if owner == name)
    return origin is not None and origin.sha256_of_frozen_values == digest and not trains


def _entries(
    target: nn.Module, references: set[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, dict[str, Any]]]:
    """Every stored W', every λ, and the entries of `layers`."""
    values: dict[str, Tensor] = {}
    scales: dict[str, Tensor] = {}
    layers: dict[str, dict[str, Any]] = {}
    owners = {id(pathway): holder.name for holder, pathway in connections(target)}
    for holder, pathway in connections(target):
        for name, overlay in pathway.overlays.items():
            auxiliary, scale = pathway.auxiliary(name), pathway.scale(name)
            lender = pathway.lenders.get(name)
            owner = holder.name if lender is None else owners[id(lender[0])]
            if name not in references:
                values[f"{holder.name}.{name}.auxiliary"] = auxiliary.detach()
            scales[f"{owner}.{name}.scale"] = scale.detach()
            layers.setdefault(holder.name, {})[name] = {
                **overlay.to_json(),
                "from": pathway.pieces[name],
                "dtype": str(auxiliary.dtype).removeprefix("torch."),
                "scale": f"{owner}.{name}.scale",
                "trains": {"auxiliary": auxiliary.requires_grad, "scale": scale.requires_grad},
            }
            if name in pathway.derived:
                layers[holder.name][name]["derived"] = records_to_json(pathway.derived[name])
            pair = pathway.learned_pair(name)
            if pair is not None:
                entries = pair.entries()
                values |= {f"{holder.name}.{name}.{part}": value.detach() for part, value in entries.items()}
                layers[holder.name][name]["learned"] = list(pair.rows)
                trains = any(value.requires_grad for value in entries.values())
                layers[holder.name][name]["trains"]["learned"] = trains
    return values, scales, layers


def _format_version(weights: Iterable[PathwayWeight]) -> int:
    """The oldest version whose readers understand these."""
    every = list(weights)
    if any(pathway.learned_pair(name) is not None for pathway in every for name in pathway.overlays):
        return 3
    overlays = [overlay for pathway in every for overlay in pathway.overlays.values()]
    return 2 if any(DEFAULTS.keys() & overlay.to_json().keys() for overlay in overlays) else 1
