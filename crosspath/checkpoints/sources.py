"""Auxiliary weights and where they come from; those on the Hugging Face hub: timm models and other repositories."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from crosspath.checkpoints.downloads import download_configs, download_weights
from crosspath.checkpoints.save import WEIGHTS
from crosspath.errors import InputError
from crosspath.files import read_tensors, sha256_of_file, sha256_of_tensors
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.sources.description import CONFIG_OF, read_description, weight_file_of
from crosspath.pathway.sources.file_source import open_file
from crosspath.pathway.sources.source import ModuleSource, State

LOCAL_PATH = re.compile(r"(?<!\S)(/|[A-Za-z]:\\).*")
"""An absolute path and all that follows it."""
HUBS = ("timm:", "hf:")


def is_on_hub(text: str | Path) -> bool:
    """Whether a text names a model on the Hugging Face hub rather than a path."""
    return str(text).startswith(HUBS)


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """Weights for `connect` to copy, and where they come from."""

    origin: str
    """`timm:NAME`, `hf:OWNER/NAME`, or the absolute path of a checkpoint."""
    sha256: str
    """Of the weight file's bytes; of weights in several files, of their names and values."""
    weights: nn.Module | dict[str, Tensor]
    """The rebuilt model where the file holds a recipe, else its named tensors."""
    recipe: str | None = None
    """The name of the recipe it was trained with, where the file holds one."""
    modality: str | None = None
    """The modality of its training data, or `procedural`, where the file holds a recipe."""

    def record(self) -> dict[str, str]:
        """Where it comes from, as runs and checkpoints store it: `origin`, `sha256` and, if there is one, `recipe`."""
        record = {"origin": self.origin, "sha256": self.sha256}
        return record if self.recipe is None else {**record, "recipe": self.recipe}


def strip_paths(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record to share: absolute paths, which mean nothing on another machine, cut down to their last part."""
    return {
        key: LOCAL_PATH.sub(lambda match: Path(match[0]).name, value) if isinstance(value, str) else value
        for key, value in record.items()
    }


def relative_path(path: Path, home: Path) -> str | None:
    """`path` relative to the folder `home`; None where they share only the root, since such a path is absolute in
    disguise and useless on another machine."""
    path, home = path.resolve(), home.resolve()
    try:
        common = Path(os.path.commonpath([path, home]))
    except ValueError:  # two drives
        return None
    return None if common == Path(common.anchor) else Path(os.path.relpath(path, home)).as_posix()


def path_of_auxiliary(record: Mapping[str, Any], home: Path) -> str | None:
    """Relative to the folder `home`, where an auxiliary in one file still lies where the run read it, with the same
    bytes.
    """
    origin = Path(str(record.get("origin", "")))
    file = weight_file_of(origin) or origin
    present = origin.is_absolute() and file.is_file() and sha256_of_file(file) == record.get("sha256")
    return relative_path(file, home) if present else None


def foreign_auxiliary(file: Path, origin: str) -> Auxiliary:
    """The named tensors of a safetensors file, or of all files that an index lists, with what their config states.

    Raises `InputError` or `PathwayError` for a damaged file, index or config.
    """
    if file.name.endswith(".index.json"):
        source = open_file(file)
        parts = State({name: source.tensor(name).clone() for name in source.files}, source.description)
        return Auxiliary(origin=origin, sha256=sha256_of_tensors(sorted(parts.items())), weights=parts)
    tensors, metadata = read_tensors(file)
    weights = State(tensors, read_description(file, metadata))
    return Auxiliary(origin=origin, sha256=sha256_of_file(file), weights=weights)


def hub_auxiliary(spec: str) -> Auxiliary:
    """The auxiliary behind `timm:NAME` or `hf:OWNER/NAME`. Raises `InputError`: see `auxiliary_source`."""
    if spec.startswith("timm:"):
        return _from_timm(spec)
    repository = spec.removeprefix("hf:")
    where = f"--auxiliary {spec}"
    file = download_weights(repository, where)
    download_configs(repository, where, CONFIG_OF[file.name])
    return foreign_auxiliary(file, spec)


def hub_folder(spec: str) -> Path:
    """The local copy of the weights of `timm:NAME` or `hf:OWNER/NAME`, with the configurations beside them.

    Raises `InputError`: see `auxiliary_source`.
    """
    option = "--from"
    repository = _timm_model(spec, option)[1] if spec.startswith("timm:") else spec.removeprefix("hf:")
    where = f"{option} {spec}"
    file = download_weights(repository, where, (WEIGHTS,))
    download_configs(repository, where, ("config.json", "preprocessor_config.json"))
    return file.parent


def _timm_model(spec: str, option: str) -> tuple[nn.Module, str]:
    """The model of a name, freshly initialised, and its repository on the hub."""
    import timm

    name = spec.removeprefix("timm:")
    try:
        # Other names, such as local-dir:DIR, would lead timm to files and addresses.
        if not timm.is_model(name):
            raise RuntimeError
        model = timm.create_model(name, pretrained=False)
    except RuntimeError:
        near = timm.list_models(f"*{name.partition('.')[0][:12]}*")[:3]
        todo = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise InputError(f"{option} {spec}", "a timm model", repr(name), todo) from None
    assert isinstance(model, nn.Module)
    repository = (getattr(model, "pretrained_cfg", None) or {}).get("hf_hub_id")
    if not repository:
        raise InputError(f"{option} {spec}", "a timm model with weights on the hub", "none", "choose another")
    return model, str(repository)


def _from_timm(spec: str) -> Auxiliary:
    model, repository = _timm_model(spec, "--auxiliary")
    auxiliary = foreign_auxiliary(download_weights(repository, f"--auxiliary {spec}"), spec)
    own, weights = model.state_dict(), auxiliary.weights
    assert isinstance(weights, dict)
    # timm itself would reshape positions and heads on loading; a pathway does not read them.
    same_shape = {name: tensor for name, tensor in weights.items() if name in own and own[name].shape == tensor.shape}
    if any(name not in same_shape for name in _needed_names(model)):
        return auxiliary
    model.load_state_dict(same_shape, strict=False)
    return replace(auxiliary, weights=model)


def _needed_names(model: nn.Module) -> list[str]:
    """What a pathway may read: all that the blocks hold, norms and biases too; every matrix, of a model without
    recognised blocks.
    """
    anatomy = locate(ModuleSource(model))
    if anatomy is None:
        return [name for name, value in model.state_dict().items() if value.ndim > 1]
    return [name for name in model.state_dict() if name.startswith(tuple(anatomy.paths.values()))]
