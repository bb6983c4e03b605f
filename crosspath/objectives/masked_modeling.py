"""Masked modelling: how far the decoder's answer is from what was hidden, for each sample.

Tokens of images, recordings and clips are compared value by value (MAE, arXiv 2111.06377), groups of points as sets
(Point-MAE, arXiv 2203.06604).
"""

import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.models.masked_autoencoder import Mask, Reconstruction
from crosspath.objectives.chamfer import chamfer
from crosspath.objectives.masking import draw_mask
from crosspath.tokenizers import Tokenizer
from crosspath.tokenizers.patches import PatchTokenizer

EPSILON = 1e-6
"""Added to a patch's variance. VideoMAE adds it to the standard deviation, which differs on flat patches only, and
normalises the channels of a patch apart, where here as in MAE they share one mean and one deviation."""


def masked_errors(model: nn.Module, recipe: Recipe, batch: Tensor, seed: int, epoch: int, ids_B: Tensor) -> Tensor:
    """The mean error on the hidden tokens of each sample (B,); the masks follow from seed, epoch and sample ids."""
    return errors_of(reconstruct(model, recipe, batch, seed, epoch, ids_B), recipe)


def reconstruct(
    model: nn.Module, recipe: Recipe, batch: Tensor, seed: int, epoch: int, ids_B: Tensor
) -> Reconstruction:
    """What a masked autoencoder makes of a prepared batch."""
    masking = recipe.masking
    assert masking is not None
    grid, places_B = token_grid(model), ids_B.to(batch.device)

    def choose(centres_BG3: Tensor | None) -> Mask:
        return draw_mask(masking, grid, seed, epoch, places_B, centres_BG3)

    found: Reconstruction = model(batch, choose)
    return found


def errors_of(found: Reconstruction, recipe: Recipe) -> Tensor:
    """The mean error of each sample (B,), in float32 or wider: squared differences, or Chamfer distances of groups."""
    predicted_BMP = found.predicted_BMP.to(torch.promote_types(found.predicted_BMP.dtype, torch.float32))
    if recipe.modality == "point":
        groups = (points.reshape(-1, points.shape[2] // 3, 3) for points in (predicted_BMP, found.target_BMP))
        return chamfer(*groups).view(predicted_BMP.shape[:2]).mean(dim=1)
    assert recipe.masking is not None
    target_BMP = normalised(found.target_BMP) if recipe.masking.normalise_targets else found.target_BMP
    return (predicted_BMP - target_BMP).square().mean(dim=(1, 2))


def normalised(patches_BMP: Tensor) -> Tensor:
    """Each patch without its own mean and (unbiased) standard deviation."""
    mean_BM1, spread_BM1 = _moments(patches_BMP)
    return (patches_BMP - mean_BM1) / spread_BM1


def denormalised(predicted_BMP: Tensor, target_BMP: Tensor) -> Tensor:
    """Predictions of normalised patches, with the mean and spread of the true ones: for pictures."""
    mean_BM1, spread_BM1 = _moments(target_BMP)
    return predicted_BMP * spread_BM1 + mean_BM1


def token_grid(model: nn.Module) -> tuple[int, ...]:
    """The arrangement of the model's tokens, one axis of groups or the axes of its patches; DDP may wrap the model."""
    tokenizer = getattr(model, "module", model).tokenizer
    assert isinstance(tokenizer, Tokenizer)
    return tokenizer.grid if isinstance(tokenizer, PatchTokenizer) else (tokenizer.num_tokens,)


def _moments(patches_BMP: Tensor) -> tuple[Tensor, Tensor]:
    variance_BM1 = patches_BMP.var(dim=2, keepdim=True, unbiased=True)
    return patches_BMP.mean(dim=2, keepdim=True), (variance_BM1 + EPSILON).sqrt()
