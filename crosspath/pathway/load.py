"""Load a connected model: everything is read and checked before the target is touched."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import tensor_faults
from crosspath.pathway.assemble import attach_all, check_finite
from crosspath.pathway.engines.engine import Engine, check_engine
from crosspath.pathway.handle import Pathways
from crosspath.pathway.merge import disconnect
from crosspath.pathway.origins import Origin
from crosspath.pathway.report import MatchReport
from crosspath.pathway.safeguards import guard
from crosspath.pathway.save import DESCRIPTION
from crosspath.pathway.saved_files import Tensors, check_digests, damage_as_error, read_pathway_files
from crosspath.pathway.saved_pathway import SavedPathway, open_references, values_of
from crosspath.pathway.sources.parameters import has_pathways, holders, plain_state
from crosspath.pathway.sources.source import AuxiliarySource
from crosspath.pathway.sources.wrappers import check_target


@torch.inference_mode(False)  # a model that was loaded for inference can train later
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
        auxiliary that is missing or whose values are not the saved ones or infinite in the target's type, a buffer on
        the meta device that no state dict has, and a target made in inference mode. The target is untouched.
    """
    target = check_target(target)
    check_engine(engine)
    folder = Path(folder)
    description, plain, tensors = read_pathway_files(folder)
    state = plain_state(target)
    _check_inference(state)
    faults = tensor_faults(plain, state)
    if faults:
        todo = "load it into a model of the same names and shapes"
        raise PathwayError(folder, "the target it was saved from", "; ".join(faults), todo)
    with damage_as_error(folder / DESCRIPTION):
        entries = [
            SavedPathway.from_json(weight, name, entry, state)
            for weight, by_name in description["layers"].items()
            for name, entry in by_name.items()
        ]
        origins = {
            name: Origin(**{field.name: entry[field.name] for field in fields(Origin)})
            for name, entry in description["auxiliaries"].items()
        }
        sources = open_references(description["auxiliaries"], auxiliary)
        values: dict[str, dict[str, Tensor]] = {}
        for entry in entries:
            own = values.setdefault(entry.name, {})
            own[entry.weight] = values_of(folder, entry, tensors, sources)
            own |= {f"{entry.weight}.{part}": value for part, value in entry.learned_tensors(tensors).items()}
        scales = {entry.scale: tensors[entry.scale] for entry in entries}
        check_digests(folder, description, plain, scales, values)
        for entry in entries:
            pair, whole = entry.learned_pair(tensors), values[entry.name][entry.weight]
            with torch.no_grad():
                whole = whole if pair is None else pair(whole)
            if not entry.overlay.fits(whole, scales[entry.scale], entry.shape):
                expected = f"a pathway {entry.name} that fits {entry.weight}"
                raise PathwayError(folder / DESCRIPTION, expected, "another one", "save it again")
    for entry in entries:
        check_finite(entry.weight, values[entry.name][entry.weight].to(state[entry.weight].dtype))
    if engine != "live" and any(entry.learned_rows is not None for entry in entries):
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


def _check_inference(state: Tensors) -> None:
    """Raise `PathwayError` for a target made in inference mode, whose tensors nothing may write to."""
    for name, value in state.items():
        if value.is_inference() and not value.is_meta:
            expected, todo = "a target made outside of torch.inference_mode()", "build it before that block"
            raise PathwayError(name, expected, "one made inside", todo)


def _check_buffers(target: nn.Module) -> None:
    """Raise `PathwayError` for a buffer on the meta device that is in no state dict, so that no file has its values."""
    for path, module in target.named_modules():
        for name in module._non_persistent_buffers_set:
            value = module._buffers.get(name)
            if value is not None and value.is_meta:
                todo = "build the target outside of torch.device('meta'), or set this buffer first"
                where = f"{path}.{name}" if path else name
                raise PathwayError(where, "a buffer with values, which no file has", "one on the meta device", todo)
