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
from crosspath.checkpoints.foreign.foundation_model import Foundation, encoder_tensors, foundation
from crosspath.checkpoints.save import RECIPE, WEIGHTS
from crosspath.checkpoints.sources import Auxiliary, hub_folder, is_on_hub
from crosspath.errors import InputError
from crosspath.files import read_json, read_tensors
from crosspath.pathway.sources.source import State
from crosspath.pickles import refuse_pickle

CONFIG = "config.json"
COPY = "copy its config.json again"
READERS = r"(?:classifier|cls|decoder|proj_out)\."
"""Beside an encoder: what reads its features."""
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
    if config.get("quantization_config"):
        todo = "name the model as it was before quantising"
        raise InputError(folder / CONFIG, "weights that are not quantised", "a quantization_config", todo)
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
    weights = file.parent / WEIGHTS
    others = f"{family.drops}|{READERS}"
    plain, leftovers = encoder_tensors(weights, tensors, family.anchor, others)
    own, model["qkv_bias"] = fuse(weights, {_rename(family, name): tensor for name, tensor in plain.items()})
    if "encoder.reg_token" in own:
        model["registers"] = own["encoder.reg_token"].numel() // max(model["width"], 1)
    inputs = family.inputs(file, config, preprocessor)
    return foundation(where, family.name, family.modality, model, inputs, own, family.weights, leftovers=leftovers)


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


def _rename(family: Family, name: str) -> str:
    for pattern, replacement in family.renames:
        name = re.sub(pattern, replacement, name)
    return name


def fuse(where: object, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Query, key and value of each block as one `attn.qkv`, and whether these have biases: zeros for keys without one.

    Attention ignores a bias of the keys: it adds the same to all scores of a query.

    Raises
    ------
    InputError
        For a block with other shapes among the three, or without one of them, and for biases that only some have.
    """
    result = {name: tensor for name, tensor in tensors.items() if not re.search(r"\.attn\.(query|key|value)\.", name)}
    blocks = sorted({match[1] for name in tensors if (match := re.match(r"(.*)\.attn\.(?:query|key|value)\.", name))})
    biased = any(re.search(r"\.attn\.(query|key|value)\.bias$", name) for name in tensors)
    keyed = any(name.endswith(".attn.key.bias") for name in tensors)
    for block in blocks:
        for part in ("weight", "bias") if biased else ("weight",):
            names = [f"{block}.attn.{role}.{part}" for role in ("query", "key", "value")]
            three = [tensors.get(name) for name in names]
            if part == "bias" and not keyed and three[0] is not None:
                three[1] = torch.zeros_like(three[0])
            shapes = [None if tensor is None else tuple(tensor.shape) for tensor in three]
            if None in shapes or len(set(shapes)) > 1:
                found = ", ".join("none" if shape is None else str(shape) for shape in shapes)
                raise InputError(where, f"{', '.join(names)} of one shape", found, "copy it again")
            result[f"{block}.attn.qkv.{part}"] = torch.cat([tensor for tensor in three if tensor is not None])
    return result, biased
