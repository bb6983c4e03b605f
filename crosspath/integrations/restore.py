"""Go on training from saved files: a connected model is filled in place, so that an optimizer keeps its parameters.

`crosspath.load_pathway` connects anew, with new λ and W'; a trainer that resumes has made its optimizer by then.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_tensors, sha256_of_tensors, tensor_faults
from crosspath.pathway import pathways
from crosspath.pathway.combine import Spread
from crosspath.pathway.files import (
    DESCRIPTION,
    PATHWAYS,
    TARGET,
    described_spread,
    read_description,
)
from crosspath.pathway.handle import Pathways
from crosspath.pathway.parameters import INSIDE, connections, plain_state


def restore(target: nn.Module, folder: str | Path) -> None:
    """Give a connected target the values of a folder of `save_pathway`: W, λ and W', into the very same Parameters.

    The target has to be connected as it was when it was saved. A frozen auxiliary that is saved by reference is the
    one already connected; its values are checked.

    Raises
    ------
    PathwayError
        For a target without pathways, missing, damaged or mixed-up files, or a target that is connected otherwise.
        The target is untouched.
    """
    folder = Path(folder)
    handle = pathways(target)
    described = read_description(folder / DESCRIPTION)
    with raise_as_pathway_error():
        plain, saved = (read_tensors(folder / name, mapped=True)[0] for name in (TARGET, PATHWAYS))
    _check_connection(folder, target, described)
    scales = {f"{weight}.{name}.scale": scale for (weight, name), scale in handle.scales().items()}
    stored = {name for name, source in described["auxiliaries"].items() if source["stored"]}
    auxiliaries = {
        f"{weight}.{name}.auxiliary": value for (weight, name), value in handle.auxiliaries().items() if name in stored
    }
    own = plain_state(target)
    for file, actual, expected in ((TARGET, plain, own), (PATHWAYS, saved, scales | auxiliaries)):
        faults = tensor_faults(actual, expected)
        if faults:
            todo = "resume in the model it was saved from"
            raise PathwayError(folder / file, "the tensors of this model", "; ".join(faults), todo)
    _check_digests(folder, handle, described, plain, saved)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(plain[name])
        for name, tensor in (scales | auxiliaries).items():
            tensor.copy_(saved[name])


def accept_plain_state(target: nn.Module) -> RemovableHandle:
    """Until the handle is removed, `target.load_state_dict` takes a plain target's state dict as well: W is filled, and
    λ and W' stay what they are. For trainers that load the file of a checkpoint before anyone is asked.
    """
    handle: RemovableHandle = cast(Any, target).register_load_state_dict_pre_hook(_take_plain_names)
    return handle


def _take_plain_names(target: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if not any(prefix + holder.name in state for holder, _ in connections(target)):
        return
    for holder, pathway in connections(target):
        path = holder.name.removesuffix(holder.attribute)
        inside = f"{prefix}{path}{INSIDE}.{holder.attribute}."
        if prefix + holder.name in state:
            state[f"{inside}original"] = state.pop(prefix + holder.name)
        state |= {f"{inside}0.{name}": value for name, value in pathway.state_dict().items()}


def _check_connection(folder: Path, target: nn.Module, described: Mapping[str, Any]) -> None:
    """The same weights hold the same auxiliaries, cut and laid in the same way."""
    here = {
        (holder.name, name): described_spread(spread)
        for holder, pathway in connections(target)
        for name, spread in pathway.spreads.items()
    }
    saved = {
        (weight, name): {field: entry[field] for field in Spread._fields if field in entry}
        for weight, named in described["layers"].items()
        for name, entry in named.items()
    }
    different = sorted({weight for weight, _ in here.keys() ^ saved.keys()})
    different += sorted(key[0] for key in here.keys() & saved.keys() if here[key] != saved[key])
    if different:
        raise PathwayError(
            f"{folder}: expected pathways connected as they were saved, found others at {', '.join(different)}; "
            "connect with the same auxiliaries and options, then resume"
        )


def _check_digests(
    folder: Path,
    handle: Pathways,
    described: Mapping[str, Any],
    plain: Mapping[str, Tensor],
    saved: Mapping[str, Tensor],
) -> None:
    """Target, λ and W' belong together, and a frozen auxiliary that is saved by reference is the connected one."""
    scales = {name: value for name, value in saved.items() if name.endswith(".scale")}
    for what, file, found in (("target", TARGET, plain), ("scales", PATHWAYS, scales)):
        if sha256_of_tensors(sorted(found.items())) != described[f"sha256_of_{what}"]:
            raise PathwayError(
                f"{folder / file}: expected the values saved beside {DESCRIPTION}, found others; use one save's files"
            )
    for name, source in described["auxiliaries"].items():
        if not source["stored"] and handle.digest(name) != source["sha256_of_values"]:
            raise PathwayError(
                f"{folder}: expected the frozen auxiliary {name} that it was saved with, found other values; "
                "connect with the right one"
            )
        suffix = f".{name}.auxiliary"
        values = {key.removesuffix(suffix): value for key, value in saved.items() if key.endswith(suffix)}
        if source["stored"] and sha256_of_tensors(sorted(values.items())) != source["sha256_of_values"]:
            raise PathwayError(f"{folder / PATHWAYS}: the stored values of auxiliary {name} are damaged; save it again")
