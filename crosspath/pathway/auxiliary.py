"""What an auxiliary's layers really compute with, where that is more than one stored tensor.

A layer that M2PT's published file has replaced computes with W + λ·W', one with a LoRA adapter with W + B·A·s, one
under weight normalisation with g·v/‖v‖. Its stored `weight` alone would be another model's. So these weights are
computed, or refused with what to do.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.layouts import Norm
from crosspath.pathway.combine import effective_weight
from crosspath.pathway.description import Description
from crosspath.pathway.heads import Heads
from crosspath.pathway.parameters import connections
from crosspath.pathway.parametrization import INSIDE, detach
from crosspath.pathway.quantised import refuse_quantised_names
from crosspath.pathway.sources import AuxiliarySource, ModuleSource, Source, StateSource, open_source
from crosspath.pathway.spread import Spread
from crosspath.pathway.wrappers import unwrapped_auxiliary

Values = Callable[[], Tensor]
Names = Mapping[str, None]
"""Names in their order."""
Layer = tuple[str, str, set[str], Values]
"""(plain name of a weight, the stored tensor that has its shape, the other stored tensors, its values)."""
SWAPPED = (
    ("weight", "cross_modal_scale", "aux_weight"),
    ("weight", "pretrained_scale", "pretrained_weight"),
    ("original_linear.weight", "cross_modal_scale", "auxiliary_linear.weight"),
)
"""(W, λ, W') inside a layer that a copy of M2PT's file has replaced: as published, in its point segmentation, and in
copies that keep both layers."""
ADAPTER = re.compile(
    r"(?:^|\.)(lora_(?:[AaBb]|embedding_[AB]|down|up|magnitude\w*)|(?:hada|lokr)_w\w+|oft_[rR]|boft_[RSs]|ia3_l|"
    r"vera_lambda_\w+|base_layer)(?:\.|$)"
)
"""Names of adapters' parts: peft, loralib, kohya."""
PARAMETRIZED = re.compile(rf"(?P<layer>(?:.*\.)?){INSIDE}\.(?P<attribute>\w+)\.(?P<rest>.+)")
MERGE_ADAPTERS = "merge the adapters (peft: model.merge_and_unload()) and pass that model"


@dataclass(frozen=True)
class ComputedSource:
    """A source with some weights that are computed from several stored tensors."""

    inner: Source
    computed: Mapping[str, tuple[str, Values]]
    """{plain name: (the stored tensor of its shape, its values)}."""
    parts: frozenset[str]
    """Stored tensors that are no weights of their own."""

    @property
    def origin(self) -> str:
        return self.inner.origin

    @property
    def file(self) -> Path | None:
        return self.inner.file

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        plain = {stored: name for name, (stored, _) in self.computed.items()}
        shapes = self.inner.shapes()
        return {
            plain.get(name, name): shape for name, shape in shapes.items() if name in plain or name not in self.parts
        }

    def tensor(self, name: str) -> Tensor:
        if name not in self.computed:
            return self.inner.tensor(name)
        with torch.no_grad():
            return self.computed[name][1]().detach()

    def kind(self, name: str) -> str:
        return self.inner.kind(self.computed[name][0] if name in self.computed else name)

    def attribute(self, path: str) -> object:
        return self.inner.attribute(path)

    @property
    def description(self) -> Description | None:
        return self.inner.description

    def heads(self, block: str, attention: str) -> Heads | None:
        return self.inner.heads(block, attention)

    def norm(self, block: str) -> Norm | None:
        return self.inner.norm(block)


def open_auxiliary(auxiliary: AuxiliarySource) -> Source:
    """The auxiliary under plain names, each weight as the auxiliary's own layers compute with it.

    Raises
    ------
    PathwayError
        For what `open_source` refuses, for quantised weights, and for layers whose weight the stored tensors alone do
        not give: a state dict with adapters, a parametrization of unknown kind.
    """
    source = open_source(unwrapped_auxiliary(auxiliary) if isinstance(auxiliary, nn.Module) else auxiliary)
    names = _names(source)
    refuse_quantised_names(f"auxiliary ({source.origin})", names)
    computed: dict[str, tuple[str, Values]] = {}
    parts: set[str] = set()
    for plain, stored, others, values in (
        *_swapped(source, names),
        *_adapted(source, names),
        *_normalised(source, names),
        *_pruned(source, names),
        *_parametrized(source, names),
    ):
        computed[plain] = (stored, values)
        parts |= {stored, *others} - {plain}
    for name in names:
        found = ADAPTER.search(name)
        if found is not None and name not in parts:
            _refuse(source, "plain weights", f"adapters ({name})", MERGE_ADAPTERS)
    return ComputedSource(source, computed, frozenset(parts)) if computed else source


def _swapped(source: Source, names: Names) -> Iterator[Layer]:
    """Layers of M2PT's published file and its copies: W + λ·W'."""
    either = "|".join(part for form in SWAPPED[:2] for part in form[1:])
    found = (re.fullmatch(rf"((?:.*\.)?)(?:{either})", name) for name in names)
    for layer in dict.fromkeys(mark[1] for mark in found if mark is not None):
        forms = [[layer + part for part in form] for form in SWAPPED]
        weight, scale, auxiliary = next((form for form in forms if all(name in names for name in form)), forms[0])
        if missing := [name for name in (weight, scale, auxiliary) if name not in names]:
            expected = f"{weight}, {scale} and {auxiliary} together"
            _refuse(source, expected, f"no {' and no '.join(missing)}", "pass the whole model or its whole state dict")
        yield f"{layer}weight", weight, {scale, auxiliary}, _sum(source, weight, scale, auxiliary)
        if weight.endswith(".original_linear.weight"):
            bias, other = (f"{layer}{part}_linear.bias" for part in ("original", "auxiliary"))
            if bias in names:
                yield f"{layer}bias", bias, {other}, _read(source, bias)


def _sum(source: Source, weight: str, *pairs: str) -> Values:
    """W + Σ λ·W', with one λ for each whole weight; `pairs` names λ, W', λ, W', ..."""

    def values() -> Tensor:
        own = source.tensor(weight)
        scales, others = [source.tensor(name) for name in pairs[::2]], [source.tensor(name) for name in pairs[1::2]]
        for names, scale, other in zip(pairs[::2], scales, others, strict=True):
            if scale.numel() != 1 or other.shape != own.shape:
                found = f"shapes {tuple(scale.shape)} and {tuple(other.shape)}"
                todo = "pass the model itself, or merge it first"
                _refuse(source, f"one λ, and W' like {weight} {tuple(own.shape)}", f"{found} at {names}", todo)
        spread = Spread.single(len(own))
        return effective_weight(own, others, [scale.reshape(1) for scale in scales], [spread] * len(scales))

    return values


def _read(source: Source, name: str) -> Values:
    return lambda: source.tensor(name)


def _adapted(source: Source, names: Names) -> Iterator[Layer]:
    """Layers of peft: what they compute with when their active adapters are merged, as peft merges them."""
    if not isinstance(source, ModuleSource):
        return
    for path, module in source.module.named_modules():
        layer: Any = module
        prefix = f"{path}." if path else ""
        if ".base_layer." in f".{prefix}":
            continue
        if "base_layer" in module._modules and callable(getattr(layer, "merge", None)):
            inside = f"{prefix}base_layer."
            others = {name for name in names if name.startswith(prefix)}
            for name in others & source.shapes().keys():
                attribute = name.removeprefix(inside)
                if name.startswith(inside) and ADAPTER.search(attribute) is None:
                    yield prefix + attribute, name, others, _merge_adapters(source, path, layer, attribute)
        elif "modules_to_save" in module._modules and "original_module" in module._modules:
            active = [name for name in layer.active_adapters if name in layer.modules_to_save]
            used = f"modules_to_save.{active[0]}." if active and not layer.disable_adapters else "original_module."
            others = {name for name in names if name.startswith(prefix)}
            for name in sorted(name for name in others if name.startswith(prefix + used)):
                yield prefix + name.removeprefix(prefix + used), name, others, _read(source, name)
        elif {"lora_A", "lora_B"} <= module._parameters.keys() and getattr(layer, "merged", False):
            # loralib's layers; in eval mode their weight holds the adapter already.
            weight, others = f"{prefix}weight", {f"{prefix}lora_A", f"{prefix}lora_B"}
            yield weight, weight, others, _read(source, weight)


def _merge_adapters(source: Source, path: str, layer: nn.Module, attribute: str) -> Values:
    def values() -> Tensor:
        merged: Any = copy.deepcopy(layer)
        # peft adds to the weight that it reads; that of a connected layer is computed anew at every read.
        for holder, _ in list(connections(merged)):
            value = getattr(holder.module, holder.attribute)
            detach(holder.module, holder.attribute).copy_(value)
        try:
            if merged.disable_adapters:
                merged.unmerge()
            else:
                merged.merge()
        except Exception as error:
            found = f"an adapter that peft cannot merge ({type(error).__name__}: {error})"
            _refuse(source, f"plain weights at {path}", found, "pass the model without it (model.unload())")
        path_inside, _, last = attribute.rpartition(".")
        result: Tensor = getattr(merged.get_base_layer().get_submodule(path_inside), last)
        return result

    return values


def _normalised(source: Source, names: Names) -> Iterator[Layer]:
    """torch.nn.utils.weight_norm, in both of its forms: g·v/‖v‖. A module of the newer form computes it itself."""
    for stored in sorted(name for name in names if name.endswith("weight_v")):
        layer = stored.removesuffix("weight_v")
        if f"{layer}weight_g" in names:
            g = f"{layer}weight_g"
            yield f"{layer}weight", stored, {g}, _weight_norm(source, stored, g)


def _weight_norm(source: Source, v: str, g: str) -> Values:
    def values() -> Tensor:
        direction, length = source.tensor(v), source.tensor(g)
        # `length` has a norm for each slice along one axis, or a single one.
        axes = [axis for axis, size in enumerate(length.shape) if size == 1] or None
        expected = [1 if axes is None or axis in axes else size for axis, size in enumerate(direction.shape)]
        if length.dim() and list(length.shape) != expected:
            _refuse(source, f"the norms of {v}", f"{g} of shape {tuple(length.shape)}", "pass the model itself")
        norm: Tensor = torch.linalg.vector_norm(direction, dim=axes if length.dim() else None, keepdim=length.dim() > 0)
        return direction * (length / norm)

    return values


def _pruned(source: Source, names: Names) -> Iterator[Layer]:
    """torch.nn.utils.prune: the original times its mask. Spectral normalisation by a hook is refused."""
    for stored in sorted(name for name in names if name.endswith(("weight_orig", "bias_orig"))):
        plain = stored.removesuffix("_orig")
        mask = f"{plain}_mask"
        if mask in names:
            yield plain, stored, {mask}, _masked(source, stored, mask)
        elif f"{plain}_u" in names:
            todo = "take it off with torch.nn.utils.remove_spectral_norm and pass that model"
            _refuse(source, "plain weights", f"spectral normalisation of {plain}", todo)


def _masked(source: Source, stored: str, mask: str) -> Values:
    return lambda: source.tensor(stored) * source.tensor(mask)


def _parametrized(source: Source, names: Names) -> Iterator[Layer]:
    """State dicts of parametrized layers: those with pathways (W + Σ λ·W') and under weight normalisation."""
    if isinstance(source, ModuleSource):
        return
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if found := PARAMETRIZED.fullmatch(name):
            groups.setdefault((found["layer"], found["attribute"]), []).append(found["rest"])
    for (layer, attribute), rests in groups.items():
        plain, start = layer + attribute, f"{layer}{INSIDE}.{attribute}."
        stored = {start + rest for rest in rests}
        if set(rests) == {"original0", "original1"}:
            yield plain, f"{start}original1", stored, _weight_norm(source, f"{start}original1", f"{start}original0")
            continue
        auxiliaries = [rest.removeprefix("0.auxiliaries.") for rest in rests if rest.startswith("0.auxiliaries.")]
        # A bias borrows λ from its weight.
        owners = (start, f"{layer}{INSIDE}.weight.")
        scales = [
            next((name for owner in owners if (name := f"{owner}0.scales.{auxiliary}") in names), None)
            for auxiliary in auxiliaries
        ]
        own = {rest for rest in rests if not rest.startswith(("0.auxiliaries.", "0.scales."))}
        if not auxiliaries or own != {"original"} or None in scales:
            todo = "pass the model itself, or take it off with torch.nn.utils.parametrize.remove_parametrizations"
            _refuse(source, "plain weights", f"a parametrization of {plain} ({', '.join(rests)})", todo)
        values = [f"{start}0.auxiliaries.{auxiliary}" for auxiliary in auxiliaries]
        pairs = [name for pair in zip(filter(None, scales), values, strict=True) for name in pair]
        yield plain, f"{start}original", stored, _sum(source, f"{start}original", *pairs)


def _names(source: Source) -> Names:
    """Every stored name in its order, buffers and entries that are no tensors included."""
    if isinstance(source, ModuleSource):
        module = source.module
        tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
        return dict.fromkeys([*source.shapes(), *(name for name, _ in tensors)])
    return dict.fromkeys(source.state if isinstance(source, StateSource) else source.shapes())


def _refuse(source: Source, expected: str, found: str, todo: str) -> NoReturn:
    raise PathwayError(f"auxiliary ({source.origin})", expected, found, todo)
