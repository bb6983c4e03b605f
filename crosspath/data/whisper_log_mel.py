"""Whisper's log-mel spectrogram in batched torch (reference: transformers' `WhisperFeatureExtractor`)."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE_HZ = 16_000
WINDOW, SHIFT = 400, 160
"""Samples of a frame, and from one frame to the next: 25 and 10 ms."""
RANGE = 8.0
"""Powers of ten below a recording's loudest value at which quiet ones are cut."""
LOG_FROM_HZ, LOG_STEPS = 1000.0, 27 / math.log(6.4)
"""Slaney's mel scale is linear up to 1 kHz, at 15 mels, and logarithmic above."""


def whisper_log_mel(waves_BS: Tensor, frames: int, mels: int) -> Tensor:
    """Log-mel frames (B, T, F) of waveforms (B, samples) in [-1, 1] at 16 kHz, cut or padded with zeros to `frames`.

    Frames of 25 ms every 10 ms, centred, the ends reflected; Hann window, power spectrum; triangular filters of equal
    area on Slaney's mel scale from 0 to 8 kHz; log10, floored at 1e-10 and at 8 below the recording's largest; then
    (x + 4) / 4. `frames` is 3000, 30 s, in the published models.
    """
    samples = frames * SHIFT
    waves_BS = functional.pad(waves_BS[:, :samples], (0, max(0, samples - waves_BS.shape[1])))
    window = torch.hann_window(WINDOW, device=waves_BS.device)
    spectrum_BFT = torch.stft(waves_BS, WINDOW, SHIFT, window=window, return_complex=True)[..., :-1]
    power_BFT = (spectrum_BFT.abs() ** 2).contiguous()
    values_BFT = torch.clamp(_filters(mels).to(power_BFT).T @ power_BFT, min=1e-10).log10()
    loudest_B11 = values_BFT.amax(dim=(1, 2), keepdim=True)
    return ((torch.maximum(values_BFT, loudest_B11 - RANGE) + 4.0) / 4.0).transpose(1, 2)


@lru_cache(maxsize=4)
def _filters(mels: int) -> Tensor:
    """Triangular filters (201, F) in float32."""
    bins_K = torch.linspace(0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1, dtype=torch.float64)
    edges = _hertz(torch.linspace(0, _mel(SAMPLE_RATE_HZ / 2), mels + 2, dtype=torch.float64))
    steps = edges.diff()
    slopes = edges[None] - bins_K[:, None]
    filters_KF = torch.minimum(-slopes[:, :-2] / steps[:-1], slopes[:, 2:] / steps[1:]).clamp_min(0.0)
    return (filters_KF * 2 / (edges[2:] - edges[:-2])).float()


def _mel(hertz: float) -> float:
    """Of a frequency above 1 kHz."""
    return 15.0 + math.log(hertz / LOG_FROM_HZ) * LOG_STEPS


def _hertz(mels: Tensor) -> Tensor:
    return torch.where(mels < 15.0, mels * 200.0 / 3.0, LOG_FROM_HZ * torch.exp((mels - 15.0) / LOG_STEPS))
