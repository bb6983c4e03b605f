"""Load a connected model: everything is read and checked before the target is touched."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_tensors, sha256_of_tensors, tensor_faults
from crosspath.pathway.files import DESCRIPTION, PATHWAYS, TARGET, read_description, read_spread
from crosspath.pathway.handle import Origin, Pathways
from crosspath.pathway.merge import disconnect
from crosspath.pathway.parameters import connections, holders, plain_state
from crosspath.pathway.report import MatchReport
from crosspath.pathway.slot import Slot, read_entries, write_parts
from crosspath.pathway.sources import AuxiliarySource, Source, open_source
from crosspath.pathway.stage import Staged, attach_all


def load_pathway(
    target: nn.Module,
    folder: str | Path,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None = None,
) -> Pathways:
    """Fill a plain (or meta) target from a folder of `save_pathway` and connect it as it was.

    The target's own weights are filled too, in its own type; pathways that it holds already are replaced. `auxiliary`
    supplies the frozen auxiliaries that are saved by reference; those read from a file are found again by themselves
    while the file is there.

    Raises
    ------
    PathwayError
        For missing, damaged or mixed-up files, an unknown format version, a target of other names or shapes, or an
        auxiliary that is missing or whose values are not the saved ones. The target is untouched.
    """
    folder = Path(folder)
    described = read_description(folder / DESCRIPTION)
    with raise_as_pathway_error():
        tensors, plain = (read_tensors(folder / name, mapped=True)[0] for name in (PATHWAYS, TARGET))
    state = plain_state(target)
    faults = tensor_faults(plain, state)
    if faults:
        todo = "load it into a model like that"
        raise PathwayError(folder, "the target it was saved from", "; ".join(faults), todo)
    try:
        entries = {
            (weight, name): _Entry(weight, name, entry, state)
            for weight, named in described["layers"].items()
            for name, entry in named.items()
        }
        origins = {
            name: Origin(**{field.name: source[field.name] for field in fields(Origin)})
            for name, source in described["auxiliaries"].items()
        }
        supplied = _supplied(described, auxiliary)
        values = {key: _values(folder, entry, tensors, supplied) for key, entry in entries.items()}
        scales = {entry.scale: tensors[entry.scale] for entry in entries.values()}
        _check_digests(folder, described, plain, scales, values)
        for key, entry in entries.items():
            entry.check(values[key], scales[entry.scale])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, PathwayError):
            raise
        raise PathwayError(f"{folder / DESCRIPTION}: expected a whole description, found damage ({error!r})") from None

    if any(True for _ in connections(target)):
        disconnect(target)
    _fill(target, state, plain)
    by_name = {holder.name: holder for holder in holders(target)}
    staged = []
    for (weight, name), entry in entries.items():
        like = by_name[weight].original
        w = nn.Parameter(values[weight, name].to(like.device, like.dtype).clone(), entry.trains["auxiliary"])
        scale: nn.Parameter | str = entry.owner
        if entry.owner == weight:
            saved = scales[entry.scale].to(like.device, like.dtype).clone()
            scale = nn.Parameter(saved, entry.trains["scale"])
        staged.append(Staged(by_name[weight], name, w, scale, entry.spread, entry.pieces))
    attach_all(staged)
    handle = Pathways(target)
    for name, origin in origins.items():
        handle.record(name, origin, MatchReport((), ()))
    return handle


class _Entry:
    """One auxiliary's part in one target tensor, as the description tells it."""

    def __init__(self, weight: str, name: str, entry: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        if weight not in state:
            raise PathwayError(f"{weight}: the description names it, and the target has no such weight")
        self.weight, self.name = weight, name
        self.shape = tuple(state[weight].shape)
        self.spread = read_spread(entry, self.shape)
        self.pieces = tuple(str(piece) for piece in entry["from"])
        self.dtype = getattr(torch, entry["dtype"])
        self.scale = str(entry["scale"])
        self.owner = self.scale.removesuffix(f".{name}.scale")
        self.trains = {part: bool(entry["trains"][part]) for part in ("auxiliary", "scale")}

    @property
    def covered(self) -> tuple[int, ...]:
        """The shape of W'."""
        along = self.spread.along
        return (*self.shape[:along], self.spread.covered, *self.shape[along + 1 :])

    def check(self, values: Tensor, scale: Tensor) -> None:
        """Raise `PathwayError` unless W' and λ fit the target tensor."""
        spread = self.spread
        ends = [0, *(end for segment in spread.segments for end in segment), spread.rows // spread.groups]
        shape = self.covered
        if (
            ends != sorted(ends)
            or tuple(values.shape) != shape
            or spread.repeats * sum(count for _, _, count in spread.runs) != shape[spread.axis]
            or any(first >= last or count % (last - first) for first, last, count in spread.runs)
            or scale.dim() != 1
            or len(scale) < max(last for _, last, _ in spread.runs)
        ):
            raise PathwayError(f"{self.weight}: the saved pathway {self.name} does not fit it; save it again")


def _fill(target: nn.Module, state: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> None:
    """The target's own tensors. A meta target has no memory to copy into; every other keeps its Parameter objects."""
    on_meta = any(value.is_meta for value in state.values())
    copies: dict[str, Any] = {
        name: value.to(state[name].dtype).clone() if on_meta else value for name, value in plain.items()
    }
    # Extra state that is no tensor is not saved: the target keeps its own.
    copies = {name: copies.get(name, value) for name, value in target.state_dict().items()}
    trains = {name: parameter.requires_grad for name, parameter in target.named_parameters()}
    target.load_state_dict(copies, assign=on_meta)
    for name, parameter in target.named_parameters():
        parameter.requires_grad_(trains[name])


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
        sources[name] = open_source(given.get(name, file))
    return sources


def _values(folder: Path, entry: _Entry, tensors: Mapping[str, Tensor], supplied: Mapping[str, Source]) -> Tensor:
    """W': stored, or cut again from the auxiliary it refers to."""
    name = entry.name
    if name not in supplied:
        key = f"{entry.weight}.{name}.auxiliary"
        if key not in tensors:
            raise PathwayError(f"{folder / PATHWAYS}: expected {key}, found none; save it again")
        return tensors[key]
    parts = []
    shapes = supplied[name].shapes()
    for piece in map(Slot.read, entry.pieces):
        if piece.weight not in shapes:
            raise PathwayError(f"{name}: expected the auxiliary it was connected with, found no {piece.weight} in it")
        parts.append((supplied[name].tensor(piece.weight), piece))
    values = torch.empty(entry.covered, dtype=entry.dtype, device=parts[0][0].device)
    try:
        write_parts(values, [read_entries(*part) for part in parts], entry.spread.along, entry.spread.groups)
    except RuntimeError as error:
        raise PathwayError(
            f"{name}: expected the auxiliary it was connected with, found weights that do not fit {entry.weight} "
            f"({error}); use the right one"
        ) from None
    return values


def _check_digests(
    folder: Path,
    described: Mapping[str, Any],
    plain: Mapping[str, Tensor],
    scales: Mapping[str, Tensor],
    values: Mapping[tuple[str, str], Tensor],
) -> None:
    """Raise `PathwayError` unless target, λ and W' are those that were saved together."""
    for what, file, found in (("target", TARGET, plain), ("scales", PATHWAYS, scales)):
        if sha256_of_tensors(sorted(found.items())) != described[f"sha256_of_{what}"]:
            raise PathwayError(
                f"{folder / file}: these are not the values saved beside {DESCRIPTION}; use one save's files"
            )
    for name, source in described["auxiliaries"].items():
        parts = {weight: value for (weight, owner), value in values.items() if owner == name}
        if sha256_of_tensors(sorted(parts.items())) != source["sha256_of_values"]:
            stored = "the stored values are damaged"
            what = stored if source["stored"] else "its values are not those it was connected with"
            raise PathwayError(f"{folder}: auxiliary {name}: {what} (sha256 differs); use the right files")
