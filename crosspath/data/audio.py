"""Recordings: class folders or tables of files, decoded, resampled and turned into log-mel frames."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import AudioData
from crosspath.data.damaged import cut_short
from crosspath.data.items import (
    DamageError,
    Item,
    Listing,
    Part,
    class_folder_items,
    existing,
    file_stamp,
    folder_below,
    read_table,
    table_items,
    whole_number,
)
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
            "folds": [section.test_fold, section.validation_fold] if section.dataset == "esc10" else None,
            "table": [section.csv, section.file_column, section.label_column, section.split_column],
        }

    def sources(self, folder: Path) -> None:
        """None: the listing says it all."""

    def listing(self, folder: Path) -> Listing:
        """ESC-10 by folds, the spoken digits by their table, or a user's class folders or table."""
        section = self.section
        if section.dataset == "esc10":
            return self._esc(folder_below(folder, "esc10", "meta/esc50.csv and audio/"))
        if section.dataset == "fsdd":
            root = folder_below(folder, "fsdd", "metadata.csv and recordings/")
            return table_items(root, "metadata.csv", "filename", "digit", "split", below="recordings")
        if section.csv is not None:
            columns = (section.file_column, section.label_column, section.split_column)
            return table_items(folder, section.csv, *columns)
        return class_folder_items(folder, SUFFIXES, "recordings")

    def _esc(self, root: Path) -> Listing:
        """The ESC-50 layout: `meta/esc50.csv` with folds. Classes in the order of their published numbers."""
        table = root / "meta" / "esc50.csv"
        rows = list(read_table(table, ("filename", "fold", "target", "category")))
        names = {whole_number(row, "target", table, line): row["category"] for line, row in rows}
        folds = [whole_number(row, "fold", table, line) for line, row in rows]
        held = self._held_folds(set(folds))
        targets = sorted(names)
        items = []
        for (line, row), fold in zip(rows, folds, strict=True):
            path = existing(root / "audio" / row["filename"], table, line)
            items.append(
                Item(
                    id=row["filename"],
                    label=targets.index(int(row["target"])),
                    part=held.get(fold, "train"),
                    path=path,
                    stamp=file_stamp(path),
                )
            )
        return Listing(tuple(names[target] for target in targets), tuple(items))

    def _held_folds(self, folds: set[int]) -> dict[int, Part]:
        test, validation = self.section.test_fold, self.section.validation_fold
        for name, fold in (("data.test_fold", test), ("data.validation_fold", validation)):
            if fold not in folds:
                raise InputError(name, f"one of {', '.join(map(str, sorted(folds)))}", str(fold), f"change {name}")
        if test == validation:
            raise InputError(
                "data.validation_fold", "another fold than data.test_fold", str(test), "change one of the two"
            )
        return {test: "test", validation: "val"}

    @contextmanager
    def opened(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; it keeps nothing open."""
        yield lambda item: self.decode_file(item.path)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One recording."""
        import torch

        from crosspath.data.log_mel import log_mel

        wave, rate = decode_wave(path)
        wave = resampled(wave, rate, self.section.sample_rate_hz)
        if not len(wave):
            raise DamageError("it is shorter than one sample")
        wave = wave - wave.mean()
        frames_TF = log_mel(torch.from_numpy(wave)[None], self.section.sample_rate_hz, self.section.mels)[0].numpy()
        result = np.zeros(self.sample[0], np.float32)
        kept = min(len(frames_TF), len(result))
        result[:kept] = frames_TF[:kept]
        return result


def decode_wave(path: Path) -> tuple[NDArray[np.float32], int]:
    """Channel 0 of a recording in [-1, 1], and its sample rate. Raises `DamageError`."""
    reason = cut_short(path)
    if reason is not None:
        raise DamageError(reason)
    try:
        wave, rate = _by_soundfile(path) if path.suffix.lower() in SOUNDFILE else _by_ffmpeg(path)
    except (DamageError, ImportError, MemoryError):  # a missing reader is no fault of the file
        raise
    except Exception as error:  # decoders raise a wide range of types on damaged files
        raise DamageError(f"the audio decoder fails ({error})".replace("\n", " ")) from None
    if not len(wave):
        raise DamageError("no sample comes out")
    if not np.isfinite(wave).all():
        raise DamageError("its samples are not finite")
    return wave, rate


def resampled(wave: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """The waveform at another sample rate (soxr, high quality)."""
    if rate == wanted:
        return wave
    import soxr

    result: NDArray[np.float32] = soxr.resample(wave, rate, wanted).astype(np.float32)
    return result


def _by_soundfile(path: Path) -> tuple[NDArray[np.float32], int]:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples[:, 0]), int(rate)


def _by_ffmpeg(path: Path) -> tuple[NDArray[np.float32], int]:
    import av

    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise DamageError("it has no sound")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout.name)
        parts = [out.to_ndarray()[0] for frame in container.decode(stream) for out in resampler.resample(frame)]
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
        return np.concatenate(parts or [np.zeros(0, np.float32)]).astype(np.float32), int(stream.rate)
