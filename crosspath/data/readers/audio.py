"""Recordings, decoded, resampled and turned into log-mel frames."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data import AudioData
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.readers.audio_sets import PUBLISHED_SETS
from crosspath.data.readers.fbank_files import read_fbank, read_from_fbank
from crosspath.data.readers.own_table import with_unread
from crosspath.data.readers.sound_file import decode_wave, require_sound
from crosspath.data.readers.time_windows import window_starts
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.tables import list_files, table_in
from crosspath.errors import InputError

SUFFIXES = (
    *(".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".flac"),
    *(".mp3", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".wma", ".amr", ".mka", ".mp4", ".webm"),
)
CONTAINERS = (".mp4", ".webm")
"""Of these, the ones that also hold videos."""
SHARD_MEMBERS = tuple(suffix.removeprefix(".") for suffix in SUFFIXES if suffix not in CONTAINERS)
"""Kinds of the members of a shard that hold a sample."""
MOST_CHANNELS = 16
"""Of a waveform in memory: an array with more rows is none."""
LONG = 16
"""How many times longer than a sample a recording is before it is cut in front of the filter bank, not behind it: sums
over another number of frames may differ in the last bit, and recordings of common length keep theirs."""


class AudioReader:
    """Log-mel frames (T, F) of the mean of all channels, padded with zeros or cut to `frames`; not normalised."""

    def __init__(self, section: AudioData) -> None:
        self.section = section
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((section.frames, section.mels), np.dtype(np.float32))
        self.settings: dict[str, Any] = {
            "sample_rate_hz": section.sample_rate_hz,
            "mels": section.mels,
            "frames": section.frames,
            "folds": [section.test_fold, section.validation_fold] if section.dataset in ("esc10", "esc50") else None,
            "table": [section.csv, section.file_column, section.label_column, section.split_column],
            **label_settings(section),
        }
        if section.fbank_folder is not None:
            self.settings["fbank"] = str(section.fbank_folder)
        if section.encoding is not None:
            self.settings["encoding"] = section.encoding
        if section.spectrogram != "kaldi":
            self.settings["spectrogram"] = section.spectrogram

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """A published set (`audio_sets.py`), shards, or a user's class folders or table.

        With `data.fbank_folder` the items are files of frames; with `data.multi_label` labels are tuples.
        """
        section = self.section
        if section.fbank_folder is not None and section.dataset == "shards":
            todo = "store the recordings as single files, or leave data.fbank_folder out"
            raise InputError("data.fbank_folder", "recordings in single files", "shards", todo)
        listing = self._recordings(folder)
        if section.fbank_folder is not None:
            listing = read_from_fbank(listing, section.fbank_folder.expanduser(), section.skip_damaged)
        return as_label_tuples(listing) if section.several_labels else listing

    def _recordings(self, folder: Path) -> Listing:
        section = self.section
        if section.dataset in PUBLISHED_SETS:
            listing = PUBLISHED_SETS[section.dataset](section, folder)
        elif section.dataset == "shards":
            listing = list_shards(section, folder, SHARD_MEMBERS)
        elif (table := table_in(folder, section)) is not None:
            return list_files(folder, table, section, SUFFIXES)
        else:
            listing = class_folder_items(folder, SUFFIXES, "recordings")
        return with_unread(listing, section)

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; no file stays open."""

        def decode(item: Item) -> NDArray[Any]:
            if self.section.fbank_folder is not None:
                return self._fit_length(read_fbank(item.path, self.section.mels))
            return self.frames_of(self.wave_of(item))

        yield decode

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """As `open_decoder`; augmentation of waveforms, which needs the other recordings, is in `waveform_views.py`."""
        with self.open_decoder() as decode:
            yield lambda item, sample: (decode(item), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """The frames of one recording."""
        return self.frames_of(self._resample(*decode_wave(path)))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """A waveform (S,) or (channels, S) at the recipe's sample rate, with another rate as (waveform, rate) or
        {"array", "sampling_rate"}; or log-mel frames (T, F).
        """
        rate = self.section.sample_rate_hz
        if isinstance(value, tuple) and len(value) == 2:
            value, rate = value
        elif not isinstance(value, np.ndarray | list | tuple):
            try:
                value, rate = value["array"], value["sampling_rate"]
            except (KeyError, TypeError, IndexError):
                expected = "a waveform, (waveform, rate) or log-mel frames"
                raise DamageError(f"expected {expected}, found a {type(value).__name__}") from None
        array = np.asarray(value)
        if array.dtype.kind != "f":
            raise DamageError(f"expected floats (a waveform from -1 to 1), found {array.dtype}")
        if not np.isfinite(array).all():
            raise DamageError("it has values that are not finite")
        if array.ndim == 2 and array.shape[1] == self.section.mels:
            return self._fit_length(array.astype(np.float32))
        peak = float(np.abs(array).max(initial=0.0))
        if array.ndim == 2 and array.shape[0] < MOST_CHANNELS < array.shape[1]:
            array = array.mean(0)
        if array.ndim != 1:
            form = f"(samples,), (channels, samples) or (frames, {self.section.mels})"
            raise DamageError(f"expected an array of shape {form}, found {array.shape}")
        wave, rate = array.astype(np.float32), _whole_rate(rate)
        require_sound(wave, peak, rate)
        return self.frames_of(self._resample(wave, rate))

    def wave_of(self, item: Item) -> NDArray[np.float32]:
        """The mean of a recording's channels (S,) at the recipe's sample rate, less its own mean (Whisper reads it as
        it is). Raises `DamageError`.
        """
        if self.section.fbank_folder is not None:
            todo = "set augment.waveform=false, or leave data.fbank_folder out"
            raise InputError("data.fbank_folder", "recordings, since augment.waveform is on", "frames", todo)
        if isinstance(item.inside, tuple):
            return self._resample(*decode_wave(item.path, read_member(item)))
        return self._resample(*decode_wave(item.path))

    def _resample(self, wave: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        wave = resample(wave, rate, self.section.sample_rate_hz)
        if not len(wave):
            raise DamageError("it is shorter than one sample")
        centred: NDArray[np.float32] = wave - wave.mean()
        return centred if self.section.spectrogram == "kaldi" else wave

    def frames_of(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """The log-mel frames (T, F) of a waveform (S,), padded or cut."""
        from crosspath.data.log_mel import samples_of

        if len(wave) > LONG * (length := samples_of(self.sample[0][0], self.section.sample_rate_hz)):
            wave = wave[:length]  # the frames of an hour would take gigabytes, and nearly all are cut off
        if self.section.spectrogram == "whisper":
            return self._whisper_frames(wave)
        return self._fit_length(self._log_mel(wave))

    def windows(self, path: Path, stride: int) -> NDArray[np.float32]:
        """Samples (W, T, F) that begin every `stride` frames of one recording; the last one is padded."""
        wave = self._resample(*decode_wave(path))
        if self.section.spectrogram == "whisper":
            from crosspath.data.whisper_log_mel import SHIFT

            starts = window_starts(-(-len(wave) // SHIFT), self.sample[0][0], stride)
            return np.stack([self._whisper_frames(wave[start * SHIFT :]) for start in starts])
        frames_SF = self._log_mel(wave)
        starts = window_starts(len(frames_SF), self.sample[0][0], stride)
        return np.stack([self._fit_length(frames_SF[start:]) for start in starts])

    def _whisper_frames(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """As Whisper reads a recording that begins here: padded or cut before it becomes frames."""
        import torch

        from crosspath.data.whisper_log_mel import whisper_log_mel

        waves_1S = torch.from_numpy(np.ascontiguousarray(wave))[None]
        return np.ascontiguousarray(whisper_log_mel(waves_1S, *self.sample[0])[0].numpy())

    def _log_mel(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        from crosspath.data.log_mel import log_mel

        waves_1S = torch.from_numpy(np.ascontiguousarray(wave))[None]
        frames_SF: NDArray[np.float32] = log_mel(waves_1S, self.section.sample_rate_hz, self.section.mels)[0].numpy()
        return frames_SF

    def _fit_length(self, frames_TF: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames padded with zeros, or cut, to the recipe's number."""
        result = np.zeros(self.sample[0], np.float32)
        count = min(len(frames_TF), len(result))
        result[:count] = frames_TF[:count]
        return result


def _whole_rate(rate: Any) -> int:
    """The rate beside a waveform in memory. Raises `DamageError` for what is no number, such as a second channel."""
    try:
        return int(rate)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        expected = "(waveform, rate) with the rate in Hz, or channels as one array (channels, samples)"
        raise DamageError(f"expected {expected}, found a {type(rate).__name__} as the rate") from None


def resample(wave: NDArray[np.float32], rate: int, new_rate: int) -> NDArray[np.float32]:
    """The waveform (S,) at another sample rate in Hz (soxr, high quality)."""
    if rate == new_rate:
        return wave
    import soxr

    result: NDArray[np.float32] = soxr.resample(wave, rate, new_rate).astype(np.float32)
    return result
