"""One recording, from a file or from memory: decoded by what it contains, whatever its name says."""

from collections.abc import Iterable, Iterator
from io import SEEK_END, SEEK_SET, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, require_within
from crosspath.data.readers.amplitudes import require_full_scale
from crosspath.data.readers.containers import open_media
from crosspath.data.readers.sound_header import read_sound_header
from crosspath.data.readers.truncation import truncation_reason
from crosspath.errors import InputError
from crosspath.limits import BYTES, SECONDS

BLOCK = 1 << 16
"""Samples read at a time."""
UNKNOWN_LENGTH = 1 << 62
"""From this number of samples on, libsndfile means that a FLAC does not state it."""
LOWEST_HZ = 100
"""Below this, a header is wrong, and resampling would fill the memory."""
HIGHEST_HZ = 384_000
"""A recording of more samples a second counts as one of this rate, and so as a longer one."""
SILENT_SHARE = 1e-3
"""Share of the channels' peak below which their mean is no sound any more."""

Samples = NDArray[np.float32]


class _OtherFormatError(Exception):
    """libsndfile does not read this container or codec; FFmpeg may."""


def decode_wave(path: Path, content: bytes | None = None) -> tuple[Samples, int]:
    """The mean of a recording's channels (S,), full scale being [-1, 1] (`amplitudes.py`), and its sample rate in Hz.

    `content` are the bytes of a recording that is part of a file. Of several sound streams the one is read that FFmpeg
    holds for the best (the one marked as default, where one is); attached pictures are no streams of sound. Silence
    that encoders add at the start is left out where the file states its length.

    Raises
    ------
    DamageError
        For a file that is no recording, is truncated or damaged, lasts longer than `limits.SECONDS`, or has no samples
        or ones far beyond full scale; and for channels that cancel each other out.
    """
    try:
        reason = truncation_reason(path if content is None else content)
        if reason is not None:
            raise DamageError(reason)
        with path.open("rb") if content is None else BytesIO(content) as file:
            try:
                wave, peak, rate = _read_with_libsndfile(file)
            except _OtherFormatError:
                file.seek(0)
                wave, peak, rate = _read_with_ffmpeg(file)
    except (DamageError, InputError, ImportError, FileNotFoundError, PermissionError):
        raise
    except MemoryError:  # lengths are limited, so that the header asks for nonsense
        raise DamageError("the audio decoder asks for more memory than there is") from None
    except Exception as error:  # decoders raise many types on damaged files
        raise DamageError(f"the audio decoder fails ({error})".replace("\n", " ")) from None
    require_sound(wave, peak, rate)
    return wave, rate


def require_sound(wave: Samples, peak: float, rate: int) -> None:
    """Refuses what is no recording: the mean (S,) of channels whose largest amplitude is `peak`, at `rate` Hz.

    Raises
    ------
    DamageError
        For no samples, channels that cancel each other out, samples far beyond full scale, and a rate below
        `LOWEST_HZ`.
    """
    if not len(wave):
        raise DamageError("it contains no samples")
    if max(wave.max(), -wave.min()) < SILENT_SHARE * peak:
        raise DamageError("its channels cancel each other out: their mean is silence, and they are not")
    require_full_scale(wave)
    if rate < LOWEST_HZ:
        raise DamageError(f"its sample rate is {rate} Hz")


class _LenientFile:
    """A file that stays where it is when it is sent before its start, as damaged headers do: an exception in a callback
    of libsndfile would print a traceback."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.read, self.tell = file, file.read, file.tell

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        try:
            return self.file.seek(offset, whence)
        except (OSError, ValueError):
            return self.file.tell()


def _read_with_libsndfile(file: BinaryIO) -> tuple[Samples, float, int]:
    import soundfile

    header = read_sound_header(file)
    file.seek(0)
    if header is not None and header.fields and header.size is None:
        require_within(BYTES, file.seek(0, SEEK_END))
        file.seek(0)
        file = BytesIO(header.fill_sizes(file.read()))
    try:
        sound = soundfile.SoundFile(_LenientFile(file))
    except soundfile.LibsndfileError as error:
        raise _OtherFormatError(str(error)) from None
    with sound:
        if sound.frames >= UNKNOWN_LENGTH:
            raise _OtherFormatError
        require_within(SECONDS, _seconds(sound.frames, sound.samplerate))

        def blocks() -> Iterator[Samples]:
            while len(block_SC := sound.read(BLOCK, dtype="float32", always_2d=True)):
                yield block_SC

        return *_mean_of_channels(blocks()), int(sound.samplerate)


def _read_with_ffmpeg(file: BinaryIO) -> tuple[Samples, float, int]:
    import av

    with open_media(file) as container:
        stream = container.streams.best("audio")
        if stream is None:
            raise DamageError("it has no audio stream")
        rates: list[int] = []

        def blocks() -> Iterator[Any]:
            count = 0
            resampler = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                assert isinstance(frame, av.AudioFrame)
                rates.append(frame.sample_rate)
                # Counted, since headers state any length.
                count += frame.samples
                require_within(SECONDS, _seconds(count, frame.sample_rate))
                yield from (out.to_ndarray().T for out in resampler.resample(frame))
            yield from (out.to_ndarray().T for out in resampler.resample(None))

        wave, peak = _mean_of_channels(blocks())
        return wave, peak, rates[0] if rates else 0


def _seconds(samples: int, rate: int) -> int:
    return samples // max(1, min(rate, HIGHEST_HZ))


def _mean_of_channels(blocks: Iterable[Samples]) -> tuple[Samples, float]:
    """The mean (S,) over the channels of consecutive samples (S, C), and the largest amplitude of any channel."""
    means, peak = [], 0.0
    for block_SC in blocks:
        means.append(block_SC.mean(axis=1))
        peak = max(peak, float(np.abs(block_SC).max(initial=0.0)))
    return (np.concatenate(means) if means else np.zeros(0, np.float32)), peak
