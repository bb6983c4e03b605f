"""Waveforms of ten kinds of sound with random parameters (for `synthetic.py`)."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Callable[[int, Generator], Floats]
"""Draws an event with that many samples, of amplitude about 1."""
SAMPLE_RATE_HZ = 16000


def sound(kind: Kind, length: int, rng: Generator) -> Floats:
    """A waveform (length,) of zero mean, about in [-1, 1]: an event of at least half the length over noise."""
    event = kind(int(length * rng.uniform(0.5, 1.0)), rng)
    fade = max(len(event) // 20, 1)
    ramp = np.minimum(np.arange(len(event)) + 1, fade) / fade
    start = rng.integers(length - len(event) + 1)
    wave = np.zeros(length)
    wave[start : start + len(event)] = event * ramp * ramp[::-1]
    loudness = _log_uniform(0.1, 0.5, rng)
    wave = loudness * (wave + _log_uniform(0.003, 0.03, rng) * rng.standard_normal(length))
    centred: Floats = wave - wave.mean()
    return centred


def _log_uniform(low: float, high: float, rng: Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _phase(frequencies_hz: Floats) -> Floats:
    return 2.0 * np.pi * np.cumsum(frequencies_hz) / SAMPLE_RATE_HZ


def _tone(samples: int, rng: Generator) -> Floats:
    return np.sin(_phase(np.full(samples, _log_uniform(200.0, 3000.0, rng))))


def _chirp_up(samples: int, rng: Generator) -> Floats:
    octaves = rng.uniform(0.8, 2.0) * np.linspace(0.0, 1.0, samples)
    return np.sin(_phase(_log_uniform(200.0, 1500.0, rng) * 2.0**octaves))


def _chirp_down(samples: int, rng: Generator) -> Floats:
    octaves = rng.uniform(0.8, 2.0) * np.linspace(1.0, 0.0, samples)
    return np.sin(_phase(_log_uniform(200.0, 1500.0, rng) * 2.0**octaves))


def _vibrato(samples: int, rng: Generator) -> Floats:
    swing = np.sin(2.0 * np.pi * (rng.uniform(3.0, 6.0) * np.linspace(0.0, 1.0, samples) + rng.random()))
    return np.sin(_phase(_log_uniform(300.0, 2000.0, rng) * 2.0 ** (rng.uniform(0.15, 0.4) * swing)))


def _siren(samples: int, rng: Generator) -> Floats:
    high = (rng.uniform(2.0, 4.0) * np.linspace(0.0, 1.0, samples) + rng.random()) % 1.0 < 0.5
    low_hz = _log_uniform(300.0, 1500.0, rng)
    return np.sin(_phase(np.where(high, low_hz * rng.uniform(1.5, 2.0), low_hz)))


def _pulsing_tone(samples: int, rng: Generator) -> Floats:
    cycles = rng.uniform(3.0, 7.0) * np.linspace(0.0, 1.0, samples) + rng.random()
    return _tone(samples, rng) * (0.5 + 0.5 * np.sin(2.0 * np.pi * cycles))


def _harmonics(samples: int, rng: Generator) -> Floats:
    phase = _phase(np.full(samples, _log_uniform(120.0, 400.0, rng)))
    orders = np.arange(1, 13)
    weights = rng.uniform(0.3, 1.0, len(orders)) / orders**0.5
    wave: Floats = weights @ np.sin(orders[:, None] * phase) / weights.sum()
    return wave


def _noise(samples: int, rng: Generator) -> Floats:
    return rng.standard_normal(samples) / 3.0


def _band_noise(samples: int, rng: Generator) -> Floats:
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    centre_hz, octaves = _log_uniform(400.0, 3000.0, rng), rng.uniform(0.4, 0.8)
    offset = np.log2(np.fft.rfftfreq(samples, 1.0 / SAMPLE_RATE_HZ).clip(1.0) / centre_hz)
    wave = np.fft.irfft(np.where(abs(offset) < octaves / 2.0, spectrum, 0.0), samples)
    scaled: Floats = wave / (3.0 * wave.std())
    return scaled


def _clicks(samples: int, rng: Generator) -> Floats:
    count = int(rng.integers(4, 11))
    impulses = np.zeros(samples)
    impulses[((np.arange(count) + rng.uniform(0.3, 0.7, count)) * samples / count).astype(int)] = 1.0
    time_s = np.arange(256) / SAMPLE_RATE_HZ
    ringing = np.exp(-time_s / rng.uniform(0.0005, 0.002)) * np.cos(2.0 * np.pi * rng.uniform(1000, 5000) * time_s)
    wave: Floats = np.convolve(impulses, ringing)[:samples]
    return wave


SOUNDS: dict[str, Kind] = {
    "tone": _tone,
    "chirp_up": _chirp_up,
    "chirp_down": _chirp_down,
    "vibrato": _vibrato,
    "siren": _siren,
    "pulsing_tone": _pulsing_tone,
    "harmonics": _harmonics,
    "noise": _noise,
    "band_noise": _band_noise,
    "clicks": _clicks,
}
