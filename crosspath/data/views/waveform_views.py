"""The published augmentation of waveforms: roll, gain, and the mixing of two recordings (AudioMAE's fine-tuning).

Every draw comes from a generator of (seed, epoch, sample).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.training import AudioAugment
from crosspath.data.items import Item, TrainingView
from crosspath.data.replacement import first_readable

STREAM = 0x3A7E
SHAPE = 10.0
"""Of the symmetric Beta distributions of gain and mixing share."""

Wave = NDArray[np.float32]


@contextmanager
def waveform_view(
    reader: Any,
    items: Sequence[Item],
    classes: int,
    section: AudioAugment,
    seed: int,
    epoch: int,
    damaged: Callable[[int, str], None],
) -> Iterator[Callable[[Item, int], TrainingView]]:
    """A decoder of (item, sample number) to log-mel frames and targets (K,); `items` are the training part.

    Both recordings of a mixture are rolled and amplified first; its targets are the share of each one's labels, added.
    Where a partner is damaged, `damaged` is told its number and the reason, and the next whole recording is mixed in.
    """

    def heard(item: Item, generator: np.random.Generator) -> Wave:
        return roll_and_amplify(reader.wave_of(item), section, generator)

    def view(item: Item, sample: int) -> TrainingView:
        generator = np.random.default_rng((STREAM, seed, epoch, sample))
        wave, targets_K = heard(item, generator), label_vector(item, classes)
        if section.mixup > 0.0 and generator.random() < section.mixup_probability:
            drawn = int(generator.integers(len(items)))
            share = float(generator.beta(section.mixup, section.mixup))
            partner, other = first_readable(items, drawn, lambda place: heard(items[place], generator), damaged)
            wave = mix_waves(wave, other, share)
            targets_K = share * targets_K + (1.0 - share) * label_vector(items[partner], classes)
        return reader.frames_of(wave), targets_K

    yield view


def roll_and_amplify(wave: Wave, section: AudioAugment, generator: np.random.Generator) -> Wave:
    """Rolled in time by a uniform number of samples, and amplified by Beta(10, 10) + 0.5, where the section says so."""
    if section.roll:
        wave = np.roll(wave, int(generator.integers(len(wave))))
    if section.gain > 0.0:
        wave = wave * np.float32(generator.beta(SHAPE, SHAPE) + 0.5)
    return wave


def mix_waves(wave: Wave, partner: Wave, share: float) -> Wave:
    """`share` of a recording and the rest of its partner, cut or padded with zeros to its length; the mean removed."""
    fitted = np.zeros_like(wave)
    kept = min(len(wave), len(partner))
    fitted[:kept] = partner[:kept]
    result: Wave = np.float32(share) * wave + np.float32(1.0 - share) * fitted
    centred: Wave = result - result.mean(dtype=np.float32)
    return centred


def label_vector(item: Item, classes: int) -> NDArray[np.float32]:
    """An item's labels as 0 and 1 (K,)."""
    vector = np.zeros(classes, np.float32)
    vector[list(item.label) if isinstance(item.label, tuple) else [item.label]] = 1.0
    return vector
