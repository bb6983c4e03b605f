"""What a masked autoencoder makes of a batch, with masks that follow from seed, epoch and sample."""

from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.models.masked_autoencoder import Reconstruction
from crosspath.objectives.masking import draw_mask
from crosspath.objectives.objective import token_grid
from crosspath.tokenizers import Mask


def reconstruct(
    model: nn.Module, recipe: Recipe, batch: Tensor, seed: int, epoch: int, ids_B: Tensor
) -> Reconstruction:
    """A masked autoencoder's reconstruction of a prepared batch."""
    masking = recipe.masking
    assert masking is not None
    grid, places_B = token_grid(model), ids_B.to(batch.device)

    def choose(centres_BG3: Tensor | None, real_BN: Tensor | None = None, /) -> Mask:
        return draw_mask(masking, grid, seed, epoch, places_B, centres_BG3, real_BN)

    reconstruction: Reconstruction = model(batch, choose)
    return reconstruction
