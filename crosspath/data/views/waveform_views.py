"""The augmentation of waveforms in AudioMAE's published fine-tuning: roll, gain, and mixing of two recordings.

Every draw comes from a generator seeded by (seed, epoch, sample).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import AudioAugment
from crosspath.data.items import Item, TrainingView
from crosspath.data.replacement import first_readable

STREAM = 0x3A7E
SHAPE = 10.0
"""Parameter of the symmetric Beta distribution of the gain."""

Wave = NDArray[np.float32]


@contextmanager
def waveform_view(
    reader: Any,
    items: Sequence[Item],
    classes: int,
    section: AudioAugment,
    seed: int,
    epoch: int,
    report_damage: Callable[[int, str], None],
) -> Iterator[Callable[[Item, int], TrainingView]]:
    """A function from (item, sample number) to log-mel frames (T, F) and targets (K,); `items` are the training part.

    Both recordings of a mixture are rolled and amplified first; their labels are mixed in the same shares. A damaged
    partner is reported to `report_damage` as (number, reason) and replaced by the next readable recording.
    """

    def load_wave(item: Item, generator: np.random.Generator) -> Wave:
        return roll_and_amplify(reader.wave_of(item), section, generator)

    def view(item: Item, sample: int) -> TrainingView:
        generator = np.random.default_rng((STREAM, seed, epoch, sample))
        wave, targets_K = load_wave(item, generator), label_vector(item, classes)
        if section.mixup > 0.0 and generator.random() < section.mixup_probability:
            first = int(generator.integers(len(items)))
            share = float(generator.beta(section.mixup, section.mixup))
            partner, other = first_readable(items, first, lambda row: load_wave(items[row], generator), report_damage)
            wave = mix_waves(wave, other, share)
            targets_K = share * targets_K + (1.0 - share) * label_vector(items[partner], classes)
        return reader.frames_of(wave), targets_K

    yield view


def roll_and_amplify(wave: Wave, section: AudioAugment, generator: np.random.Generator) -> Wave:
    """Rolls by a uniform number of samples and amplifies by Beta(10, 10) + 0.5, as the section asks for."""
    if section.roll:
        wave = np.roll(wave, int(generator.integers(len(wave))))
    if section.gain > 0.0:
        wave = wave * np.float32(generator.beta(SHAPE, SHAPE) + 0.5)
    return wave


def mix_waves(wave: Wave, partner: Wave, share: float) -> Wave:
    """`share` of a recording plus the rest of its partner, cut or zero-padded to its length; the mean removed."""
    padded = np.zeros_like(wave)
    length = min(len(wave), len(partner))
    padded[:length] = partner[:length]
    result: Wave = np.float32(share) * wave + np.float32(1.0 - share) * padded
    centred: Wave = result - result.mean(dtype=np.float32)
    return centred


def label_vector(item: Item, classes: int) -> NDArray[np.float32]:
    """An item's labels as an indicator vector (K,); numbers as they are."""
    own: list[Any] = list(item.label) if isinstance(item.label, tuple) else [item.label]
    if own and isinstance(own[0], float):
        return np.array(own, np.float32)
    vector = np.zeros(classes, np.float32)
    vector[own] = 1.0
    return vector
