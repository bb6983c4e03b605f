"""What an auxiliary's layers really compute with, where that is more than one stored tensor.

A layer that M2PT's published file has replaced computes with W + λ·W', one with a LoRA adapter with W + B·A·s, one
under weight normalisation with g·v/‖v‖. Its stored `weight` alone would be another model's. So these weights are
computed, or refused with what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from crosspath.layouts import Norm
from crosspath.pathway.sources.adapters import adapter_layers, refuse_adapter_names
from crosspath.pathway.sources.description import Description
from crosspath.pathway.sources.heads import Heads
from crosspath.pathway.sources.layer_forms import m2pt_layers, normalised_layers, parametrized_layers, pruned_layers
from crosspath.pathway.sources.layer_values import Names, Values
from crosspath.pathway.sources.quantised import refuse_quantised_names
from crosspath.pathway.sources.source import AuxiliarySource, ModuleSource, Source, StateSource, open_source
from crosspath.pathway.sources.wrappers import plain_name, unwrap_auxiliary


@dataclass(frozen=True)
class ComputedSource:
    """A source with some weights that are computed from several stored tensors."""

    inner: Source
    weights: Mapping[str, tuple[str, Values]]
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
        plain = {tensor_name: name for name, (tensor_name, _) in self.weights.items()}
        shapes = self.inner.shapes()
        return {
            plain.get(name, name): shape for name, shape in shapes.items() if name in plain or name not in self.parts
        }

    def tensor(self, name: str) -> Tensor:
        if name not in self.weights:
            return self.inner.tensor(name)
        with torch.no_grad():
            return self.weights[name][1]().detach()

    def kind(self, name: str) -> str:
        return self.inner.kind(self.weights[name][0] if name in self.weights else name)

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
    source = open_source(unwrap_auxiliary(auxiliary) if isinstance(auxiliary, nn.Module) else auxiliary)
    names = _names(source)
    where = f"auxiliary ({source.origin})"
    refuse_quantised_names(where, names)
    weights: dict[str, tuple[str, Values]] = {}
    parts: set[str] = set()
    for plain, tensor_name, others, values in (
        *m2pt_layers(source, names),
        *adapter_layers(source, names),
        *normalised_layers(source, names),
        *pruned_layers(source, names),
        *parametrized_layers(source, names),
    ):
        weights[plain] = (tensor_name, values)
        parts |= {tensor_name, *others} - {plain}
    refuse_adapter_names(where, (name for name in names if name not in parts))
    return ComputedSource(source, weights, frozenset(parts)) if weights else source


def _names(source: Source) -> Names:
    """Every stored name in its order, buffers and entries that are no tensors included."""
    if isinstance(source, ModuleSource):
        module = source.module
        tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
        return dict.fromkeys([*source.shapes(), *(plain_name(name) for name, _ in tensors)])
    return dict.fromkeys(source.state if isinstance(source, StateSource) else source.shapes())
