"""From the features of a cloud's centres to those of any of its points: PointNet++'s feature propagation.

B batch, Q points asked for, G centres, C channels, R points that count, of all clouds of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

NEIGHBOURS = 3
SMALLEST = 1e-8
"""Added to squared distances, as published: a point that is a centre takes that centre's features."""


def interpolation_weights(points_BQ3: Tensor, centres_BG3: Tensor) -> Tensor:
    """The weight (B, Q, G) of each centre for each point: of its three nearest centres the inverse squared distances,
    which sum to 1; 0 of all others (Qi et al. 2017, arXiv 1706.02413, equation 2).
    """
    distances_BQG = torch.cdist(points_BQ3, centres_BG3, compute_mode="donot_use_mm_for_euclid_dist").square()
    nearest = distances_BQG.topk(min(NEIGHBOURS, centres_BG3.shape[1]), dim=2, largest=False)
    inverse_BQN = 1.0 / (nearest.values + SMALLEST)
    shares_BQN = inverse_BQN / inverse_BQN.sum(dim=2, keepdim=True)
    return torch.zeros_like(distances_BQG).scatter(2, nearest.indices, shares_BQN)


class FeaturePropagation(nn.Module):
    """Features of points from those of centres: interpolated, beside the point's coordinates, through linear layers of
    these widths, each with batch normalisation and ReLU.

    Keys: `mlp_convs.i`, `mlp_bns.i`, as published; convolutions of kernel 1 are computed with points as rows.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.mlp_convs = nn.ModuleList()
        self.mlp_bns = nn.ModuleList()
        for before, after in zip((channels + 3, *widths), widths, strict=False):
            self.mlp_convs.append(nn.Conv1d(before, after, 1))
            self.mlp_bns.append(nn.BatchNorm1d(after))

    def forward(
        self, points_BQ3: Tensor, centres_BG3: Tensor, features_BGC: Tensor, rows_R: Tensor | None = None
    ) -> Tensor:
        """Features (R, C') of the points at `rows_R` of all B x Q, one cloud after the other; of all when not given.

        Points that are left out count in no batch statistics.
        """
        first, bias = matrix(self.mlp_convs[0])
        # Interpolation is linear: the layer is computed at the centres, of which there are fewer than points.
        at_centres_BGC = functional.linear(features_BGC, first[:, 3:])
        shares_BQG = interpolation_weights(points_BQ3, centres_BG3)
        mixed_BQC = torch.bmm(shares_BQG.to(at_centres_BGC.dtype), at_centres_BGC)
        mixed_BQC = mixed_BQC + functional.linear(points_BQ3, first[:, :3], bias)
        mixed_RC = mixed_BQC.flatten(0, 1)
        values_RC = functional.relu(self.mlp_bns[0](mixed_RC if rows_R is None else mixed_RC[rows_R]))
        for convolution, norm in zip(self.mlp_convs[1:], self.mlp_bns[1:], strict=True):
            values_RC = functional.relu(norm(functional.linear(values_RC, *matrix(convolution))))
        return values_RC


def matrix(convolution: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a convolution of kernel 1."""
    assert isinstance(convolution, nn.Conv1d)
    return convolution.weight[:, :, 0], convolution.bias
