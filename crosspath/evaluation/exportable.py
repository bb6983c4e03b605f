"""The model as other runtimes get it: decoded samples in, logits out, normalisation inside."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from crosspath.config import Recipe
from crosspath.config.data import AudioData, ImageData, VideoData
from crosspath.modalities import MODALITIES, generated_batch

INPUT, OUTPUT = "samples", "logits"
EXAMPLE = 3
"""Samples that the graph is traced with; 1 would be taken for a constant."""
AXES = {
    "image": ["batch", "channel", "row", "column"],
    "audio": ["batch", "frame", "mel bin"],
    "point": ["batch", "point", "coordinate"],
    "video": ["batch", "channel", "frame", "row", "column"],
}


class Exportable(nn.Module):
    """Logits (B, K) of samples (B, *sample shape) as the data set's reader decodes them: colour values 0 to 255 as
    uint8, log-mel frames and coordinates as float32. The normalisation is that of `crosspath.data.views.normalise`.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        section = recipe.data
        self.colours = isinstance(section, ImageData | VideoData)
        if isinstance(section, ImageData | VideoData):
            shape = (3, *[1] * (len(MODALITIES[recipe.modality].sample_shape(recipe)) - 1))
            factor = torch.tensor([255.0 * std for std in section.std]).view(shape)
            shift = torch.tensor([m / std for m, std in zip(section.mean, section.std, strict=True)]).view(shape)
        elif isinstance(section, AudioData):
            factor, shift = torch.tensor(2.0 * section.std), torch.tensor(section.mean)
        else:
            factor, shift = torch.tensor(1.0), torch.tensor(0.0)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Normalise, then compute; the order of the two steps is that of each modality's reader."""
        batch = samples.to(torch.float32)
        batch = batch / self.factor - self.shift if self.colours else (batch - self.shift) / self.factor
        logits_BK: Tensor = self.model(batch)
        return logits_BK


def described_input(recipe: Recipe) -> dict[str, Any]:
    """What the exported model reads, for its metadata."""
    shape = MODALITIES[recipe.modality].sample_shape(recipe)
    section = recipe.data
    if isinstance(section, ImageData | VideoData):
        kind, inside = "uint8", f"(x / 255 - {list(section.mean)}) / {list(section.std)}, by colour channel"
        outside = f"RGB values 0 to 255, short side resized to {section.resize or section.image_size}, centre-cropped"
    elif isinstance(section, AudioData):
        kind, inside = "float32", f"(x - {section.mean}) / {2 * section.std}"
        outside = (
            f"Kaldi-style log-mel frames (25 ms every 10 ms, {section.mels} bins) of {section.sample_rate_hz} Hz sound,"
            f" padded or cut to {section.frames} frames"
        )
    else:
        kind, inside = "float32", "none"
        outside = "x, y, z of each point" + (
            ", centred on the cloud's mean and scaled into the unit sphere"
            if getattr(section, "normalise", False)
            else ""
        )
    return {
        "name": INPUT,
        "type": kind,
        "shape": ["batch", *shape],
        "axes": AXES[recipe.modality],
        "expected": outside,
        "normalisation_inside": inside,
    }


def generated_samples(recipe: Recipe, count: int, seed: int = 0) -> Tensor:
    """`count` random samples as the exported model reads them, the same for the same seed."""
    prepared = generated_batch(recipe, count, seed)
    section = recipe.data
    if isinstance(section, ImageData | VideoData):
        return ((prepared + 1) * 127.5).to(torch.uint8)
    return prepared * (2 * section.std) + section.mean if isinstance(section, AudioData) else prepared


def traced(module: Exportable, recipe: Recipe) -> ExportedProgram:
    """The graph of the module, for any batch size."""
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        return torch.export.export(module, (generated_samples(recipe, EXAMPLE),), dynamic_shapes=({0: batch},))


def distances(first_BGX: Tensor, second_BPX: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    """`torch.cdist` (B, G, P) in plain operations, for formats that have no word for it."""
    assert p == 2.0, "Euclidean distances only"
    return (first_BGX[:, :, None] - second_BPX[:, None]).square().sum(dim=-1).sqrt()


PLAIN: Mapping[Any, Any] = {torch.ops.aten.cdist.default: distances}
"""Operations that ONNX lacks, and the same in those it has."""
