"""How far a reconstruction is from what was hidden, for each sample.

Tokens of images, recordings and clips are compared value by value (MAE, arXiv 2111.06377), groups of points as sets
(Point-MAE, arXiv 2203.06604). B batch, M masked tokens, P values of a token.
"""

from torch import Tensor

EPSILON = 1e-6
"""Added to a patch's variance. VideoMAE adds it to the standard deviation, which differs on flat patches only, and
normalises the channels of a patch apart, where here as in MAE they share one mean and one deviation."""


def patch_errors(predicted_BMP: Tensor, target_BMP: Tensor, normalise: bool) -> Tensor:
    """The mean squared difference of each sample (B,); with `normalise` from targets without mean and deviation."""
    target_BMP = normalise_patches(target_BMP) if normalise else target_BMP
    return (predicted_BMP - target_BMP).square().mean(dim=(1, 2))


def chamfer_errors(predicted_BMP: Tensor, target_BMP: Tensor, normalise: bool) -> Tensor:
    """The mean Chamfer distance of each sample's groups (B,); groups are compared as they are."""
    groups = (points.reshape(-1, points.shape[2] // 3, 3) for points in (predicted_BMP, target_BMP))
    return chamfer(*groups).view(predicted_BMP.shape[:2]).mean(dim=1)


def chamfer(one_KM3: Tensor, other_KN3: Tensor) -> Tensor:
    """For each of K pairs of sets, the squared L2 Chamfer distance (K,).

    The mean over the points of each set of the squared distance to the nearest point of the other, both directions
    added (Fan et al. 2017, arXiv 1612.00603, section 4; the loss of Point-MAE).
    """
    squared_KMN = (one_KM3[:, :, None] - other_KN3[:, None]).square().sum(dim=-1)
    return squared_KMN.amin(dim=2).mean(dim=1) + squared_KMN.amin(dim=1).mean(dim=1)


def normalise_patches(patches_BMP: Tensor) -> Tensor:
    """Each patch without its own mean and (unbiased) standard deviation."""
    mean_BM1, spread_BM1 = _moments(patches_BMP)
    return (patches_BMP - mean_BM1) / spread_BM1


def denormalise_patches(predicted_BMP: Tensor, target_BMP: Tensor) -> Tensor:
    """Predictions of normalised patches, with the mean and spread of the true ones: for pictures."""
    mean_BM1, spread_BM1 = _moments(target_BMP)
    return predicted_BMP * spread_BM1 + mean_BM1


def _moments(patches_BMP: Tensor) -> tuple[Tensor, Tensor]:
    variance_BM1 = patches_BMP.var(dim=2, keepdim=True, unbiased=True)
    return patches_BMP.mean(dim=2, keepdim=True), (variance_BM1 + EPSILON).sqrt()
