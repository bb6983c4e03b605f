"""A pathway as a saved description has it, with its W': stored beside it, or cut again from the auxiliary."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError, suggest
from crosspath.pathway.anatomy.slot import Slot, read_entries, write_parts
from crosspath.pathway.arguments import is_name
from crosspath.pathway.assemble import Attachment
from crosspath.pathway.engines.learned_pair import LearnedPair
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.records import Records, records_from_json
from crosspath.pathway.save import PATHWAYS
from crosspath.pathway.saved_files import Tensors
from crosspath.pathway.sources.auxiliary import open_auxiliary
from crosspath.pathway.sources.parameters import Holder
from crosspath.pathway.sources.source import AuxiliarySource, Source, is_named


@dataclass(frozen=True, kw_only=True)
class SavedPathway:
    """One auxiliary's part in one target tensor, as the description has it."""

    weight: str
    name: str
    """The auxiliary's."""
    shape: tuple[int, ...]
    """Of the target tensor."""
    overlay: Overlay
    pieces: tuple[str, ...]
    records: Records
    dtype: torch.dtype
    scale: str
    """The name of λ in `pathway.safetensors`."""
    trains_auxiliary: bool
    trains_scale: bool
    learned_rows: tuple[int, ...] | None
    """The outputs of each piece of a W' in the auxiliary's shape."""
    trains_learned_pair: bool

    @classmethod
    def from_json(cls, weight: str, name: str, entry: Mapping[str, Any], state: Tensors) -> "SavedPathway":
        if weight not in state:
            todo = "load it into the model that it was saved from"
            raise PathwayError(weight, "a weight of the target", "none of this name", todo)
        if not is_name(name):
            raise ValueError(f"no auxiliary can be called {name!r}")
        shape = tuple(state[weight].shape)
        return cls(
            weight=weight,
            name=name,
            shape=shape,
            overlay=Overlay.from_json(entry, shape),
            pieces=tuple(map(str, entry["from"])),
            records=records_from_json(entry.get("derived", ())),
            dtype=getattr(torch, entry["dtype"]),
            scale=str(entry["scale"]),
            trains_auxiliary=bool(entry["trains"]["auxiliary"]),
            trains_scale=bool(entry["trains"]["scale"]),
            learned_rows=tuple(map(int, entry["learned"])) if "learned" in entry else None,
            trains_learned_pair=bool(entry["trains"].get("learned")),
        )

    def learned_tensors(self, tensors: Tensors) -> dict[str, Tensor]:
        """{`left.0`, `right.0`, ...: P or Q}."""
        if self.learned_rows is None:
            return {}
        start = f"{self.weight}.{self.name}."
        names = [f"{side}.{index}" for side in ("left", "right") for index in range(len(self.learned_rows))]
        return {name: tensors[start + name] for name in names if start + name in tensors}

    def learned_pair(self, tensors: Tensors, like: Tensor | None = None) -> LearnedPair | None:
        """P and Q, in the type and on the device of `like`."""
        if self.learned_rows is None:
            return None
        sides: dict[str, dict[int, nn.Parameter]] = {"left": {}, "right": {}}
        for name, value in self.learned_tensors(tensors).items():
            side, _, index = name.partition(".")
            value = value if like is None else value.to(like.device, like.dtype).clone()
            sides[side][int(index)] = nn.Parameter(value, self.trains_learned_pair)
        return LearnedPair(self.learned_rows, sides["left"], sides["right"], self.overlay)

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
            overlay=self.overlay,
            pieces=self.pieces,
            records=self.records,
            learned_pair=self.learned_pair(tensors, like),
        )


def open_references(
    entries: Mapping[str, Any], auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource] | None
) -> dict[str, Source]:
    """A source for every auxiliary that is saved by reference."""
    references = {name: entry for name, entry in entries.items() if not entry["stored"]}
    auxiliaries: dict[str, Any] = {}
    if is_named(auxiliary):
        auxiliaries = dict(cast(Mapping[str, Any], auxiliary))
    elif auxiliary is not None and auxiliary != {}:
        # The folder's own values are used of one that it stores.
        candidates = references or entries
        if len(candidates) != 1:
            expected = f"{{name: auxiliary}}, of {', '.join(candidates)}"
            raise PathwayError("auxiliary", expected, "one without a name", "name it")
        auxiliaries = dict.fromkeys(candidates, auxiliary)
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


def values_of(folder: Path, entry: SavedPathway, tensors: Tensors, sources: Mapping[str, Source]) -> Tensor:
    """W': the stored one, or cut again from the auxiliary that is referred to."""
    name, overlay = entry.name, entry.overlay
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
    values = torch.empty(overlay.shape_of_auxiliary(entry.shape), dtype=entry.dtype, device=parts[0][0].device)
    try:
        write_parts(values, [read_entries(*part) for part in parts], overlay.along, overlay.groups)
    except RuntimeError as error:
        found = f"weights that do not fit {entry.weight} ({error})"
        raise PathwayError(name, expected, found, todo) from None
    return values
