"""Recordings: class folders or tables of files, decoded, resampled and turned into log-mel frames."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import AudioData
from crosspath.config.training import Augment
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView
from crosspath.data.labels import as_label_tuples
from crosspath.data.readers.audio_sets import PUBLISHED
from crosspath.data.readers.fbank_files import read_fbank, read_from_fbank
from crosspath.data.readers.truncation import truncation_reason
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.tables import table_items
from crosspath.errors import InputError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a", ".aac", ".aiff", ".aif", ".mp4", ".webm")
SOUNDFILE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
"""What libsndfile decodes; other containers go through FFmpeg."""


class AudioReader:
    """Log-mel frames (T, F), not yet normalised: channel 0, mean removed, zeros after the end, cut at `frames`."""

    def __init__(self, section: AudioData) -> None:
        self.section = section
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((section.frames, section.mels), np.dtype(np.float32))
        self.settings: dict[str, Any] = {
            "sample_rate_hz": section.sample_rate_hz,
            "mels": section.mels,
            "frames": section.frames,
            "folds": [section.test_fold, section.validation_fold] if section.dataset in ("esc10", "esc50") else None,
            "table": [section.csv, section.file_column, section.label_column, section.split_column],
        }
        if section.fbank_folder is not None:
            self.settings["fbank"] = str(section.fbank_folder)
        if section.multi_label:
            self.settings["multi_label"] = True

    def sources(self, folder: Path) -> None:
        """None: the listing says it all."""

    def listing(self, folder: Path) -> Listing:
        """A published set as it is laid out (`published_audio.py`), shards, or a user's class folders or table.

        Stored frames stand in for the recordings where there are any, and labels are tuples where `data.multi_label`
        says so.
        """
        section = self.section
        if section.fbank_folder is not None and section.dataset == "shards":
            todo = "put the frames' recordings into a folder, or leave data.fbank_folder out"
            raise InputError("data.fbank_folder", "recordings that are files of their own", "shards", todo)
        listing = self._recordings(folder)
        if section.fbank_folder is not None:
            listing = read_from_fbank(listing, section.fbank_folder.expanduser(), section.skip_damaged)
        return as_label_tuples(listing) if section.multi_label else listing

    def _recordings(self, folder: Path) -> Listing:
        section = self.section
        if section.dataset in PUBLISHED:
            return PUBLISHED[section.dataset](section, folder)
        if section.dataset == "shards":
            return list_shards(section, folder)
        if section.csv is not None:
            columns = (section.file_column, section.label_column, section.split_column)
            return table_items(folder, section.csv, *columns)
        return class_folder_items(folder, SUFFIXES, "recordings")

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; it keeps nothing open."""

        def decode(item: Item) -> NDArray[Any]:
            if self.section.fbank_folder is not None:
                return self._fitted(read_fbank(item.path, self.section.mels))
            return self.frames_of(self.wave_of(item))

        yield decode

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """As `open_decoder`; augmentation of waveforms, which needs the other recordings, is in `waveform_views.py`."""
        with self.open_decoder() as decode:
            yield lambda item, sample: (decode(item), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One recording."""
        return self.frames_of(self._centred(*decode_wave(path)))

    def wave_of(self, item: Item) -> NDArray[np.float32]:
        """Channel 0 of a recording at the recipe's rate, its mean removed. Raises `DamageError`."""
        if self.section.fbank_folder is not None:
            todo = "set augment.waveform=false, or leave data.fbank_folder out"
            raise InputError("data.fbank_folder", "recordings, whose waveforms are altered", "frames", todo)
        if isinstance(item.inside, tuple):
            return self._centred(*decode_wave(item.path, read_member(item), item.id))
        return self._centred(*decode_wave(item.path))

    def _centred(self, wave: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        wave = resample(wave, rate, self.section.sample_rate_hz)
        if not len(wave):
            raise DamageError("it is shorter than one sample")
        centred: NDArray[np.float32] = wave - wave.mean()
        return centred

    def frames_of(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """The log-mel frames of a waveform, padded or cut."""
        import torch

        from crosspath.data.log_mel import log_mel

        waves_1S = torch.from_numpy(np.ascontiguousarray(wave))[None]
        return self._fitted(log_mel(waves_1S, self.section.sample_rate_hz, self.section.mels)[0].numpy())

    def _fitted(self, frames_TF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Zeros after the end, cut at the recipe's number of frames."""
        result = np.zeros(self.sample[0], np.float32)
        kept = min(len(frames_TF), len(result))
        result[:kept] = frames_TF[:kept]
        return result


def decode_wave(path: Path, content: bytes | None = None, name: str = "") -> tuple[NDArray[np.float32], int]:
    """Channel 0 of a recording in [-1, 1], and its sample rate. Raises `DamageError`.

    `content` are the bytes of a recording inside a shard, called `name` there.
    """
    reason = truncation_reason(path if content is None else content)
    if reason is not None:
        raise DamageError(reason)
    suffix = (path.suffix if content is None else Path(name).suffix).lower()
    source: Path | IO[bytes] = path if content is None else BytesIO(content)
    try:
        wave, rate = _by_soundfile(source) if suffix in SOUNDFILE else _by_ffmpeg(source)
    except (DamageError, ImportError, MemoryError):  # a missing reader is no fault of the file
        raise
    except Exception as error:  # decoders raise a wide range of types on damaged files
        raise DamageError(f"the audio decoder fails ({error})".replace("\n", " ")) from None
    if not len(wave):
        raise DamageError("no sample comes out")
    if not np.isfinite(wave).all():
        raise DamageError("its samples are not finite")
    return wave, rate


def resample(wave: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """The waveform at another sample rate (soxr, high quality)."""
    if rate == wanted:
        return wave
    import soxr

    result: NDArray[np.float32] = soxr.resample(wave, rate, wanted).astype(np.float32)
    return result


def _by_soundfile(source: Path | IO[bytes]) -> tuple[NDArray[np.float32], int]:
    import soundfile

    samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples[:, 0]), int(rate)


def _by_ffmpeg(source: Path | IO[bytes]) -> tuple[NDArray[np.float32], int]:
    import av

    with av.open(str(source) if isinstance(source, Path) else source, "r") as container:
        if not container.streams.audio:
            raise DamageError("it has no sound")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout.name)
        parts = [out.to_ndarray()[0] for frame in container.decode(stream) for out in resampler.resample(frame)]
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
        return np.concatenate(parts or [np.zeros(0, np.float32)]).astype(np.float32), int(stream.rate)
