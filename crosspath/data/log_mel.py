"""Kaldi's log-mel filter bank in batched torch, on any device (reference: Kaldi's `compute-fbank-feats`)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

FRAME_MS, SHIFT_MS = 25, 10
PREEMPHASIS = 0.97
LOW_HZ = 20.0


def log_mel(waves_BS: Tensor, sample_rate_hz: int, mels: int) -> Tensor:
    """Log-mel frames (B, T, F) of waveforms (B, samples) in [-1, 1].

    Frames of 25 ms every 10 ms, whole frames only; per frame: mean removed, pre-emphasis 0.97, Hann window (Kaldi's
    `hanning`), padded to a power of two, power spectrum; triangular filters on the HTK mel scale from 20 Hz to half the
    sample rate; natural logarithm, floored at float32's epsilon. No dither, no energy.
    """
    length, shift = sample_rate_hz * FRAME_MS // 1000, sample_rate_hz * SHIFT_MS // 1000
    if waves_BS.shape[-1] < length:
        waves_BS = functional.pad(waves_BS, (0, length - waves_BS.shape[-1]))
    frames_BTS = waves_BS.unfold(-1, length, shift)
    frames_BTS = frames_BTS - frames_BTS.mean(-1, keepdim=True)
    previous_BTS = torch.cat([frames_BTS[..., :1], frames_BTS[..., :-1]], dim=-1)
    window_S = torch.hann_window(length, periodic=False, dtype=waves_BS.dtype, device=waves_BS.device)
    windowed_BTS = (frames_BTS - PREEMPHASIS * previous_BTS) * window_S
    size = 1 << (length - 1).bit_length()
    power = torch.fft.rfft(windowed_BTS, size).abs().square()
    bank = mel_filters(sample_rate_hz, size, mels).to(power)
    energies_BTF: Tensor = power @ bank
    return energies_BTF.clamp_min(torch.finfo(torch.float32).eps).log()


def samples_of(frames: int, sample_rate_hz: int) -> int:
    """How many samples make that many frames."""
    length, shift = sample_rate_hz * FRAME_MS // 1000, sample_rate_hz * SHIFT_MS // 1000
    return length + (frames - 1) * shift


def mel_filters(sample_rate_hz: int, size: int, mels: int) -> Tensor:
    """Triangular filters (size / 2 + 1, F), linear on the mel axis, of height 1; float64."""
    bins = torch.arange(size // 2 + 1, dtype=torch.float64) * sample_rate_hz / size
    low, high = _mel(LOW_HZ), _mel(sample_rate_hz / 2)
    edges = torch.linspace(low, high, mels + 2, dtype=torch.float64)
    bin_mels = 1127.0 * torch.log1p(bins / 700.0)
    up = (bin_mels[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bin_mels[:, None]) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(up, down).clamp_min(0.0)
    filters[-1] = 0.0  # as in Kaldi, which ignores the Nyquist bin
    return filters


def _mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)
