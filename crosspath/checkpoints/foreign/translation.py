"""The tensors of a foreign checkpoint, taken one by one, and the record of what became of each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.recipe import validate
from crosspath.counts import first_names
from crosspath.errors import InputError
from crosspath.models.sizes import SIZES
from crosspath.pathway.anatomy.weight_names import template
from crosspath.pathway.sources.adapters import refuse_adapter_names
from crosspath.pathway.sources.quantised import refuse_quantised_names

WRAPPERS = ("model", "module", "state_dict", "base_model", "model_state_dict", "_orig_mod")
"""Entries under which training scripts store a model, and prefixes that wrappers add to its names."""
_WRAPPED = re.compile(rf"^(?:(?:{'|'.join(WRAPPERS)})\.)+")
PREFIXES = (
    "backbone.",
    "encoder.",
    "vit.",
    "videomae.",
    "audio_spectrogram_transformer.",
    "deit.",
    "v.",
    "base_model.",
)
"""Names of the encoder inside a larger model. Removed only where blocks follow."""

SEPARATOR = " + "
"""Between the names of tensors that are fused into one."""
TODO = "copy the file again, or choose another"


@dataclass
class Foreign:
    """The tensors of a foreign checkpoint that are still to be converted, under their own names."""

    where: object
    tensors: dict[str, Tensor]
    config: Path | None = None
    """The `config.json` that describes it."""
    full_names: dict[str, str] = field(default_factory=dict)
    """{name: its name in the file}, with wrappers' prefixes."""
    leftovers: dict[str, str] = field(default_factory=dict)
    """{name in the file: why it is not converted}."""
    destinations: dict[str, str] = field(default_factory=dict)
    """{name in the file: what it became}."""
    notes: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What `config` says, once the format is recognised: `norm_eps`, `heads`, `activation`, `mean`, `std`, `frames`,
    `mels`, `stride`, `image_size`.
    """
    format: str | None = None
    """The format's name, once it is recognised."""

    def has(self, name: str) -> bool:
        """Whether a tensor of this name is still to be converted."""
        return name in self.tensors

    def shape(self, name: str, *axes: int) -> tuple[int, ...]:
        """The shape of a tensor still to be converted.

        Raises `InputError` where there is none, for a number of axes that is not among `axes`, and for an empty one.
        """
        shape = tuple(self._get(name).shape)
        if len(shape) not in axes or not all(shape):
            expected = f"{self._full(name)} of {' or '.join(map(str, axes))} axes"
            raise InputError(self.where, expected, f"shape {shape}", TODO)
        return shape

    def expect(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise `InputError` unless a tensor still to be converted has this shape."""
        actual = tuple(self._get(name).shape)
        if actual != shape:
            raise InputError(self.where, f"{self._full(name)} of shape {shape}", f"{actual}", TODO)

    def take(self, name: str, becomes: str) -> Tensor:
        """Remove one tensor and return it; `becomes` is its new name, for the receipt.

        Raises `InputError` where there is none, and for integers, whose scale the file does not give.
        """
        tensor = self._get(name)
        if not tensor.is_floating_point() and not name.endswith("num_batches_tracked"):
            expected = f"{self._full(name)} in floating point"
            raise InputError(self.where, expected, str(tensor.dtype).removeprefix("torch."), "save it unquantised")
        del self.tensors[name]
        self.destinations |= dict.fromkeys(self._full(name).split(SEPARATOR), becomes)
        return tensor

    def drop(self, pattern: str, reason: str) -> list[str]:
        """Drop the tensors whose names match; returns these names."""
        names = [name for name in self.tensors if re.match(pattern, name)]
        for name in names:
            del self.tensors[name]
            self.leftovers |= dict.fromkeys(self._full(name).split(SEPARATOR), reason)
        return names

    def indices(self, prefix: str) -> list[int]:
        """The indices of the blocks whose names begin with `prefix`, ascending."""
        matches = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in self.tensors)
        return sorted({int(match[1]) for match in matches if match})

    def finish(self) -> None:
        """Raise `InputError` for tensors left over: without them the model would compute something else."""
        if self.tensors:
            self.refuse_parts()
            first = first_names([self._full(name) for name in self.tensors], 3)
            todo = "`crosspath convert --bare` keeps the weights as an auxiliary, without a model"
            raise InputError(self.where, "only tensors of this format", first, todo)

    def refuse_parts(self) -> None:
        """Raise `InputError` for tensors left over that are quantised, or an adapter's: no auxiliary either."""
        names = [self._full(name) for name in self.tensors]
        refuse_quantised_names(str(self.where), names)
        refuse_adapter_names(str(self.where), names)

    def _get(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise InputError(self.where, f"a tensor {name}", "none", TODO)
        return self.tensors[name]

    def _full(self, name: str) -> str:
        return self.full_names.get(name, name)


@dataclass(frozen=True)
class Translation:
    """A foreign checkpoint as a model of this library."""

    recipe: Recipe
    tensors: dict[str, Tensor]
    """By this library's names; M2PT's layers still have `cross_modal_scale` and `aux_weight`."""
    fresh: tuple[str, ...]
    """First components of names that the file does not have: these weights are initialised at random."""


def unwrap(where: object, tensors: Mapping[str, Tensor], config: Path | None = None) -> Foreign:
    """The model inside a training checkpoint, under plain names; entries beside the model are dropped.

    Raises `InputError` for two models that would have the same names.
    """
    names = {name: name for name in tensors}
    leftovers: dict[str, str] = {}
    while wrapper := next((w for w in WRAPPERS if any(name.startswith(f"{w}.") for name in names)), None):
        inner, outer = _split(names, f"{wrapper}.")
        lists = {template(_WRAPPED.sub("", name)) for name in inner if template(name) != name}
        if lists & set(map(template, outer)):
            names = _join(where, inner, outer)  # only some blocks are wrapped
            continue
        leftovers |= dict.fromkeys(outer.values(), "beside the model")
        names = inner
    for prefix in PREFIXES:
        if any(re.match(re.escape(prefix) + r"(blocks|encoder\.layer|layers)\.\d+\.", name) for name in names):
            names = _join(where, *_split(names, prefix))
    return Foreign(
        where, {name: tensors[full] for name, full in names.items()}, config, dict(names), leftovers=leftovers
    )


def _split(names: Mapping[str, str], prefix: str) -> tuple[dict[str, str], dict[str, str]]:
    """The names that begin with a prefix, without it, and all others."""
    inner = {name[len(prefix) :]: full for name, full in names.items() if name.startswith(prefix)}
    return inner, {name: full for name, full in names.items() if not name.startswith(prefix)}


def _join(where: object, inner: Mapping[str, str], outer: Mapping[str, str]) -> dict[str, str]:
    # A norm beside an encoder's own (HuBERT's, BEATs') is no second model: that one keeps its whole name.
    both = next((name for name in outer if name in inner and template(name) != name), None)
    if both is not None:
        key = inner[both].removesuffix(f".{both}")
        found = f"two, with {outer[both]} and {inner[both]}"
        raise InputError(where, "one model", found, f"choose one by the start of its names, such as --key {key}")
    return {**outer, **{full if name in outer else name: full for name, full in inner.items()}}


def size_of(where: object, width: int, depth: int) -> str:
    """The name of the size with this width and depth. Raises `InputError` where there is none."""
    for name, size in SIZES.items():
        if (size.width, size.depth) == (width, depth):
            return name
    sizes = ", ".join(f"{name} {size.width} x {size.depth}" for name, size in SIZES.items())
    todo = "`crosspath convert --bare` keeps the weights as an auxiliary, without a model"
    raise InputError(where, f"a width and depth of {sizes}", f"{width} x {depth}", todo)


def with_settings(recipe: Recipe, **sections: Mapping[str, Any]) -> Recipe:
    """A recipe with fields of some sections replaced, validated."""
    updates = {name: getattr(recipe, name).model_copy(update=dict(fields)) for name, fields in sections.items()}
    return validate(recipe.model_copy(update=updates).model_dump())


def square(count: int) -> int | None:
    """The side of a square grid of `count` positions; None where it is not square."""
    side = round(count**0.5)
    return side if side * side == count else None


def first_components(names: Iterable[str]) -> tuple[str, ...]:
    """Names shortened to their first two components, each once."""
    return tuple(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
