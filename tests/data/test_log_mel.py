"""The log-mel filter bank against transformers' own and against Kaldi's definition written out in float64."""

import math
import sys

import numpy as np
import pytest
import torch

from crosspath.data.log_mel import log_mel, mel_filters


def waves(count: int, samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / 16000
    tones = torch.stack([torch.sin(2 * math.pi * 200 * (k + 1) * time) for k in range(count)])
    return 0.2 * tones + 0.05 * torch.randn(count, samples, generator=generator)


def by_definition(wave: np.ndarray, rate: int, mels: int) -> np.ndarray:
    """Kaldi's compute-fbank-feats, one frame, one bin and one filter at a time, in float64."""
    length, shift = rate * 25 // 1000, rate * 10 // 1000
    size = 1
    while size < length:
        size *= 2

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1.0 + hertz / 700.0)

    low, high = mel(20.0), mel(rate / 2)
    step = (high - low) / (mels + 1)
    frames = []
    for start in range(0, len(wave) - length + 1, shift):
        frame = wave[start : start + length].astype(np.float64)
        frame = frame - frame.sum() / length
        emphasised = frame.copy()
        for i in range(length - 1, 0, -1):
            emphasised[i] -= 0.97 * frame[i - 1]
        emphasised[0] -= 0.97 * frame[0]
        for i in range(length):
            emphasised[i] *= 0.5 - 0.5 * math.cos(2 * math.pi * i / (length - 1))
        power = np.abs(np.fft.fft(np.concatenate([emphasised, np.zeros(size - length)]))) ** 2
        energies = []
        for band in range(mels):
            left, centre, right = low + band * step, low + (band + 1) * step, low + (band + 2) * step
            energy = 0.0
            for place in range(size // 2):
                here = mel(place * rate / size)
                if left < here <= centre:
                    energy += power[place] * (here - left) / (centre - left)
                elif centre < here < right:
                    energy += power[place] * (right - here) / (right - centre)
            energies.append(math.log(max(energy, np.finfo(np.float32).eps)))
        frames.append(energies)
    return np.array(frames)


def test_equals_transformers_feature_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip(
        "transformers.models.audio_spectrogram_transformer.feature_extraction_audio_spectrogram_transformer"
    )
    monkeypatch.setattr(module, "is_speech_available", lambda: False)
    extractor = module.ASTFeatureExtractor(num_mel_bins=128, max_length=98, do_normalize=False)
    wave = waves(1, 16000)[0]
    expected = np.asarray(extractor(wave.numpy(), sampling_rate=16000)["input_values"][0])
    actual = log_mel(wave[None], 16000, 128)[0].numpy()
    assert actual.shape == (98, 128)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize(("rate", "mels"), [(16000, 128), (8000, 40), (22050, 64)])
def test_equals_kaldis_definition(rate: int, mels: int) -> None:
    wave = waves(1, rate // 10)[0]
    expected = by_definition(wave.numpy(), rate, mels)
    in_double = log_mel(wave.double()[None], rate, mels)[0].numpy()
    np.testing.assert_allclose(in_double, expected, atol=1e-9)
    np.testing.assert_allclose(log_mel(wave[None], rate, mels)[0].numpy(), expected, atol=1e-3)


def test_a_batch_equals_its_single_waves() -> None:
    batch = waves(5, 4000)
    together = log_mel(batch, 16000, 128)
    for wave, frames_TF in zip(batch, together, strict=True):
        torch.testing.assert_close(log_mel(wave[None], 16000, 128)[0], frames_TF, atol=1e-5, rtol=0)


def test_a_wave_shorter_than_a_frame_is_padded_to_one() -> None:
    short = waves(2, 100)
    padded = torch.nn.functional.pad(short, (0, 300))
    actual = log_mel(short, 16000, 128)
    assert actual.shape == (2, 1, 128)
    assert torch.equal(actual, log_mel(padded, 16000, 128))


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (80000, 498)])
def test_only_whole_frames_count(samples: int, frames: int) -> None:
    assert log_mel(waves(1, samples), 16000, 16).shape == (1, frames, 16)


def test_silence_is_the_floor_and_finite() -> None:
    actual = log_mel(torch.zeros(1, 1000), 16000, 128)
    torch.testing.assert_close(actual, torch.full_like(actual, math.log(torch.finfo(torch.float32).eps)))


def test_filters_are_triangles_of_height_one_at_most() -> None:
    filters = mel_filters(16000, 512, 40)
    assert filters.shape == (257, 40)
    assert 0 <= filters.min() <= filters.max() <= 1
    assert not filters[0].any()
    assert not filters[-1].any()
    overlap = filters[10:200].sum(dim=1)
    torch.testing.assert_close(overlap, torch.ones_like(overlap))


@pytest.mark.parametrize(("rate", "mels", "seconds"), [(16000, 128, 3.0), (8000, 64, 0.5)])
def test_many_recordings_at_once_have_the_bits_of_each_alone(rate: int, mels: int, seconds: float) -> None:
    batch = waves(16, int(rate * seconds))
    before = batch.clone()
    assert torch.equal(log_mel(batch, rate, mels), torch.cat([log_mel(wave[None], rate, mels) for wave in batch]))
    assert torch.equal(batch, before)


def test_filters_are_made_once_for_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    module, calls = sys.modules[log_mel.__module__], []
    monkeypatch.setattr(module, "mel_filters", lambda *setting: calls.append(setting) or mel_filters(*setting))
    module._window_and_bank.cache_clear()
    settings = [(16000, 40), (16000, 41), (8000, 40), (16000, 40)]
    first, *_, last = [log_mel(waves(2, 1000), *setting) for setting in settings]
    assert calls == [(16000, 512, 40), (16000, 512, 41), (8000, 256, 40)]
    assert torch.equal(first, last)
