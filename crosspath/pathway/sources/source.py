"""Where auxiliary weights come from: a module, a state dict or a safetensors file, all of them only read; and which
weights are quantised, since a pathway needs floating-point ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.layouts import Norm
from crosspath.pathway.engines.parametrization import is_sharded, read_tensor
from crosspath.pathway.sources.description import Description, weight_file_of
from crosspath.pathway.sources.file_source import open_file
from crosspath.pathway.sources.heads import Heads, heads_of
from crosspath.pathway.sources.norms import norm_placement
from crosspath.pathway.sources.parameters import holders
from crosspath.pathway.sources.wrappers import check_shapes
from crosspath.pickles import refuse_pickle

AuxiliarySource = nn.Module | Mapping[str, Tensor] | str | Path
"""What may be connected: a module, a state dict, or the path of a `.safetensors` file, of the index of several, or of a
folder that holds one. A folder's config is read as well, also where the weights in it are named (`CONFIG_OF`)."""
SMALL_INTEGERS = ("I8", "U8", "I32")
"""Number types of packed or rounded matrices; tables of indices have 64 bits."""


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
        """The number type of a weight as safetensors names it (`F32`, `I8`), without reading values."""

    def attribute(self, path: str) -> object:
        """The value of an attribute, such as a head count; None where the source has none of that path."""

    @property
    def description(self) -> Description | None:
        """What stands beside the weights in a file; None for a module."""

    def heads(self, block: str, attention: str) -> Heads | None:
        """The heads of the block at a path, whose attention is at a path inside it; None where nothing states them."""

    def norm(self, block: str) -> Norm | None:
        """Where the block at a path normalises; None where nothing states or shows it."""


@dataclass(frozen=True)
class ModuleSource:
    """A module. Of a connected one, the weights are the sums it computes with."""

    module: nn.Module
    origin: str = field(init=False)
    file: None = None
    description: None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", type(self.module).__name__)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {holder.name: tuple(holder.original.shape) for holder in holders(self.module)}

    def tensor(self, name: str) -> Tensor:
        path, _, attribute = name.rpartition(".")
        with torch.no_grad():
            return read_tensor(self.module.get_submodule(path), attribute).detach()

    def kind(self, name: str) -> str:
        return _kind(self.tensor(name))

    def attribute(self, path: str) -> object:
        value: object = self.module
        for part in path.split(".") if path else ():
            value = getattr(value, part, None)
        return value

    def heads(self, block: str, attention: str) -> Heads | None:
        return heads_of(self.module.get_submodule(block.rstrip(".")), attention)

    def norm(self, block: str) -> Norm | None:
        return norm_placement(self.module.get_submodule(block.rstrip(".")))


@dataclass(frozen=True)
class StateSource:
    """A state dict: names and values; no attributes, unless it was read from a file that states some."""

    state: Mapping[str, Tensor]
    origin: str = "state dict"
    file: None = None

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(value.shape) for name, value in self.state.items() if isinstance(value, Tensor)}

    def tensor(self, name: str) -> Tensor:
        return self.state[name].detach()

    def kind(self, name: str) -> str:
        return _kind(self.state[name])

    def attribute(self, path: str) -> object:
        return None if self.description is None else self.description.attribute(path)

    def heads(self, block: str, attention: str) -> Heads | None:
        return None if self.description is None else self.description.heads(block)

    def norm(self, block: str) -> Norm | None:
        return None if self.description is None else self.description.norm(block)

    @property
    def description(self) -> Description | None:
        """What the file that it was read from states."""
        return self.state.description if isinstance(self.state, State) else None


class State(dict[str, Tensor]):
    """A state dict with what its file states beside the weights."""

    def __init__(self, tensors: Mapping[str, Tensor], description: Description | None) -> None:
        super().__init__(tensors)
        self.description = description


def _kind(weight: Tensor) -> str:
    if weight.dtype is torch.bool:
        return "BOOL"
    if weight.is_complex():
        return f"C{8 * weight.element_size()}"
    letter = "F" if weight.is_floating_point() else "U" if weight.dtype == torch.uint8 else "I"
    return f"{letter}{8 * weight.element_size()}"


def is_named(auxiliary: object) -> bool:
    """Whether it is {name: auxiliary}; a mapping of tensors is a state dict."""
    if not isinstance(auxiliary, Mapping) or not auxiliary:
        return False
    return not any(isinstance(value, Tensor) for value in cast(Mapping[str, object], auxiliary).values())


def holds_tensors(values: object) -> bool:
    """Whether it is a mapping with tensors among its values, as a state dict is."""
    return isinstance(values, Mapping) and any(isinstance(value, Tensor) for value in values.values())


def todo_of(checkpoint: Mapping[str, object]) -> str:
    """What to pass in place of a mapping that is no state dict: of a checkpoint its entry of weights."""
    name = next((name for name, value in checkpoint.items() if holds_tensors(value)), None)
    return "pass the state dict of a model" if name is None else f"pass its entry with the weights, [{name!r}]"


def open_source(source: AuxiliarySource) -> Source:
    """The source for what the user passed.

    Raises
    ------
    PathwayError
        For a module of lazy layers that have not run, a missing file, a pickled one, a folder without
        `model.safetensors`, a file or folder of a model with pathways, and anything that is not a source.
    """
    if isinstance(source, nn.Module):
        check_shapes(source)
        return ModuleSource(source)
    if isinstance(source, Mapping):
        if not holds_tensors(source):
            kinds = ", ".join(f"{name} ({type(value).__name__})" for name, value in source.items())
            raise PathwayError("auxiliary", "a state dict, {name: tensor}", kinds or "an empty one", todo_of(source))
        return StateSource(source)
    if not isinstance(source, str | Path):
        expected, found = "a module, a state dict or a path", type(source).__name__
        raise PathwayError("auxiliary", expected, found, "pass one of these")
    path = Path(source)
    if path.is_dir():
        path = weight_file_of(path) or path / "model.safetensors"
    if path.name in ("model.safetensors", "pathway.safetensors") and (path.parent / "pathway.json").exists():
        todo = "merge it with `crosspath merge`, or load it with crosspath.load_pathway and pass the model"
        raise PathwayError(source, "a plain model", "a part of one with pathways", todo)
    if path != Path(source) and not path.exists():
        refuse_folder(path.parent)
    with raise_as_pathway_error():
        refuse_pickle(path)
    if not path.is_file():
        raise PathwayError(path, "a .safetensors file", "none", "check the path")
    return open_file(path)


def refuse_folder(folder: Path) -> None:
    """Raise `PathwayError` for a folder whose weights are in another form, with what to do."""
    load = "load it with the library that wrote it and pass the model"
    forms = {
        "adapter_model.*": ("an adapter alone", "load it with peft, and pass or save model.merge_and_unload()"),
        "pytorch_model*.bin": ("a pickle", "translate it with `crosspath convert`, or " + load),
        "_CHECKPOINT_METADATA": ("an Orbax checkpoint", "pass a PyTorch model that holds these weights"),
        "manifest.ocdbt": ("an Orbax checkpoint", "pass a PyTorch model that holds these weights"),
        "saved_model.pb": ("a TensorFlow model", "pass a PyTorch model that holds these weights"),
        "model.bin": ("a model of CTranslate2", "pass the PyTorch model that it was converted from"),
    }
    for pattern, (form, todo) in forms.items():
        file = next(iter(sorted(folder.glob(pattern))), None)
        if file is not None:
            raise PathwayError(folder, "a folder with model.safetensors", f"{form} ({file.name})", todo)


def find_quantised(source: Source) -> list[str]:
    """The names of a source's quantised weights; of a state dict or file, its matrices of small integers."""
    if isinstance(source, ModuleSource):
        return quantised_weights(source.module)
    matrices = {name: source.kind(name) for name, shape in source.shapes().items() if len(shape) == 2}
    return [f"{name} ({kind})" for name, kind in matrices.items() if kind in SMALL_INTEGERS]


def quantised_weights(model: nn.Module) -> list[str]:
    """The names of quantised weights, each with its storage: packed by torch, integers, or a tensor subclass
    (bitsandbytes, torchao).
    """
    packed_weights = [
        f"{name}.weight ({type(module).__module__}.{type(module).__name__})"
        for name, module in model.named_modules()
        if "quantized" in type(module).__module__.split(".")
        and hasattr(module, "_packed_params")
        and not name.endswith("_packed_params")
    ]
    return packed_weights + [
        f"{holder.name} ({type(holder.original).__name__}, {holder.original.dtype})"
        for holder in holders(model)
        if is_quantised(holder.original)
    ]


def is_quantised(weight: Tensor) -> bool:
    """Whether a weight holds anything but plain floating-point (or complex) values."""
    if is_sharded(weight):
        return False
    plain = weight.is_floating_point() or weight.is_complex()
    return not plain or is_traceable_wrapper_subclass(weight)
