"""In which order an epoch visits the samples: a function of seed and epoch alone."""

from math import ceil

import numpy as np

STREAM = 0x0DE5
"""Keeps these draws apart from every other use of the same seed."""


def epoch_batches(samples: int, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Every sample's index once, in random order, as batches of at most `batch_size`.

    Batches differ in size by at most one, so that no epoch ends with a tiny one (whose statistics would be poor).
    """
    order = np.random.default_rng((STREAM, seed, epoch)).permutation(samples)
    return np.array_split(order, ceil(samples / batch_size))
