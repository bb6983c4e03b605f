"""Save and load a connected model: the plain target, and its pathways beside it. No pickle.

A folder holds `model.safetensors` (the target alone, plain names), `pathway.safetensors` (λ, and each W' that cannot
be had from elsewhere) and `pathway.json` (`format_version`, sources with sha256, layer map, options).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crosspath.pathway.combine import Spread
from crosspath.pathway.errors import PathwayError
from crosspath.pathway.handle import Origin, Pathways, pathways
from crosspath.pathway.merge import disconnect
from crosspath.pathway.parameters import connected, holders, plain_state
from crosspath.pathway.parametrization import attach, is_sharded
from crosspath.pathway.report import MatchReport
from crosspath.pathway.sources import AuxiliarySource, Source, opened, sha256_of_tensors

FORMAT_VERSION = 1


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
    folder.mkdir(parents=True, exist_ok=True)
    layers: dict[str, dict[str, Any]] = {}
    tensors: dict[str, Tensor] = {}
    digests = {name: handle.digest(name) for name in handle.names}
    referenced = {name for name, digest in digests.items() if _is_reference(handle, name, digest)}
    owners = {id(pathway): holder.name for holder, pathway in connected(target)}
    for holder, pathway in connected(target):
        for name, spread in pathway.spreads.items():
            auxiliary, scale = pathway.auxiliary(name), pathway.scale(name)
            key = f"{holder.name}.{name}"
            if name not in referenced:
                tensors[f"{key}.auxiliary"] = auxiliary.detach().contiguous()
            lender = pathway.lenders.get(name)
            owner = key if lender is None else f"{owners[id(lender[0])]}.{name}"
            if lender is None:
                tensors[f"{key}.scale"] = scale.detach().contiguous()
            layers.setdefault(holder.name, {})[name] = {
                "segments": spread.segments,
                "axis": spread.axis,
                "runs": spread.runs,
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
    described = {"format_version": FORMAT_VERSION, "auxiliaries": sources, "layers": layers}
    plain = {name: value.contiguous() for name, value in plain_state(target).items()}
    _write(folder / "model.safetensors", lambda path: save_file(_untied(plain), path, {"format": "pt"}))
    _write(folder / "pathway.safetensors", lambda path: save_file(tensors, path, {"format": "pt"}))
    text = json.dumps(described, indent=1, ensure_ascii=False)
    _write(folder / "pathway.json", lambda path: Path(path).write_text(text, encoding="utf-8"))


def load_pathway(
    target: nn.Module,
    folder: str | Path,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None = None,
) -> Pathways:
    """Fill a plain (or meta) target from a folder of `save_pathway` and connect it as it was.

    Pathways that the target holds already are replaced. `auxiliary` supplies the frozen auxiliaries
    that are saved by reference; those read from a file are found again by themselves while the file is there.

    Raises
    ------
    PathwayError
        For missing or damaged files, an unknown format version, a target of other names or shapes, or an auxiliary
        that is missing or whose values are not the saved ones. The target is untouched.
    """
    folder = Path(folder)
    described = _described(folder / "pathway.json")
    tensors, plain = _tensors(folder / "pathway.safetensors"), _tensors(folder / "model.safetensors")
    state = plain_state(target)
    wrong = [f"{name} missing" for name in state if name not in plain]
    wrong += [f"{name} unexpected" for name in plain if name not in state]
    wrong += [
        f"{name} {tuple(plain[name].shape)} for {tuple(state[name].shape)}"
        for name in state
        if name in plain and plain[name].shape != state[name].shape
    ]
    if wrong:
        raise PathwayError(f"{folder}: expected the target it was saved from, found {'; '.join(wrong)}")
    supplied = _supplied(described, auxiliary)
    values = {
        (weight, name): _values(folder, weight, name, entry, tensors, supplied)
        for weight, entries in described["layers"].items()
        for name, entry in entries.items()
    }
    _check_digests(folder, described, values)

    if any(True for _ in connected(target)):
        disconnect(target)
    # A meta target has no memory to copy into; every other one keeps its Parameter objects.
    on_meta = any(value.is_meta for value in state.values())
    copies = {name: value.clone() for name, value in plain.items()} if on_meta else plain
    frozen = {name: parameter.requires_grad for name, parameter in target.named_parameters()}
    target.load_state_dict(copies, assign=on_meta)
    for name, parameter in target.named_parameters():
        parameter.requires_grad_(frozen[name])
    by_name = {holder.name: holder for holder in holders(target)}
    places = {weight: attach(by_name[weight].module, by_name[weight].attribute) for weight in described["layers"]}
    for weight, entries in described["layers"].items():
        like = by_name[weight].original
        for name, entry in entries.items():
            values_here = values[weight, name].to(like.device, like.dtype).clone()
            w = nn.Parameter(values_here, entry["trains"]["auxiliary"])
            spread, pieces = _spread(entry, like.shape[0]), tuple(entry["from"])
            owner = entry["scale"].removesuffix(f".{name}.scale")
            if owner == weight:
                saved = tensors[entry["scale"]].to(like.device, like.dtype).clone()
                places[weight].add(name, w, nn.Parameter(saved, entry["trains"]["scale"]), spread, pieces)
            else:
                places[weight].borrow(name, w, places[owner], spread, pieces)
    handle = Pathways(target)
    for name, source in described["auxiliaries"].items():
        origin = Origin(**{field.name: source[field.name] for field in fields(Origin)})
        handle.record(name, origin, MatchReport((), ()))
    return handle


def _is_reference(handle: Pathways, name: str, digest: str) -> bool:
    """Whether an auxiliary was frozen from the start, still is, and still holds the values it was connected with."""
    origin = handle.origins.get(name)
    trains = any(value.requires_grad for (_, owner), value in handle.auxiliaries().items() if owner == name)
    return origin is not None and origin.sha256_of_frozen_values == digest and not trains


def _write(path: Path, writer: Any) -> None:
    """Write to a temporary name in the same folder, flush to disk, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        writer(str(temporary))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _untied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies where tensors share memory, which safetensors refuses."""
    seen: set[int] = set()
    result = {}
    for name, value in state.items():
        pointer = value.untyped_storage().data_ptr()
        result[name] = value.clone() if pointer in seen else value
        seen.add(pointer)
    return result


def _described(path: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PathwayError(f"{path}: expected the description of saved pathways, found none ({error})") from None
    if described.get("format_version") != FORMAT_VERSION:
        found = described.get("format_version")
        raise PathwayError(f"{path}: expected format_version {FORMAT_VERSION}, found {found}; use a fitting version")
    return described


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise PathwayError(f"{path}: expected a safetensors file, found {error}; save it again") from None


def _supplied(
    described: Mapping[str, Any], auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None
) -> dict[str, Source]:
    """A source for every auxiliary that is saved by reference."""
    wanted = [name for name, source in described["auxiliaries"].items() if not source["stored"]]
    given: dict[str, Any] = {}
    if isinstance(auxiliary, Mapping) and not any(isinstance(value, Tensor) for value in auxiliary.values()):
        given = dict(auxiliary)
    elif auxiliary is not None and len(wanted) == 1:
        given = {wanted[0]: auxiliary}
    sources = {}
    for name in wanted:
        file = described["auxiliaries"][name]["file"]
        if name not in given and (file is None or not Path(file).exists()):
            where = f"the file {file}" if file else f"the {described['auxiliaries'][name]['description']}"
            raise PathwayError(
                f"{name}: this frozen auxiliary is saved by reference to {where}; pass auxiliary={{{name!r}: ...}}"
            )
        sources[name] = opened(given.get(name, file))
    return sources


def _values(
    folder: Path,
    weight: str,
    name: str,
    entry: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    supplied: Mapping[str, Source],
) -> Tensor:
    if name not in supplied:
        key = f"{weight}.{name}.auxiliary"
        if key not in tensors:
            raise PathwayError(f"{folder / 'pathway.safetensors'}: expected {key}, found none; save it again")
        return tensors[key]
    pieces = []
    shapes = supplied[name].shapes()
    for piece in entry["from"]:
        source, _, rows = piece.rpartition("[")
        start, stop = (int(part) for part in rows.rstrip("]").split(":"))
        if source not in shapes:
            raise PathwayError(f"{name}: expected the auxiliary it was connected with, found no {source} in it")
        pieces.append(supplied[name].tensor(source)[start:stop])
    return torch.cat(pieces).to(getattr(torch, entry["dtype"]))


def _check_digests(folder: Path, described: Mapping[str, Any], values: Mapping[tuple[str, str], Tensor]) -> None:
    for name, source in described["auxiliaries"].items():
        parts = sorted((weight, value) for (weight, owner), value in values.items() if owner == name)
        if sha256_of_tensors(parts) != source["sha256_of_values"]:
            what = (
                "the stored values are damaged"
                if source["stored"]
                else "its values are not those it was connected with"
            )
            raise PathwayError(f"{folder}: auxiliary {name}: {what} (sha256 differs); use the right files")


def _spread(entry: Mapping[str, Any], rows: int) -> Spread:
    segments = tuple((start, stop) for start, stop in entry["segments"])
    return Spread(segments, rows, entry["axis"], tuple((a, b, n) for a, b, n in entry["runs"]))
