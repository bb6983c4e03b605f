"""Pictures of masked modelling: a held-out sample, its visible tokens, and the decoder's reconstruction."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.modalities import modality_of
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.errors import denormalise_patches
from crosspath.modalities.modality import Picture, Triple
from crosspath.models.evaluation_mode import evaluation_mode
from crosspath.objectives.objective import MASK_SEED
from crosspath.objectives.reconstruct import reconstruct
from crosspath.tokenizers import Mask
from crosspath.tokenizers.patches import PatchTokenizer, from_patches, patches_of

TITLES = ("original", "what the encoder saw", "reconstruction")


@torch.no_grad()
def write_reconstructions(
    model: nn.Module,
    recipe: Recipe,
    examples: Examples,
    folder: Path,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]] | None = None,
    names: Sequence[str] = (),
    count: int = 6,
) -> list[Path]:
    """One PNG for each of `count` samples spread evenly over a held-out part; returns their paths.

    Visible tokens are shown as they are, so a reconstruction is what a person would see of the whole. Patches that
    were normalised for the loss get the mean and spread of the true ones back. Pictures are computed in float32
    whatever `autocast` says. A modality without a `picture` gets none, nor does one whose tokens are not patches on a
    grid and whose `picture` has no `reconstructions`.
    """
    picture = modality_of(recipe).picture
    masking = recipe.masking
    if picture is None or (picture.reconstructions is None and not isinstance(model.tokenizer, PatchTokenizer)):
        return []
    assert masking is not None
    rows = np.unique(np.linspace(0, len(examples) - 1, min(count, len(examples))).round().astype(int))
    with evaluation_mode(model):
        batch = prepare_held_out(recipe.data, examples.inputs[rows], device)
        result = reconstruct(model, recipe, batch, MASK_SEED, 0, torch.as_tensor(rows))
        triples = (picture.reconstructions or patch_triples)(
            model.tokenizer, batch, result.predicted_BMP, result.target_BMP, result.mask, masking.normalise_targets
        )
    folder.mkdir(parents=True, exist_ok=True)
    note = caption(picture, recipe)
    paths = []
    for number, row in enumerate(rows):
        path = folder / f"{number:02d}.png"
        _draw_triple(picture, recipe, triples[number], note, path, examples.ids[row])
        paths.append(path)
    return paths


def patch_triples(
    tokenizer: Any,
    batch: Tensor,
    predicted_BMP: Tensor,
    target_BMP: Tensor,
    mask: Mask,
    normalise: bool,
) -> list[Triple]:
    """Of each sample the original, the visible (hidden patches NaN) and the reconstructed one, (channels, *sizes)."""
    assert isinstance(tokenizer, PatchTokenizer)
    original_BNP = patches_of(tokenizer, batch)
    predicted_BMP = predicted_BMP.to(original_BNP.dtype)
    if normalise:
        predicted_BMP = denormalise_patches(predicted_BMP, target_BMP)
    places = mask.masked_BM[:, :, None].expand(-1, -1, original_BNP.shape[2])
    visible_BNP = original_BNP.scatter(1, places, torch.nan)
    completed_BNP = original_BNP.scatter(1, places, predicted_BMP)
    wholes = (from_patches(tokenizer, patches) for patches in (original_BNP, visible_BNP, completed_BNP))
    original, visible, reconstructions = (list(whole.float().cpu().numpy()) for whole in wholes)
    return list(zip(original, visible, reconstructions, strict=True))


def draw_sample(recipe: Recipe, sample: NDArray[Any], file: IO[bytes]) -> None:
    """A prepared sample (without the batch) as a small PNG: picture, spectrogram, cloud, or the frames of a clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = modality_of(recipe).picture
    columns = 1 if picture is None else picture.frames
    figure = Figure(figsize=(1.3 * columns, 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    for column in range(columns if picture is not None else 0):
        assert picture is not None
        axes = figure.add_subplot(1, columns, column + 1, projection=picture.projection)
        frame = _frame(picture, sample, column)
        picture.draw(axes, frame, frame, recipe.data)
        axes.set_axis_off()
    figure.savefig(file, dpi=90, format="png", metadata={"Software": None})


def caption(picture: Picture[Any], recipe: Recipe) -> str:
    """What the model is given about hidden tokens, for the picture's title."""
    assert recipe.masking is not None
    return picture.caption or ("(mean and spread given)" if recipe.masking.normalise_targets else "")


def _draw_triple(picture: Picture[Any], recipe: Recipe, triple: Triple, note: str, path: Path, name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = picture.frames
    figure = Figure(figsize=(3 * picture.width, 0.5 + 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(name, fontsize=9)
    titles = (*TITLES[:2], f"{TITLES[2]} {note}".rstrip())
    for column, (title, part) in enumerate(zip(titles, triple, strict=True)):
        for row in range(rows):
            axes = figure.add_subplot(rows, 3, 3 * row + column + 1, projection=picture.projection)
            picture.draw(axes, _frame(picture, part, row), _frame(picture, triple[0], row), recipe.data)
            if row == 0:
                axes.set_title(title, fontsize=9)
            if rows > 1 and column == 0:
                axes.set_ylabel(f"frame {_frame_number(picture, part.shape[1], row) + 1}", fontsize=8)
    figure.savefig(path, dpi=110)


def _frame(picture: Picture[Any], sample: NDArray[Any], row: int) -> NDArray[Any]:
    """One of the frames shown of a sample whose second axis is time; the sample itself where it has none."""
    return sample if picture.frames == 1 else sample[:, _frame_number(picture, sample.shape[1], row)]


def _frame_number(picture: Picture[Any], frames: int, row: int) -> int:
    return round(row * (frames - 1) / (picture.frames - 1))
