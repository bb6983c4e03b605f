"""Classification of samples with several labels: independent probabilities."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def binary_cross_entropies(logits_BK: Tensor, targets_BK: Tensor, smoothing: float = 0.0) -> Tensor:
    """For each sample (B,) the binary cross entropy of its logits, averaged over the classes.

    Computed in float32 (or wider). Targets are probabilities in [0, 1]; `smoothing` moves that part of each to 0.5.
    """
    logits_BK = logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))
    smoothed_BK = targets_BK.to(logits_BK.dtype) * (1.0 - smoothing) + 0.5 * smoothing
    return binary_cross_entropy_with_logits(logits_BK, smoothed_BK, reduction="none").mean(dim=-1)
