"""Reads a foundation model's encoder from the files of its own library: its weights under this library's names, and
the settings of a recipe that they need.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crosspath.checkpoints.foreign.families import FAMILIES, NO_DEFAULT, Family
from crosspath.checkpoints.foreign.foundation_inputs import PREPROCESSOR, activation_of, require_entries
from crosspath.checkpoints.foreign.foundation_model import Foundation, foundation
from crosspath.checkpoints.save import RECIPE, WEIGHTS
from crosspath.checkpoints.sources import Auxiliary, hub_folder, is_on_hub
from crosspath.errors import InputError
from crosspath.files import read_json, read_tensors
from crosspath.pathway.sources.source import State
from crosspath.pickles import refuse_pickle

CONFIG = "config.json"
COPY = "copy its config.json again"
WIDEST = 1e7
"""Channels: more are no network's."""


def foundation_at(start: str | Path) -> Foundation | None:
    """The foundation model of a Hugging Face or timm folder, its weight file, `hf:OWNER/NAME` or `timm:NAME`; None for
    any other path, such as this library's own checkpoints.

    Raises
    ------
    InputError
        For a model that is not among the families, or has what this library's encoder does not compute: both by name.
    """
    text = str(start)
    folder = hub_folder(text) if is_on_hub(text) else Path(text)
    folder = folder.parent if folder.name == WEIGHTS and (folder.parent / CONFIG).is_file() else folder
    if not (folder / CONFIG).is_file() or (folder / RECIPE).is_file():
        return None
    if not (folder / WEIGHTS).is_file():
        for file in sorted(folder.iterdir()):
            if file.is_file():
                refuse_pickle(file)
        todo = f"save it as one {WEIGHTS} (save_pretrained with a large max_shard_size)"
        raise InputError(folder, WEIGHTS, "none", todo)
    config = read_json(folder / CONFIG)
    tensors, metadata = read_tensors(folder / WEIGHTS)
    if "recipe" in metadata:
        return None
    _refuse_quantised(folder, config, tensors)
    if "architecture" in config:
        from crosspath.checkpoints.foreign.timm_family import timm_foundation

        return timm_foundation(text, folder / CONFIG, config, tensors)
    kind = config.get("model_type")
    if kind not in FAMILIES:
        families = ", ".join([*FAMILIES, "timm's VisionTransformer"])
        todo = "choose another, or name it with --auxiliary, which needs no family"
        raise InputError(folder / CONFIG, f"a model_type of {families}", repr(kind), todo)
    beside = read_json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}
    return transformers_foundation(text, folder / CONFIG, FAMILIES[str(kind)], config, beside, tensors)


def foundation_if_known(start: str | Path) -> Foundation | None:
    """`foundation_at`, and None for what that refuses."""
    try:
        return foundation_at(start)
    except InputError:
        return None


def training_command(model: Foundation, start: str) -> str:
    """The command that trains a target from a foundation model."""
    return shlex.join(["crosspath", "train", f"{model.modality}/folder", "--data", "DIR", "--from", start])


def modality_of_files(auxiliary: Auxiliary) -> str | None:
    """What an auxiliary of another library reads, where its files are those of a family above or of timm, all of whose
    models read pictures; None where they do not tell it.
    """
    weights = auxiliary.weights
    description = weights.description if isinstance(weights, State) else None
    config = {} if description is None else description.config
    if auxiliary.origin.startswith("timm:") or "architecture" in config:
        return "image"
    family = FAMILIES.get(str(config.get("model_type")))
    return None if family is None else family.modality


def _refuse_quantised(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Raise `InputError` for quantised weights, whose numbers are not the values that the model computes with."""
    todo = "name the model as it was before quantising"
    if config.get("quantization_config"):
        raise InputError(folder / CONFIG, "weights that are not quantised", "a quantization_config", todo)
    for name, tensor in tensors.items():
        if name.endswith(".weight") and not (tensor.is_floating_point() and tensor.element_size() > 1):
            found = f"{name} of {str(tensor.dtype).removeprefix('torch.')}"
            raise InputError(folder / WEIGHTS, "weights as floating-point numbers", found, todo)


def transformers_foundation(
    where: str,
    file: Path,
    family: Family,
    config: Mapping[str, Any],
    preprocessor: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> Foundation:
    """One of `FAMILIES`. `file` is the config. Raises `InputError`: see `foundation_at`."""
    if family.section is not None:
        config = config.get(family.section) or {}
    require_entries(file, config, family.same)
    model = dict(family.options) | _settings(file, family, config)
    own, leftovers = _rename(file, family, tensors)
    own, model["qkv_bias"] = fuse(file, own)
    if "encoder.reg_token" in own:
        model["registers"] = own["encoder.reg_token"].shape[-2]
    inputs = family.inputs(file, config, preprocessor)
    return foundation(
        where, family.name, family.modality, model, inputs, own, family.weights, leftovers=tuple(leftovers)
    )


def _settings(file: Path, family: Family, config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the `model` section that the config states."""
    section: dict[str, Any] = {}
    for name, (entry, default) in family.settings.items():
        value = config.get(entry, default)
        if value is NO_DEFAULT:
            raise InputError(file, f"an entry `{entry}`", "none", "save it with a current transformers")
        # True counts as 1 in Python, and a text times a width as a longer text.
        if isinstance(value, bool) or not isinstance(value, str if name == "activation" else int | float):
            raise InputError(file, f"a {'text' if name == 'activation' else 'number'} as `{entry}`", repr(value), COPY)
        if name in ("width", "depth", "heads") and not isinstance(value, int):
            raise InputError(file, f"a whole number as `{entry}`", repr(value), COPY)
        section[name] = value
    section["activation"] = activation_of(file, family.settings["activation"][0], section["activation"])
    if family.settings["mlp_width"][0] == "mlp_ratio":
        section["mlp_width"] = _whole(file, section["width"] * section["mlp_width"])
    return section


def _whole(file: Path, width: float) -> int:
    if not 0 < width < WIDEST:
        raise InputError(file, "an `mlp_ratio` of a network", f"{width:g} channels", COPY)
    return int(width)


def _rename(file: Path, family: Family, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The encoder's tensors under this library's names, and the file's names of all others."""
    anchor = next((name for name in sorted(tensors) if name == family.anchor or name.endswith(f".{family.anchor}")), "")
    if not anchor:
        raise InputError(file.parent / WEIGHTS, f"a tensor {family.anchor}", "none", "copy the files again")
    prefix = anchor.removesuffix(family.anchor)
    own, leftovers = {}, []
    for full, tensor in tensors.items():
        name = full.removeprefix(prefix)
        if not full.startswith(prefix) or re.match(family.drops, name) or (not prefix and _is_head(name)):
            leftovers.append(full)
            continue
        for pattern, replacement in family.renames:
            name = re.sub(pattern, replacement, name)
        own[name] = tensor
    return own, leftovers


def _is_head(name: str) -> bool:
    """Whether a tensor beside an encoder without a prefix belongs to what reads its features."""
    return name.startswith(("classifier.", "cls.", "decoder.", "proj_out."))


def fuse(where: object, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Query, key and value of each block as one `attn.qkv`, zeros for a bias that only some have; whether any has one.

    Attention ignores a bias of the keys: it adds the same to all scores of a query.
    """
    result = {name: tensor for name, tensor in tensors.items() if not re.search(r"\.attn\.(query|key|value)\.", name)}
    blocks = sorted({name.rpartition(".attn.query.")[0] for name in tensors if ".attn.query." in name})
    for block in blocks:
        for part in ("weight", "bias"):
            three = [tensors.get(f"{block}.attn.{role}.{part}") for role in ("query", "key", "value")]
            present = [tensor for tensor in three if tensor is not None]
            if part == "weight" and len(present) < 3:
                raise InputError(where, f"query, key and value of {block}", f"{len(present)} of them", "copy it again")
            if present:
                full = [torch.zeros_like(present[0]) if tensor is None else tensor for tensor in three]
                result[f"{block}.attn.qkv.{part}"] = torch.cat(full)
    return result, any(name.endswith(".attn.qkv.bias") for name in result)
