"""Where auxiliary weights come from: a module, a state dict, or a safetensors file. All are copied from, never
altered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.pathway.parameters import holders
from crosspath.pickles import refuse_pickle

AuxiliarySource = nn.Module | Mapping[str, Tensor] | str | Path
"""What may be connected: a module, a state dict, or the path of a `.safetensors` file or of a folder that holds one."""


class Source(Protocol):
    """Named weights, and what the source states about itself."""

    @property
    def origin(self) -> str:
        """What to call the source in messages."""

    @property
    def file(self) -> Path | None:
        """The file it is read from, if it is one."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every weight's plain name and shape."""

    def tensor(self, name: str) -> Tensor:
        """A weight's values, detached; the source's own memory."""

    def kind(self, name: str) -> str:
        """What numbers a weight holds, as safetensors names them (`F32`, `I8`); no value is read for it."""

    def stated(self, path: str) -> object:
        """A fact the source states by attribute, such as a head count; None where it states none."""


@dataclass(frozen=True)
class ModuleSource:
    """A module; where pathways are connected inside it, the weights it effectively computes with."""

    module: nn.Module
    origin: str = field(init=False)
    file: None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", type(self.module).__name__)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {holder.name: tuple(holder.original.shape) for holder in holders(self.module)}

    def tensor(self, name: str) -> Tensor:
        path, _, attribute = name.rpartition(".")
        with torch.no_grad():
            value = getattr(self.module.get_submodule(path), attribute)
        assert isinstance(value, Tensor)
        return value.detach()

    def kind(self, name: str) -> str:
        return _kind(self.tensor(name))

    def stated(self, path: str) -> object:
        found: object = self.module
        for part in path.split("."):
            found = getattr(found, part, None)
        return found


@dataclass(frozen=True)
class StateSource:
    """A state dict: names and values, and no word about heads."""

    state: Mapping[str, Tensor]
    origin: str = "state dict"
    file: None = None

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(value.shape) for name, value in self.state.items() if isinstance(value, Tensor)}

    def tensor(self, name: str) -> Tensor:
        return self.state[name].detach()

    def kind(self, name: str) -> str:
        return _kind(self.state[name])

    def stated(self, path: str) -> object:
        return None


@dataclass(frozen=True)
class FileSource:
    """A safetensors file: shapes from its header, values read one by one."""

    file: Path

    @property
    def origin(self) -> str:
        return str(self.file)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        try:
            with safe_open(self.file, framework="pt") as reader:
                return {name: tuple(reader.get_slice(name).get_shape()) for name in reader.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise PathwayError(
                f"{self.file}: expected a safetensors file, found damage ({error}); get it again"
            ) from None

    def tensor(self, name: str) -> Tensor:
        with safe_open(self.file, framework="pt") as reader:
            value = reader.get_tensor(name)
        assert isinstance(value, Tensor)
        return value

    def kind(self, name: str) -> str:
        with safe_open(self.file, framework="pt") as reader:
            return str(reader.get_slice(name).get_dtype())

    def stated(self, path: str) -> object:
        return None


def _kind(weight: Tensor) -> str:
    letter = "F" if weight.is_floating_point() else "U" if weight.dtype == torch.uint8 else "I"
    return f"{letter}{8 * weight.element_size()}"


def open_source(source: AuxiliarySource) -> Source:
    """The source behind what the user gave.

    Raises
    ------
    PathwayError
        For a missing file, a pickled one, a folder without `model.safetensors` or with pathways of its own, and
        anything that is not a source.
    """
    if isinstance(source, nn.Module):
        return ModuleSource(source)
    if isinstance(source, Mapping):
        return StateSource(source)
    if not isinstance(source, str | Path):
        raise PathwayError(f"auxiliary: expected a module, a state dict or a path, found {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        if (path / "pathway.json").exists():
            raise PathwayError(f"{path}: expected a plain model, found one with pathways; merge it first")
        path = path / "model.safetensors"
    with raise_as_pathway_error():
        refuse_pickle(path)
    if not path.is_file():
        raise PathwayError(f"{path}: expected a .safetensors file, found none; check the path")
    return FileSource(path)
