"""Load a connected model: everything is read and checked before the target is touched."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError, raise_as_pathway_error, suggest
from crosspath.files import read_json, read_tensors, sha256_of_tensors, tensor_faults
from crosspath.pathway.anatomy.slot import Slot, read_entries, write_parts
from crosspath.pathway.assemble import Attachment, attach_all
from crosspath.pathway.engines.engine import Engine, check_engine
from crosspath.pathway.engines.learned_pair import LearnedPair
from crosspath.pathway.engines.spread import Spread
from crosspath.pathway.handle import Pathways
from crosspath.pathway.merge import disconnect
from crosspath.pathway.origins import Origin
from crosspath.pathway.records import Records, records_from_json
from crosspath.pathway.report import MatchReport
from crosspath.pathway.safeguards import guard
from crosspath.pathway.save import DESCRIPTION, FORMAT_VERSIONS, PATHWAYS, TARGET
from crosspath.pathway.sources.auxiliary import open_auxiliary
from crosspath.pathway.sources.parameters import Holder, has_pathways, holders, plain_state
from crosspath.pathway.sources.source import AuxiliarySource, Source, is_named
from crosspath.pathway.sources.wrappers import check_target

Tensors = Mapping[str, Tensor]


def load_pathway(
    target: nn.Module,
    folder: str | Path,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None = None,
    *,
    engine: Engine = "live",
) -> Pathways:
    """Fill a plain (or meta) target from a folder of `save_pathway` and connect it as it was.

    The target's own weights are filled too, in its own dtype; pathways that it has already are replaced. `auxiliary`
    supplies the frozen auxiliaries that are saved by reference; one that came from a file is read from there again, as
    long as the file exists. Of an auxiliary whose values the folder holds, those count. `engine` as in `connect`: files
    are the same for both.

    Raises
    ------
    PathwayError
        For missing, damaged or mixed-up files, an unknown format version, a target with other names or shapes, or an
        auxiliary that is missing or whose values are not the saved ones, and a buffer on the meta device that no state
        dict has. The target is untouched.
    """
    target = check_target(target)
    check_engine(engine)
    folder = Path(folder)
    description, plain, tensors = read_pathway_files(folder)
    state = plain_state(target)
    faults = tensor_faults(plain, state)
    if faults:
        todo = "load it into a model of the same names and shapes"
        raise PathwayError(folder, "the target it was saved from", "; ".join(faults), todo)
    with damage_as_error(folder / DESCRIPTION):
        entries = [
            _Entry.from_json(weight, name, entry, state)
            for weight, by_name in description["layers"].items()
            for name, entry in by_name.items()
        ]
        origins = {
            name: Origin(**{field.name: entry[field.name] for field in fields(Origin)})
            for name, entry in description["auxiliaries"].items()
        }
        sources = _open_references(description["auxiliaries"], auxiliary)
        values: dict[str, dict[str, Tensor]] = {}
        for entry in entries:
            own = values.setdefault(entry.name, {})
            own[entry.weight] = _values(folder, entry, tensors, sources)
            own |= {f"{entry.weight}.{part}": value for part, value in entry.learned_tensors(tensors).items()}
        scales = {entry.scale: tensors[entry.scale] for entry in entries}
        check_digests(folder, description, plain, scales, values)
        for entry in entries:
            pair, whole = entry.learned_pair(tensors), values[entry.name][entry.weight]
            with torch.no_grad():
                whole = whole if pair is None else pair(whole)
            if not entry.spread.fits(whole, scales[entry.scale], entry.shape):
                expected = f"a pathway {entry.name} that fits {entry.weight}"
                raise PathwayError(folder / DESCRIPTION, expected, "another one", "save it again")
    if engine != "live" and any(entry.learned is not None for entry in entries):
        raise PathwayError("engine", "'live', for fit='learned'", repr(engine), "load it with engine='live'")
    _check_buffers(target)
    if has_pathways(target):
        disconnect(target)
    _fill(target, plain)
    holder_of = {holder.name: holder for holder in holders(target)}
    attach_all(
        (
            entry.attachment(holder_of[entry.weight], values[entry.name][entry.weight], scales[entry.scale], tensors)
            for entry in entries
        ),
        engine,
    )
    handle = Pathways(target)
    for name, origin in origins.items():
        handle.record(name, origin, MatchReport((), ()))
    guard(target)
    return handle


def read_pathway_files(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """The description, the target's tensors, and λ with the stored W'; tensors are mapped from their files.

    Raises
    ------
    PathwayError
        For a missing or damaged file, a pickle, and a description of another format version.
    """
    path = folder / DESCRIPTION
    with raise_as_pathway_error():
        description = read_json(path)
        version = description.get("format_version")
        if version not in FORMAT_VERSIONS:
            expected = f"format_version {' or '.join(map(str, FORMAT_VERSIONS))}"
            raise PathwayError(path, expected, repr(version), "use a version of crosspath that reads it")
        plain, tensors = (read_tensors(folder / name, mapped=True)[0] for name in (TARGET, PATHWAYS))
    return description, plain, tensors


@contextmanager
def damage_as_error(file: Path) -> Iterator[None]:
    """Raise what entries of another form lead to, in a description that is read inside, as a `PathwayError`."""
    try:
        yield
    except PathwayError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise PathwayError(file, "a complete description", f"damage ({error!r})", "save it again") from None


def check_digests(
    folder: Path, description: Mapping[str, Any], plain: Tensors, scales: Tensors, values: Mapping[str, Tensors]
) -> None:
    """Raise `PathwayError` unless target, λ and W' are those that were saved together.

    `values` has every W' of each auxiliary: {auxiliary: {target weight: W'}}.
    """
    for part, file, tensors in (("target", TARGET, plain), ("scales", PATHWAYS, scales)):
        if sha256_of_tensors(sorted(tensors.items())) != description[f"sha256_of_{part}"]:
            expected = f"the values saved beside {DESCRIPTION} (sha256)"
            raise PathwayError(folder / file, expected, "others", "use files of one save")
    unknown = [name for name in values if name not in description["auxiliaries"]]
    if unknown:
        expected = f"an entry of `auxiliaries` for {unknown[0]}"
        raise PathwayError(folder / DESCRIPTION, expected, "none", "save it again")
    for name, entry in description["auxiliaries"].items():
        if sha256_of_tensors(sorted(values.get(name, {}).items())) == entry["sha256_of_values"]:
            continue
        if entry["stored"]:
            expected = f"the values of auxiliary {name} as they were saved (sha256)"
            raise PathwayError(folder / PATHWAYS, expected, "others", "save it again")
        expected = f"the frozen auxiliary {name} that it was saved with (sha256)"
        raise PathwayError(folder, expected, "one of other values", "use the right one")


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One auxiliary's part in one target tensor, as the description has it."""

    weight: str
    name: str
    """The auxiliary's."""
    shape: tuple[int, ...]
    """Of the target tensor."""
    spread: Spread
    pieces: tuple[str, ...]
    derived: Records
    dtype: torch.dtype
    scale: str
    """The name of λ in `pathway.safetensors`."""
    trains_auxiliary: bool
    trains_scale: bool
    learned: tuple[int, ...] | None
    """The outputs of each piece of a W' in the auxiliary's shape."""
    trains_learned: bool

    @classmethod
    def from_json(cls, weight: str, name: str, entry: Mapping[str, Any], state: Tensors) -> "_Entry":
        if weight not in state:
            todo = "load it into the model that it was saved from"
            raise PathwayError(weight, "a weight of the target", "none of this name", todo)
        shape = tuple(state[weight].shape)
        return cls(
            weight=weight,
            name=name,
            shape=shape,
            spread=Spread.from_json(entry, shape),
            pieces=tuple(map(str, entry["from"])),
            derived=records_from_json(entry.get("derived", ())),
            dtype=getattr(torch, entry["dtype"]),
            scale=str(entry["scale"]),
            trains_auxiliary=bool(entry["trains"]["auxiliary"]),
            trains_scale=bool(entry["trains"]["scale"]),
            learned=tuple(map(int, entry["learned"])) if "learned" in entry else None,
            trains_learned=bool(entry["trains"].get("learned")),
        )

    def learned_tensors(self, tensors: Tensors) -> dict[str, Tensor]:
        """{`left.0`, `right.0`, ...: P or Q}."""
        if self.learned is None:
            return {}
        start = f"{self.weight}.{self.name}."
        names = [f"{side}.{index}" for side in ("left", "right") for index in range(len(self.learned))]
        return {name: tensors[start + name] for name in names if start + name in tensors}

    def learned_pair(self, tensors: Tensors, like: Tensor | None = None) -> LearnedPair | None:
        """P and Q, in the type and on the device of `like`."""
        if self.learned is None:
            return None
        sides: dict[str, dict[int, nn.Parameter]] = {"left": {}, "right": {}}
        for name, value in self.learned_tensors(tensors).items():
            side, _, index = name.partition(".")
            value = value if like is None else value.to(like.device, like.dtype).clone()
            sides[side][int(index)] = nn.Parameter(value, self.trains_learned)
        return LearnedPair(self.learned, sides["left"], sides["right"], self.spread)

    def attachment(self, holder: Holder, values: Tensor, scale: Tensor, tensors: Tensors) -> Attachment:
        """On the target's device and in its type."""
        like = holder.original
        owner = self.scale.removesuffix(f".{self.name}.scale")
        return Attachment(
            holder=holder,
            name=self.name,
            values=nn.Parameter(values.to(like.device, like.dtype).clone(), self.trains_auxiliary),
            scale=nn.Parameter(scale.to(like.device, like.dtype).clone(), self.trains_scale)
            if owner == self.weight
            else owner,
            spread=self.spread,
            pieces=self.pieces,
            derived=self.derived,
            learned=self.learned_pair(tensors, like),
        )


def _fill(target: nn.Module, plain: Tensors) -> None:
    """Fill the target's own tensors. What is on the meta device gets memory; all else keeps its Parameter objects."""
    memory: dict[int, Tensor] = {}  # by the tensor it replaces: what modules share they still share
    for module in target.modules():
        for group in (module._parameters, module._buffers):
            for name, value in group.items():
                if value is not None and value.is_meta:
                    empty = torch.empty_like(value, device="cpu")
                    if isinstance(value, nn.Parameter):
                        empty = nn.Parameter(empty, value.requires_grad)
                    cast(Any, group)[name] = memory.setdefault(id(value), empty)
    # Extra state that is no tensor is not saved: the target keeps its own.
    target.load_state_dict({name: plain.get(name, value) for name, value in target.state_dict().items()})


def _check_buffers(target: nn.Module) -> None:
    """Raise `PathwayError` for a buffer on the meta device that is in no state dict, so that no file has its values."""
    for path, module in target.named_modules():
        for name in module._non_persistent_buffers_set:
            value = module._buffers.get(name)
            if value is not None and value.is_meta:
                todo = "build the target outside of torch.device('meta'), or set this buffer first"
                where = f"{path}.{name}" if path else name
                raise PathwayError(where, "a buffer with values, which no file has", "one on the meta device", todo)


def _open_references(
    entries: Mapping[str, Any], auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None
) -> dict[str, Source]:
    """A source for every auxiliary that is saved by reference."""
    references = {name: entry for name, entry in entries.items() if not entry["stored"]}
    auxiliaries: dict[str, Any] = {}
    if is_named(auxiliary):
        auxiliaries = dict(cast(Mapping[str, Any], auxiliary))
    elif auxiliary is not None and auxiliary != {}:
        # The folder's own values are used of one that it stores.
        chosen = references or entries
        if len(chosen) != 1:
            expected = f"{{name: auxiliary}}, of {', '.join(chosen)}"
            raise PathwayError("auxiliary", expected, "one without a name", "name it")
        auxiliaries = dict.fromkeys(chosen, auxiliary)
    for name in auxiliaries:
        if name not in entries:
            todo = suggest(str(name), entries, "use one of these names")
            raise PathwayError("auxiliary", f"one of {', '.join(entries)}", repr(name), todo)
    sources = {}
    for name, entry in references.items():
        file = entry["file"]
        if name not in auxiliaries and (file is None or not Path(file).exists()):
            expected = f"the frozen auxiliary, which is saved by reference to {file or entry['description']}"
            raise PathwayError(name, expected, "none", f"pass auxiliary={{{name!r}: ...}}")
        sources[name] = open_auxiliary(auxiliaries.get(name, file))
    return sources


def _values(folder: Path, entry: _Entry, tensors: Tensors, sources: Mapping[str, Source]) -> Tensor:
    """W': the stored one, or cut again from the auxiliary that is referred to."""
    name, spread = entry.name, entry.spread
    if name not in sources:
        key = f"{entry.weight}.{name}.auxiliary"
        if key not in tensors:
            raise PathwayError(folder / PATHWAYS, key, "none", "save it again")
        return tensors[key]
    expected, todo = "the auxiliary it was connected with", "use the right one"
    shapes, parts = sources[name].shapes(), []
    for piece in map(Slot.read, entry.pieces):
        if piece.weight not in shapes:
            raise PathwayError(name, expected, f"one without {piece.weight}", todo)
        parts.append((sources[name].tensor(piece.weight), piece))
    values = torch.empty(spread.shape_of_auxiliary(entry.shape), dtype=entry.dtype, device=parts[0][0].device)
    try:
        write_parts(values, [read_entries(*part) for part in parts], spread.along, spread.groups)
    except RuntimeError as error:
        found = f"weights that do not fit {entry.weight} ({error})"
        raise PathwayError(name, expected, found, todo) from None
    return values
