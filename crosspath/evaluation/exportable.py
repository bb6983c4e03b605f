"""The model as other runtimes get it: decoded samples in, logits out, normalisation inside."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.modalities import modality_of
from crosspath.modalities.batches import generated_batch
from crosspath.modalities.modality import Export

INPUT, MASK, OUTPUT = "samples", "mask", "logits"
EXAMPLE = 3
"""Samples that the graph is trace with; 1 would be taken for a constant."""


class Exportable(nn.Module):
    """Logits (B, K) of samples (B, *sample shape) as the data set's reader decodes them, such as colour values 0 to 255
    as uint8. The normalisation is the modality's own (`Modality.scaling`), in the same order and precision.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        modality = modality_of(recipe)
        export = require_export(recipe)
        self.join = export.batch
        scaling = modality.scaling(recipe.data)
        self.divide_first = scaling is not None and scaling.divide_first
        axes = len(modality.sample_shape(recipe.data)) + 1
        factor, shift = (torch.tensor(1.0), torch.tensor(0.0)) if scaling is None else scaling.tensors(axes)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, samples: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise, then compute; of samples of unequal lengths, which `mask` says (B, N), leave padding out."""
        logits_BK: Tensor
        if self.join is not None:
            assert mask is not None
            logits_BK = self.model(self.join(samples, mask))
            return logits_BK
        batch = samples.to(torch.float32)
        batch = batch / self.factor - self.shift if self.divide_first else (batch - self.shift) / self.factor
        logits_BK = self.model(batch)
        return logits_BK


def require_export(recipe: Recipe) -> Export[Any]:
    """How the modality's samples are exported. Raises `InputError` if it has no `export`."""
    export = modality_of(recipe).export
    if export is None:
        todo = "give its modality an `export`"
        raise InputError("recipe.modality", "a modality that can be exported", recipe.modality, todo)
    return export


def describe_input(recipe: Recipe) -> dict[str, Any]:
    """What the exported model reads, for its metadata."""
    export = require_export(recipe)
    shape = ["batch", *modality_of(recipe).sample_shape(recipe.data)]
    mask = {"name": MASK, "type": "bool", "shape": shape, "expected": export.mask}
    return {
        "name": INPUT,
        "type": str(export.dtype).removeprefix("torch."),
        "shape": shape,
        "axes": ["batch", *export.axes],
        "expected": export.expected(recipe.data),
        "normalisation_inside": export.normalisation(recipe.data),
        **({} if export.mask is None else {"mask": mask}),
    }


def input_names(recipe: Recipe) -> tuple[str, ...]:
    """Of the exported graph."""
    return (INPUT,) if require_export(recipe).mask is None else (INPUT, MASK)


def generated_samples(recipe: Recipe, count: int, seed: int = 0) -> tuple[Tensor, ...]:
    """`count` random samples as the exported model reads them, and their mask if it reads one; the same for the same
    seed."""
    samples = require_export(recipe).raw(recipe.data, generated_batch(recipe, count, seed))
    return samples if isinstance(samples, tuple) else (samples,)


def any_batch(recipe: Recipe) -> tuple[dict[int, torch.export.Dim], ...]:
    """That the first axis of every input is free."""
    batch = torch.export.Dim("batch", min=1)
    return tuple({0: batch} for _ in input_names(recipe))


def trace(module: Exportable, recipe: Recipe) -> ExportedProgram:
    """The graph of the module, for any batch size."""
    with torch.no_grad():
        return torch.export.export(module, generated_samples(recipe, EXAMPLE), dynamic_shapes=any_batch(recipe))


def distances(first_BGX: Tensor, second_BPX: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    """`torch.cdist` (B, G, P) in plain operations, for formats that have no word for it."""
    assert p == 2.0, "Euclidean distances only"
    return (first_BGX[:, :, None] - second_BPX[:, None]).square().sum(dim=-1).sqrt()


PLAIN: Mapping[Any, Any] = {torch.ops.aten.cdist.default: distances}
"""Operations that ONNX lacks, and the same in those it has."""
