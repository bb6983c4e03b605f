"""Generated sounds, solids and signals of machines, in the format of decoded samples, for runs without files.

Classes differ in kind, samples of a class in every parameter, and all have noise: learnable, not trivial. A sample is a
function of (seed, class, number within the class), so a larger set contains the smaller one. Samples are ordered by
class.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crosspath.data.generated.machines import MACHINES, machine
from crosspath.data.generated.solids import SOLIDS, solid
from crosspath.data.generated.sounds import SAMPLE_RATE_HZ, SOUNDS, sound

Kind = TypeVar("Kind")
SyntheticSet = tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]
SOUNDS_AT_ONCE = 64


def synthetic_sounds(per_class: int, frames: int, mels: int, seed: int) -> SyntheticSet:
    """Log-mel frames float32 (N, T, F) of ten kinds of sound, labels (N,), class names.

    Waveforms of 16 kHz just long enough for `frames`: one event at a random place over background noise.
    """
    import torch

    from crosspath.data.log_mel import log_mel, samples_of

    length = samples_of(frames, SAMPLE_RATE_HZ)
    waves, labels, classes = _generate(SOUNDS, per_class, seed, "sound", lambda kind, rng: sound(kind, length, rng))
    inputs = np.zeros((len(waves), frames, mels), np.float32)
    for start in range(0, len(waves), SOUNDS_AT_ONCE):
        part = torch.from_numpy(waves[start : start + SOUNDS_AT_ONCE].astype(np.float32))
        inputs[start : start + len(part)] = log_mel(part, SAMPLE_RATE_HZ, mels)[:, :frames].numpy()
    return inputs, labels, classes


def synthetic_solids(per_class: int, points: int, seed: int) -> SyntheticSet:
    """Point clouds float32 (N, P, 3) from the surfaces of ten solids, labels (N,), class names.

    Rotated about z, stretched along each axis, noisy; centred on their mean and scaled into the unit sphere.
    """
    clouds, labels, classes = _generate(SOLIDS, per_class, seed, "solid", lambda kind, rng: solid(kind, points, rng))
    return clouds.astype(np.float32), labels, classes


def synthetic_machines(per_class: int, length: int, seed: int) -> SyntheticSet:
    """Series float32 (N, 3, T) of a machine that is healthy or has one of five faults, labels (N,), class names."""
    series, labels, classes = _generate(
        MACHINES, per_class, seed, "machine", lambda kind, rng: machine(kind, length, rng)
    )
    return series.astype(np.float32), labels, classes


def _generate(
    kinds: Mapping[str, Kind], per_class: int, seed: int, stream: str, one: Callable[[Kind, Generator], NDArray[Any]]
) -> SyntheticSet:
    stream_number = int.from_bytes(stream.encode(), "little")
    samples = [
        one(kind, np.random.default_rng((stream_number, seed, label, number)))
        for label, kind in enumerate(kinds.values())
        for number in range(per_class)
    ]
    return np.stack(samples), np.repeat(np.arange(len(kinds), dtype=np.int64), per_class), tuple(kinds)
