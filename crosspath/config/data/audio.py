"""Recordings: the `data` section."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from crosspath.config.data.files_table import FilesTable


class AudioData(FilesTable):
    """Recordings, resampled and turned into log-mel frames of 25 ms every 10 ms."""

    modality: Literal["audio"] = "audio"
    dataset: Literal[
        "esc10",
        "fsdd",
        "sounds",
        "audioset-20k",
        "audioset-2m",
        "esc50",
        "speechcommands",
        "shards",
        "folder",
    ] = "folder"
    fbank_folder: Path | None = None
    """Log-mel frames computed elsewhere, `<stem>.npy` a recording; they are read instead of the recordings."""
    sample_rate_hz: PositiveInt = 16000
    mels: PositiveInt = 128
    frames: PositiveInt = 512
    """Frames a sample is padded or cut to."""
    spectrogram: Literal["kaldi", "whisper"] = "kaldi"
    """How a recording becomes log-mel frames: as in Kaldi; or as Whisper reads it, at 16 kHz."""
    mean: float = -6.6268077
    """Subtracted from log-mel values; the sum is divided by `2 * std`."""
    std: PositiveFloat = 5.358466
    test_fold: PositiveInt = 5
    """ESC layout: the fold that is the test part."""
    validation_fold: PositiveInt = 4
    """ESC layout: the fold that is the validation part."""

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """See `DataSection`."""
        return ("mels", "frames")
