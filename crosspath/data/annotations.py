"""Annotations of dense tasks, which ride in the sample: the class of each pixel as a fourth plane of an image, the part
of each point as a last column of a cloud.

So whatever stores, draws or moves a sample does it with the annotation, and only the objective divides the two, right
before the model (`crosspath.modalities.annotations`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_LABELLED = 255
"""Of a pixel or point without a class: it enters no loss and no metric."""
OUTSIDE = 254
"""Of what is not the picture, where pictures of unequal sizes share an array."""
MOST_CLASSES = 254


def stack_samples(samples: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Samples as one array (B, ...). Annotated pictures (4, H, W) of unequal sizes get rows below and columns to the
    right of them whose class is `OUTSIDE`.
    """
    if len({sample.shape for sample in samples}) == 1:
        return np.stack(samples)
    height, width = (max(sample.shape[axis] for sample in samples) for axis in (1, 2))
    batch = np.zeros((len(samples), samples[0].shape[0], height, width), samples[0].dtype)
    batch[:, -1] = OUTSIDE
    for row, sample in zip(batch, samples, strict=True):
        row[:, : sample.shape[1], : sample.shape[2]] = sample
    return batch


def without_outside(sample: NDArray[Any]) -> NDArray[Any]:
    """The picture itself (4, H, W) of a sample that `stack_samples` made larger."""
    inside = sample[-1] != OUTSIDE
    return sample[:, : int(inside[:, 0].sum()), : int(inside[0].sum())]
