"""Resume training from saved files: a connected model is filled in place, so that an optimizer keeps its parameters.

`crosspath.load_pathway` connects with new Parameters λ and W'; a trainer that resumes has built its optimizer before.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from crosspath.errors import PathwayError
from crosspath.files import tensor_faults
from crosspath.pathway import pathways
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.engines.pathway_weight import INSIDE
from crosspath.pathway.save import DESCRIPTION, PATHWAYS, TARGET
from crosspath.pathway.saved_files import check_digests, damage_as_error, read_pathway_files
from crosspath.pathway.sources.parameters import connections, plain_state


def restore(target: nn.Module, folder: str | Path) -> None:
    """Give a connected target the values of a folder of `save_pathway`: W, λ and W', into the same Parameters.

    The target has to be connected as it was when it was saved. A frozen auxiliary that is saved by reference is the
    one already connected; its values are checked.

    Raises
    ------
    PathwayError
        For a target without pathways, missing, damaged or mixed-up files, or a target that is connected in another way.
        The target is untouched.
    """
    folder = Path(folder)
    handle = pathways(target)
    description, plain, tensors = read_pathway_files(folder)
    with damage_as_error(folder / DESCRIPTION):
        _check_connection(folder, target, description)
        stored_names = {name for name, entry in description["auxiliaries"].items() if entry["stored"]}
        scales = {f"{weight}.{name}.scale": scale for (weight, name), scale in handle.scales().items()}
        auxiliaries = {
            f"{weight}.{name}.auxiliary": value
            for (weight, name), value in handle.auxiliaries().items()
            if name in stored_names
        }
        pairs = {
            (weight, name, part): value
            for (weight, name), pair in handle.learned_pairs().items()
            for part, value in pair.items()
        }
        auxiliaries |= {f"{weight}.{name}.{part}": value for (weight, name, part), value in pairs.items()}
        own = plain_state(target)
        for file, actual, expected in ((TARGET, plain, own), (PATHWAYS, tensors, scales | auxiliaries)):
            faults = tensor_faults(actual, expected)
            if faults:
                todo = "resume in the model it was saved from"
                raise PathwayError(folder / file, "the tensors of this model", "; ".join(faults), todo)
        values: dict[str, dict[str, Tensor]] = {}
        for (weight, name), auxiliary in handle.auxiliaries().items():
            value = tensors[f"{weight}.{name}.auxiliary"] if name in stored_names else auxiliary
            values.setdefault(name, {})[weight] = value
        for weight, name, part in pairs:
            values[name][f"{weight}.{part}"] = tensors[f"{weight}.{name}.{part}"]
        check_digests(folder, description, plain, {name: tensors[name] for name in scales}, values)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(plain[name])
        for name, tensor in (scales | auxiliaries).items():
            tensor.copy_(tensors[name])
    for held in held_weights(target):
        held.write_sum()


def accept_plain_state(target: nn.Module) -> RemovableHandle:
    """Until the handle is removed, `target.load_state_dict` takes a plain target's state dict as well: W is filled, and
    λ and W' stay as they are. For trainers that load a checkpoint's model before they call any callback.
    """
    handle: RemovableHandle = cast(Any, target).register_load_state_dict_pre_hook(_translate_plain_names)
    return handle


def _translate_plain_names(target: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if not any(prefix + holder.name in state for holder, _ in connections(target)):
        return
    for holder, pathway in connections(target):
        path = holder.name.removesuffix(holder.attribute)
        inside = f"{prefix}{path}{INSIDE}.{holder.attribute}."
        if prefix + holder.name in state:
            state[f"{inside}original"] = state.pop(prefix + holder.name)
        state |= {f"{inside}0.{name}": value for name, value in pathway.state_dict().items()}


def _check_connection(folder: Path, target: nn.Module, description: Mapping[str, Any]) -> None:
    """Raise `PathwayError` unless the same weights have the same auxiliaries, cut and placed in the same way."""
    here = {
        (holder.name, name): overlay.to_json()
        for holder, pathway in connections(target)
        for name, overlay in pathway.overlays.items()
    }
    names = {field.name for field in fields(Overlay)}
    on_disk = {
        (weight, name): {field: entry[field] for field in names & entry.keys()}
        for weight, by_name in description["layers"].items()
        for name, entry in by_name.items()
    }
    mismatches = sorted({weight for weight, _ in here.keys() ^ on_disk.keys()})
    mismatches += sorted(key[0] for key in here.keys() & on_disk.keys() if here[key] != on_disk[key])
    if mismatches:
        found, todo = f"others at {', '.join(mismatches)}", "connect with the same auxiliaries and options, then resume"
        raise PathwayError(folder, "pathways connected as they were saved", found, todo)
