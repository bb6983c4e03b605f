"""Pictures of masked modelling: a held-out sample, what the encoder saw of it, and what the decoder made of that."""

from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.config.data import AudioData, ImageData, VideoData
from crosspath.data.examples import Examples
from crosspath.data.views.normalise import prepare_held_out
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.masked import MASK_SEED
from crosspath.models.masked_autoencoder import Reconstruction
from crosspath.objectives.masked_modeling import denormalised, reconstruct
from crosspath.tokenizers import PointTokenizer
from crosspath.tokenizers.patches import PatchTokenizer, from_patches, patches_of

TITLES = ("original", "what the encoder saw", "reconstruction")
FRAMES = 4
"""Frames shown of a clip."""
FRAME_SHIFT_S = 0.01


@torch.no_grad()
def write_reconstructions(
    model: nn.Module, recipe: Recipe, examples: Examples, folder: Path, compute: Compute, count: int = 6
) -> list[Path]:
    """One PNG for each of `count` samples spread evenly over a held-out part; returns their paths.

    Visible tokens are shown as they are, so a reconstruction is what a person would see of the whole. Patches that
    were normalised for the loss get the mean and spread of the true ones back.
    """
    rows = np.unique(np.linspace(0, len(examples) - 1, min(count, len(examples))).round().astype(int))
    training = model.training
    model.eval()
    try:
        batch = prepare_held_out(recipe.data, examples.inputs[rows], compute.device)
        found = reconstruct(model, recipe, batch, MASK_SEED, 0, torch.as_tensor(rows))
        triples = _clouds(model, batch, found) if recipe.modality == "point" else _planes(model, recipe, batch, found)
    finally:
        model.train(training)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, row in enumerate(rows):
        path = folder / f"{number:02d}.png"
        _draw(recipe, [part[number] for part in triples], path, examples.ids[row])
        paths.append(path)
    return paths


Triples = tuple[list[NDArray[Any]], list[NDArray[Any]], list[NDArray[Any]]]


def _planes(model: nn.Module, recipe: Recipe, batch: Tensor, found: Reconstruction) -> Triples:
    """Original, seen (hidden patches NaN) and reconstructed samples, each (channels, *sizes)."""
    tokenizer = model.tokenizer
    assert isinstance(tokenizer, PatchTokenizer)
    assert recipe.masking is not None
    original_BNP = patches_of(tokenizer, batch)
    predicted_BMP = found.predicted_BMP.to(original_BNP.dtype)
    if recipe.masking.normalise_targets:
        predicted_BMP = denormalised(predicted_BMP, found.target_BMP)
    places = found.mask.masked_BM[:, :, None].expand(-1, -1, original_BNP.shape[2])
    seen_BNP = original_BNP.scatter(1, places, torch.nan)
    filled_BNP = original_BNP.scatter(1, places, predicted_BMP)
    parts = (from_patches(tokenizer, patches) for patches in (original_BNP, seen_BNP, filled_BNP))
    original, seen, filled = (list(part.float().cpu().numpy()) for part in parts)
    return original, seen, filled


def _clouds(model: nn.Module, batch_BP3: Tensor, found: Reconstruction) -> Triples:
    """Original, seen and reconstructed clouds (points, 3)."""
    tokenizer = model.tokenizer
    assert isinstance(tokenizer, PointTokenizer)
    groups_BGM3, centres_BG3 = tokenizer.group(batch_BP3)
    whole_BGM3 = groups_BGM3 + centres_BG3[:, :, None]
    original, seen, filled = [], [], []
    for sample in range(len(batch_BP3)):
        masked, visible = found.mask.masked_BM[sample], found.mask.visible_BV[sample]
        shown = whole_BGM3[sample, visible].reshape(-1, 3)
        predicted = found.predicted_BMP[sample].float().reshape(len(masked), -1, 3) + centres_BG3[sample, masked, None]
        original.append(batch_BP3[sample].float().cpu().numpy())
        seen.append(shown.float().cpu().numpy())
        filled.append(torch.cat([shown, predicted.reshape(-1, 3)]).float().cpu().numpy())
    return original, seen, filled


def draw_sample(recipe: Recipe, sample: NDArray[Any], file: IO[bytes]) -> None:
    """A prepared sample (without the batch) as a small PNG: picture, spectrogram, cloud, or the frames of a clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = FRAMES if recipe.modality == "video" else 1
    figure = Figure(figsize=(1.3 * columns, 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    for column in range(columns):
        if recipe.modality == "point":
            _cloud(figure.add_subplot(projection="3d"), sample, sample)
            continue
        axes = figure.add_subplot(1, columns, column + 1)
        if isinstance(recipe.data, AudioData):
            plane = sample.reshape(1, *sample.shape[-2:])
            _spectrogram(axes, plane, plane, recipe.data)
            axes.set_axis_off()
        else:
            frame = sample if columns == 1 else sample[:, _frame(sample.shape[1], column)]
            _picture(axes, frame, recipe.data)
    figure.savefig(file, dpi=90, format="png", metadata={"Software": None})


def _draw(recipe: Recipe, parts: list[NDArray[Any]], path: Path, name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = FRAMES if recipe.modality == "video" else 1
    wide = 4.0 if recipe.modality == "audio" else 2.6
    figure = Figure(figsize=(3 * wide, 0.5 + 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(name, fontsize=9)
    titles = (*TITLES[:2], f"{TITLES[2]} {_given(recipe)}".rstrip())
    for column, (title, part) in enumerate(zip(titles, parts, strict=True)):
        for row in range(rows):
            place = (rows, 3, 3 * row + column + 1)
            if recipe.modality == "point":
                _cloud(figure.add_subplot(*place, projection="3d"), part, parts[0])
            else:
                axes = figure.add_subplot(*place)
                if isinstance(recipe.data, AudioData):
                    _spectrogram(axes, part, parts[0], recipe.data)
                else:
                    frame = part if rows == 1 else part[:, _frame(part.shape[1], row)]
                    _picture(axes, frame, recipe.data)
            if row == 0:
                figure.axes[-1].set_title(title, fontsize=9)
            if rows > 1 and column == 0:
                figure.axes[-1].set_ylabel(f"frame {_frame(part.shape[1], row) + 1}", fontsize=8)
    figure.savefig(path, dpi=110)


def _given(recipe: Recipe) -> str:
    """What of the hidden tokens was not the model's to find, for whoever looks at the picture."""
    assert recipe.masking is not None
    if recipe.modality == "point":
        return "(hidden centres given)"
    return "(mean and spread given)" if recipe.masking.normalise_targets else ""


def _frame(frames: int, row: int) -> int:
    return round(row * (frames - 1) / (FRAMES - 1))


def _picture(axes: Any, image_CHW: NDArray[Any], data: Any) -> None:
    assert isinstance(data, ImageData | VideoData)
    mean, std = (np.array(values)[:, None, None] for values in (data.mean, data.std))
    pixels = (image_CHW * std + mean).clip(0.0, 1.0).transpose(1, 2, 0)
    axes.imshow(np.where(np.isnan(pixels), 0.6, pixels), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def _spectrogram(axes: Any, plane_1TF: NDArray[Any], original_1TF: NDArray[Any], data: AudioData) -> None:
    low, high = float(original_1TF.min()), float(original_1TF.max())
    seconds = plane_1TF.shape[1] * FRAME_SHIFT_S
    axes.set_facecolor("0.6")
    extent = (0.0, seconds, 0, data.mels)
    axes.imshow(plane_1TF[0].T, origin="lower", aspect="auto", vmin=low, vmax=high, extent=extent, cmap="magma")
    axes.set_xlabel("s", fontsize=8)
    axes.set_ylabel("mel bin", fontsize=8)


def _cloud(axes: Any, points_P3: NDArray[Any], original_P3: NDArray[Any]) -> None:
    """The same view and the same cube for all three: as wide as the original's longest side."""
    lowest, highest = original_P3.min(axis=0), original_P3.max(axis=0)
    middle, half = (lowest + highest) / 2, float((highest - lowest).max()) / 2
    x, y, z = points_P3.T
    axes.scatter(x, y, z, s=2, c=z, cmap="viridis", vmin=middle[2] - half, vmax=middle[2] + half)
    axes.view_init(elev=22, azim=-60)
    axes.set_box_aspect((1, 1, 1), zoom=1.4)
    for limits, centre in zip((axes.set_xlim, axes.set_ylim, axes.set_zlim), middle, strict=True):
        limits(centre - half, centre + half)
    axes.set_axis_off()
