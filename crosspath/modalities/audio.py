"""Sound: recordings, as log-mel frames (T, F)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.augment import AudioAugment
from crosspath.config.data import AudioData
from crosspath.config.model import AudioPatches
from crosspath.config.shipped import AUDIO as SECTIONS
from crosspath.data.generated.sets import sounds
from crosspath.data.items import Item, TrainingView
from crosspath.data.log_mel import SHIFT_MS
from crosspath.data.places import AUDIO_SETS
from crosspath.data.readers.audio import CONTAINERS, SUFFIXES, AudioReader
from crosspath.data.readers.time_windows import frames_in
from crosspath.data.streaming.samples import reader_views
from crosspath.data.views.augment import augment_frames
from crosspath.data.views.normalise import Scaling
from crosspath.data.views.waveform_views import waveform_view
from crosspath.errors import InputError
from crosspath.modalities.modality import Export, Modality, Picture
from crosspath.pictures.signals import heat_map
from crosspath.recipes import audio
from crosspath.tokenizers import AudioTokenizer, ConvolutionTokenizer, Tokenizer
from crosspath.tokenizers.patches import PositionKind

FRAME_SHIFT_S = SHIFT_MS / 1000
ESC_FOLDS = 5


def _tokenizer(section: AudioPatches, data: AudioData, width: int, positions: PositionKind) -> Tokenizer:
    if section.stem == "convolutions":
        return ConvolutionTokenizer(data.frames, data.mels, width, positions)
    return AudioTokenizer(data.frames, data.mels, section.patch, width, positions=positions)


def _sample_shape(data: AudioData) -> tuple[int, ...]:
    return (data.frames, data.mels)


def _scaling(data: AudioData) -> Scaling:
    """(x - mean) / (2 std), the convention of AST (Gong et al. 2021)."""
    return Scaling(factor=[2.0 * data.std], shift=[data.mean])


def _folds(data: AudioData) -> Mapping[int, Mapping[str, int]]:
    """ESC-10 and ESC-50: fold k is the test part and the next one the validation part, k from 1 to 5."""
    if data.dataset not in ("esc10", "esc50"):
        return {}
    return {fold: {"test_fold": fold, "validation_fold": fold % ESC_FOLDS + 1} for fold in range(1, ESC_FOLDS + 1)}


def _views(
    reader: Any,
    augment: AudioAugment,
    items: Sequence[Item],
    classes: int,
    seed: int,
    epoch: int,
    report_damage: Callable[[int, str], None],
) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
    """Waveforms augmented and mixed before they become frames, with `augment.waveform`."""
    if augment.waveform:
        return waveform_view(reader, items, classes, augment, seed, epoch, report_damage)
    return reader_views(reader, augment, items, classes, seed, epoch, report_damage)


def _windows(data: AudioData, window: float | None, stride: float | None) -> Callable[[Path], NDArray[Any]]:
    """Windows of the model's own length; no other fits its positions."""
    own = data.frames * FRAME_SHIFT_S
    if window is not None and frames_in(window, 1 / FRAME_SHIFT_S, "window") != data.frames:
        raise InputError("window", f"{own:g} seconds, the model's own length", f"{window:g}", "leave it out")
    step = data.frames if stride is None else frames_in(stride, 1 / FRAME_SHIFT_S, "stride")
    reader = AudioReader(data)
    return lambda path: reader.windows(path, step)


def _draw(axes: Any, frames_1TF: NDArray[Any], original_1TF: NDArray[Any], data: AudioData) -> None:
    plane_TF, whole_TF = (values.reshape(values.shape[-2:]) for values in (frames_1TF, original_1TF))
    axes.set_facecolor("0.6")
    extent = (0.0, len(plane_TF) * FRAME_SHIFT_S, 0, data.mels)
    low, high = float(whole_TF.min()), float(whole_TF.max())
    axes.imshow(plane_TF.T, origin="lower", aspect="auto", vmin=low, vmax=high, extent=extent, cmap="magma")
    axes.set_xlabel("s", fontsize=8)
    axes.set_ylabel("mel bin", fontsize=8)


def _pixels(frames_TF: NDArray[Any], data: AudioData) -> NDArray[np.uint8]:
    return heat_map(frames_TF.reshape(frames_TF.shape[-2:]).T[::-1])


def _raw(data: AudioData, values: Tensor) -> Tensor:
    return values * (2 * data.std) + data.mean


def _expected(data: AudioData) -> str:
    style = {"kaldi": "Kaldi-style", "whisper": "Whisper's"}[data.spectrogram]
    return (
        f"{style} log-mel frames (25 ms every 10 ms, {data.mels} bins) of {data.sample_rate_hz} Hz sound,"
        f" padded or cut to {data.frames} frames"
    )


def _normalisation(data: AudioData) -> str:
    return f"(x - {data.mean}) / {2 * data.std}"


AUDIO = Modality[AudioData, AudioAugment, AudioPatches](
    sections=SECTIONS,
    suffixes=SUFFIXES,
    containers=CONTAINERS,
    content="recordings",
    sets=AUDIO_SETS,
    generated={"sounds": sounds},
    reader=AudioReader,
    folds=_folds,
    sample_shape=_sample_shape,
    scaling=_scaling,
    tokenizer=_tokenizer,
    augment=augment_frames,
    views=_views,
    windows=_windows,
    picture=Picture(draw=_draw, width=4.0, pixels=_pixels),
    export=Export(
        axes=("frame", "mel bin"), dtype=torch.float32, raw=_raw, expected=_expected, normalisation=_normalisation
    ),
    hub_task="audio-classification",
    recipes=audio.RECIPES,
    pretraining=audio.PRETRAINING,
)
