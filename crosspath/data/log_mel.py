"""Kaldi's log-mel filter bank in batched torch, on any device (reference: Kaldi's `compute-fbank-feats`)."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

FRAME_MS, SHIFT_MS = 25, 10
PREEMPHASIS = 0.97
LOW_HZ = 20.0
AT_ONCE = 1 << 18
"""Values of frames on a processor: a megabyte of float32."""


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
    # Some at a time: the intermediate values of many recordings leave a processor's cache.
    at_once = max(1, AT_ONCE // frames_BTS[:1].numel()) if waves_BS.device.type == "cpu" else len(waves_BS)
    return torch.cat([_log_mel(part_BTS, sample_rate_hz, mels) for part_BTS in torch.split(frames_BTS, at_once)])


def _log_mel(frames_BTS: Tensor, sample_rate_hz: int, mels: int) -> Tensor:
    """Log-mel values (B, T, F) of frames (B, T, samples), which are not altered."""
    length = frames_BTS.shape[-1]
    frames_BTS = frames_BTS - frames_BTS.mean(-1, keepdim=True)
    weighted_BTS = PREEMPHASIS * frames_BTS
    frames_BTS[..., 1:] -= weighted_BTS[..., :-1]
    frames_BTS[..., :1] -= weighted_BTS[..., :1]
    size = 1 << (length - 1).bit_length()
    window_S, bank = _window_and_bank(sample_rate_hz, length, size, mels, frames_BTS.dtype, frames_BTS.device)
    power = torch.fft.rfft(frames_BTS.mul_(window_S), size).abs().square_()
    energies_BTF: Tensor = power @ bank
    return energies_BTF.clamp_min_(torch.finfo(torch.float32).eps).log_()


@lru_cache(maxsize=8)
def _window_and_bank(
    sample_rate_hz: int, length: int, size: int, mels: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    window_S = torch.hann_window(length, periodic=False, dtype=dtype, device=device)
    return window_S, mel_filters(sample_rate_hz, size, mels).to(device, dtype)


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
