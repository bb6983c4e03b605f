"""Masked modelling: the error of the decoder's reconstruction, for each sample.

How a reconstruction is compared with the truth is the modality's: see `crosspath.modalities.errors`.
"""

import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.modalities import modality_of
from crosspath.modalities.errors import patch_errors
from crosspath.models.build import build_masked_autoencoder
from crosspath.models.masked_autoencoder import Reconstruction
from crosspath.objectives.masking import visible_count
from crosspath.objectives.objective import MASK_SEED, Batch, Objective, token_grid
from crosspath.objectives.reconstruct import reconstruct
from crosspath.objectives.reconstructions import write_reconstructions


def masked_errors(model: nn.Module, recipe: Recipe, batch: Tensor, seed: int, epoch: int, ids_B: Tensor) -> Tensor:
    """The mean error on the hidden tokens of each sample (B,); the masks follow from seed, epoch and sample ids."""
    return errors_of(reconstruct(model, recipe, batch, seed, epoch, ids_B), recipe)


def errors_of(reconstruction: Reconstruction, recipe: Recipe) -> Tensor:
    """The mean error of each sample (B,), in float32 or wider."""
    assert recipe.masking is not None
    predicted_BMP = reconstruction.predicted_BMP
    predicted_BMP = predicted_BMP.to(torch.promote_types(predicted_BMP.dtype, torch.float32))
    errors, normalise = modality_of(recipe).errors or patch_errors, recipe.masking.normalise_targets
    target_BMP, real_BM = reconstruction.target_BMP, reconstruction.real_BM
    if real_BM is None:
        return errors(predicted_BMP, target_BMP, normalise)
    of_tokens = errors(predicted_BMP.flatten(0, 1)[:, None], target_BMP.flatten(0, 1)[:, None], normalise)
    counted_BM = of_tokens.view(real_BM.shape).masked_fill(~real_BM, 0.0)
    return counted_BM.sum(dim=1) / real_BM.sum(dim=1).clamp(min=1)


def _build(recipe: Recipe, classes: int) -> nn.Module:
    model = build_masked_autoencoder(recipe)
    _visible(recipe, model)  # Shares that cannot divide the tokens show before anything is written.
    return model


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    return masked_errors(model, recipe, batch.inputs, recipe.train.seed, batch.epoch, batch.ids_B)


def _outputs(model: nn.Module, recipe: Recipe, batch: Tensor, rows_B: Tensor) -> Tensor:
    """Errors with masks that follow from a sample's row: the same at every evaluation, so that evaluations compare."""
    return masked_errors(model, recipe, batch, MASK_SEED, 0, rows_B)


def _metrics(errors_N: Tensor, labels: Tensor, recipe: Recipe) -> dict[str, float]:
    return {"loss": float(errors_N.double().mean())} if len(errors_N) else {}


def _visible(recipe: Recipe, model: nn.Module) -> int:
    assert recipe.masking is not None
    return visible_count(recipe.masking, token_grid(model))


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "masked_modeling" and modality_of(recipe).discrete is None


MASKED_MODELING = Objective(
    name="masked modelling",
    verb="pretrain",
    serves=_serves,
    build=_build,
    losses=_losses,
    outputs=_outputs,
    metrics=_metrics,
    selects_by="loss",
    visible=_visible,
    decodes=True,
    show=write_reconstructions,
)
