"""In which order an epoch visits the samples, and who computes which: functions of seed and epoch alone."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.training import TrainSection
from crosspath.data.sampling import balanced_draw

STREAM = 0x0DE5
"""Keeps these draws apart from every other use of the same seed."""

Indices = NDArray[np.int64]


def epoch_length(samples: int, section: TrainSection) -> int:
    """How many samples an epoch visits, of so many in the training part."""
    if section.sampler == "shuffle":
        return samples
    return section.samples_per_epoch or samples


def steps_per_epoch(samples: int, section: TrainSection) -> int:
    """How many batches an epoch has."""
    return ceil(epoch_length(samples, section) / section.batch_size)


def epoch_batches(labels: NDArray[Any], section: TrainSection, epoch: int) -> list[Indices]:
    """The samples' indices in random order, as batches of at most `batch_size`: each once, or drawn by `sampler`.

    Batches differ in size by at most one, so that no epoch ends with a tiny one (whose statistics would be poor).
    Inside a batch the indices ascend: sorted reading is kind to a memory-mapped file, and the order means nothing.
    """
    if section.sampler == "balanced":
        order = balanced_draw(labels, epoch_length(len(labels), section), section.seed, epoch)
    else:
        order = np.random.default_rng((STREAM, section.seed, epoch)).permutation(len(labels))
    return [np.sort(batch) for batch in np.array_split(order, steps_per_epoch(len(labels), section))]


def parts(batch: Indices, count: int) -> list[Indices]:
    """A batch cut into `count` runs of complete pairs, as even as possible: neighbours 2k and 2k + 1 stay together."""
    pairs = np.array_split(np.arange(0, len(batch), 2), count)
    return [batch[first[0] : first[-1] + 2] if len(first) else batch[:0] for first in pairs]


def smallest_part(batches: Sequence[Indices], count: int) -> int:
    """Samples of the smallest part, when every batch is cut into `count`."""
    return min(len(part) for batch in batches for part in parts(batch, count))
