"""Signals of a rotating machine, healthy and with five faults (for `synthetic.py`): two vibrations and a current.

After the textbook signatures of rotating machines (Randall 2011, Vibration-based Condition Monitoring, chapter 2): what
a fault does to the spectrum at multiples of the shaft's frequency. Amplitudes are arbitrary.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Callable[[Floats, Generator], Floats]
"""Signals (3, T) of a machine whose shaft has the phase (T,) in turns."""
CHANNELS = ("vibration_x", "vibration_y", "current")


def machine(kind: Kind, length: int, rng: Generator) -> Floats:
    """Signals (3, length) over 6 to 12 turns of the shaft, with drifting speed, any start and noise."""
    turns = rng.uniform(6.0, 12.0)
    time_T = np.linspace(0.0, 1.0, length)
    phase_T = turns * (time_T + rng.uniform(-0.03, 0.03) * time_T**2) + rng.random()
    signals_CT = kind(phase_T, rng) + 0.15 * rng.standard_normal((len(CHANNELS), length))
    signals_CT[2] += np.sin(2 * np.pi * (rng.uniform(1.4, 1.6) * phase_T + rng.random()))
    gains_C1 = np.exp(rng.uniform(-0.3, 0.3, (len(CHANNELS), 1)))
    # A current of 5 A beside accelerations around 0 in g: channels of their own size and offset.
    scaled: Floats = signals_CT * gains_C1 * np.array([[1.0], [1.0], [3.0]]) + np.array([[0.0], [0.0], [5.0]])
    return scaled


def _wave(phase_T: Floats, order: float, size: float, shift: float) -> Floats:
    wave: Floats = size * np.sin(2.0 * np.pi * (order * phase_T + shift))
    return wave


def _healthy(phase_T: Floats, rng: Generator) -> Floats:
    """A little of the shaft's own frequency."""
    size, shift = rng.uniform(0.1, 0.3), rng.random()
    return np.stack([_wave(phase_T, 1, size, shift), _wave(phase_T, 1, size, shift + 0.25), 0 * phase_T])


def _unbalance(phase_T: Floats, rng: Generator) -> Floats:
    """Much of the shaft's frequency, a quarter of a turn between the two directions."""
    size, shift = rng.uniform(0.5, 1.2), rng.random()
    return np.stack([_wave(phase_T, 1, size, shift), _wave(phase_T, 1, size, shift + 0.25), 0 * phase_T])


def _misalignment(phase_T: Floats, rng: Generator) -> Floats:
    """Twice the shaft's frequency beside it."""
    size, shift = rng.uniform(0.5, 1.0), rng.random()
    second = _wave(phase_T, 2, size, shift)
    return np.stack([_healthy(phase_T, rng)[0] + second, _healthy(phase_T, rng)[1] + second, 0.2 * second])


def _looseness(phase_T: Floats, rng: Generator) -> Floats:
    """Half of the shaft's frequency and its multiples."""
    size, shift = rng.uniform(0.3, 0.6), rng.random()
    comb = sum(_wave(phase_T, order, size / (1 + order), shift * order) for order in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0))
    return np.stack([np.asarray(comb), 0.6 * np.asarray(comb), 0 * phase_T])


def _bearing(phase_T: Floats, rng: Generator) -> Floats:
    """Short ringing at 3.6 impacts a turn, in both directions."""
    impacts = (3.6 * phase_T + rng.random()) % 1.0
    ringing = rng.uniform(0.8, 1.6) * np.exp(-8.0 * impacts) * np.sin(2 * np.pi * 4.0 * impacts)
    return _healthy(phase_T, rng) + np.stack([ringing, 0.7 * ringing, 0 * phase_T])


def _broken_bar(phase_T: Floats, rng: Generator) -> Floats:
    """A current whose size swings slowly."""
    swing = rng.uniform(0.4, 0.8) * np.sin(2 * np.pi * (0.2 * phase_T + rng.random()))
    return _healthy(phase_T, rng) + np.stack([0 * phase_T, 0 * phase_T, swing])


MACHINES: dict[str, Kind] = {
    "healthy": _healthy,
    "unbalance": _unbalance,
    "misalignment": _misalignment,
    "looseness": _looseness,
    "bearing": _bearing,
    "broken_bar": _broken_bar,
}
