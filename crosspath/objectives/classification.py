"""Supervised classification: cross entropy with targets that may be mixed and smoothed."""

from torch import Tensor
from torch.nn.functional import log_softmax


def soft_cross_entropies(logits_BK: Tensor, targets_BK: Tensor, smoothing: float = 0.0) -> Tensor:
    """For each sample (B,) the cross entropy between its target distribution and its prediction.

    Computed in float32 (or wider) whatever the logits' type. `targets_BK` rows sum to one (one-hot, or mixed by
    mixup and cutmix); `smoothing` moves that part of each row to the uniform distribution over K classes
    (label smoothing, Szegedy et al. 2016, arXiv 1512.00567, section 7).
    """
    log_probabilities_BK = log_softmax(logits_BK if logits_BK.dtype.itemsize >= 4 else logits_BK.float(), dim=-1)
    classes = logits_BK.shape[-1]
    smoothed_BK = targets_BK.to(log_probabilities_BK.dtype) * (1.0 - smoothing) + smoothing / classes
    return -(smoothed_BK * log_probabilities_BK).sum(dim=-1)
