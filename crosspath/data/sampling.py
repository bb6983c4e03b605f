"""Class-balanced sampling for unevenly labelled sets, as in the published fine-tuning on AudioSet."""

import numpy as np
from numpy.typing import NDArray

STREAM = 0xBA1A
COUNT_OFFSET, WEIGHT = 0.01, 1000.0
ROWS = 1 << 14


def sample_weights(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Each sample's weight (N,): the sum over its labels of 1,000 / (samples with that label + 0.01).

    `labels` are class numbers (N,) or an indicator matrix (N, K). A sample without labels has weight 0.
    """
    if labels.ndim == 1:
        counts = np.bincount(labels)
        weights: NDArray[np.float64] = WEIGHT / (counts[labels] + COUNT_OFFSET)
        return weights
    class_weights = WEIGHT / (labels.sum(axis=0, dtype=np.int64) + COUNT_OFFSET)
    # In blocks: numpy converts the labels to float64, eight times their memory.
    return np.concatenate([labels[start : start + ROWS] @ class_weights for start in range(0, len(labels), ROWS)])


def balanced_draw(labels: NDArray[np.integer], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """`count` indices drawn with replacement, with probabilities in proportion to the weights."""
    weights = sample_weights(labels)
    generator = np.random.default_rng((STREAM, seed, epoch))
    return generator.choice(len(labels), size=count, p=weights / weights.sum())
