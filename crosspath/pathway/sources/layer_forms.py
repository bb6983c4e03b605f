"""Layers of an auxiliary that store their weight as factors: M2PT's W, λ and W', norm and direction, value and mask."""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from crosspath.pathway.engines.combine import effective_weight
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.engines.pathway_weight import INSIDE
from crosspath.pathway.sources.layer_values import Layer, Names, Values, read, refuse
from crosspath.pathway.sources.source import ModuleSource, Source

M2PT_LAYERS = (
    ("weight", "cross_modal_scale", "aux_weight"),
    ("weight", "pretrained_scale", "pretrained_weight"),
    ("original_linear.weight", "cross_modal_scale", "auxiliary_linear.weight"),
)
"""(W, λ, W') inside a layer that a copy of M2PT's file has replaced: as published, in its point segmentation, and in
copies that keep both layers."""
PARAMETRIZATION = re.compile(rf"(?P<layer>(?:.*\.)?){INSIDE}\.(?P<attribute>\w+)\.(?P<rest>.+)")


def m2pt_layers(source: Source, names: Names) -> Iterator[Layer]:
    """Layers of M2PT's published file and its copies: W + λ·W'."""
    either = "|".join(part for form in M2PT_LAYERS[:2] for part in form[1:])
    marks = (re.fullmatch(rf"((?:.*\.)?)(?:{either})", name) for name in names)
    for layer in dict.fromkeys(mark[1] for mark in marks if mark is not None):
        forms = [[layer + part for part in form] for form in M2PT_LAYERS]
        weight, scale, auxiliary = next((form for form in forms if all(name in names for name in form)), forms[0])
        if missing := [name for name in (weight, scale, auxiliary) if name not in names]:
            expected = f"{weight}, {scale} and {auxiliary} together"
            refuse(source, expected, f"no {' and no '.join(missing)}", "pass the whole model or its whole state dict")
        yield f"{layer}weight", weight, {scale, auxiliary}, _sum(source, weight, scale, auxiliary)
        if weight.endswith(".original_linear.weight"):
            bias, other = (f"{layer}{part}_linear.bias" for part in ("original", "auxiliary"))
            if bias in names:
                yield f"{layer}bias", bias, {other}, read(source, bias)


def _sum(source: Source, weight: str, *pairs: str) -> Values:
    """W + Σ λ·W', with one λ for each whole weight; `pairs` names λ, W', λ, W', ..."""

    def values() -> Tensor:
        own = source.tensor(weight)
        scales, others = [source.tensor(name) for name in pairs[::2]], [source.tensor(name) for name in pairs[1::2]]
        for names, scale, other in zip(pairs[::2], scales, others, strict=True):
            if scale.numel() != 1 or other.shape != own.shape:
                found = f"shapes {tuple(scale.shape)} and {tuple(other.shape)}"
                todo = "pass the model itself, or merge it first"
                refuse(source, f"one λ, and W' like {weight} {tuple(own.shape)}", f"{found} at {names}", todo)
        overlay = Overlay.single(len(own))
        return effective_weight(own, others, [scale.reshape(1) for scale in scales], [overlay] * len(scales))

    return values


def normalised_layers(source: Source, names: Names) -> Iterator[Layer]:
    """torch.nn.utils.weight_norm, in both of its forms: g·v/‖v‖. A module of the newer form computes it itself."""
    for direction in sorted(name for name in names if name.endswith("weight_v")):
        layer = direction.removesuffix("weight_v")
        if f"{layer}weight_g" in names:
            g = f"{layer}weight_g"
            yield f"{layer}weight", direction, {g}, _weight_norm(source, direction, g)


def _weight_norm(source: Source, v: str, g: str) -> Values:
    def values() -> Tensor:
        direction, length = source.tensor(v), source.tensor(g)
        # `length` has a norm for each slice along one axis, or a single one.
        axes = [axis for axis, size in enumerate(length.shape) if size == 1] or None
        expected = [1 if axes is None or axis in axes else size for axis, size in enumerate(direction.shape)]
        if length.dim() and list(length.shape) != expected:
            refuse(source, f"the norms of {v}", f"{g} of shape {tuple(length.shape)}", "pass the model itself")
        norm: Tensor = torch.linalg.vector_norm(direction, dim=axes if length.dim() else None, keepdim=length.dim() > 0)
        return direction * (length / norm)

    return values


def pruned_layers(source: Source, names: Names) -> Iterator[Layer]:
    """torch.nn.utils.prune: the original times its mask. Spectral normalisation by a hook is refused."""
    for original in sorted(name for name in names if name.endswith(("weight_orig", "bias_orig"))):
        plain = original.removesuffix("_orig")
        mask = f"{plain}_mask"
        if mask in names:
            yield plain, original, {mask}, _product(source, original, mask)
        elif f"{plain}_u" in names:
            todo = "take it off with torch.nn.utils.remove_spectral_norm and pass that model"
            refuse(source, "plain weights", f"spectral normalisation of {plain}", todo)


def _product(source: Source, original: str, mask: str) -> Values:
    return lambda: source.tensor(original) * source.tensor(mask)


def parametrized_layers(source: Source, names: Names) -> Iterator[Layer]:
    """State dicts of parametrized layers: those with pathways (W + Σ λ·W') and under weight normalisation."""
    if isinstance(source, ModuleSource):
        return
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if match := PARAMETRIZATION.fullmatch(name):
            groups.setdefault((match["layer"], match["attribute"]), []).append(match["rest"])
    for (layer, attribute), rests in groups.items():
        plain, start = layer + attribute, f"{layer}{INSIDE}.{attribute}."
        tensors = {start + rest for rest in rests}
        if set(rests) == {"original0", "original1"}:
            yield plain, f"{start}original1", tensors, _weight_norm(source, f"{start}original1", f"{start}original0")
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
            refuse(source, "plain weights", f"a parametrization of {plain} ({', '.join(rests)})", todo)
        values = [f"{start}0.auxiliaries.{auxiliary}" for auxiliary in auxiliaries]
        pairs = [name for pair in zip(filter(None, scales), values, strict=True) for name in pair]
        yield plain, f"{start}original", tensors, _sum(source, f"{start}original", *pairs)
