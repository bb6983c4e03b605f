"""Clips: frames of a film, as RGB squares over time (3, T, S, S)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.augment import VideoAugment
from crosspath.config.data import VideoData
from crosspath.config.model import VideoTubelets
from crosspath.config.shipped import VIDEO as SECTIONS
from crosspath.data.examples import Examples
from crosspath.data.places import VIDEO_SETS
from crosspath.data.readers.video import CONTAINERS, SUFFIXES, VideoReader
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.data.views.augment import augment_clips
from crosspath.data.views.frame_views import augment_pictures
from crosspath.data.views.normalise import normalised_batch
from crosspath.errors import InputError
from crosspath.modalities.colours import (
    colour_levels,
    colour_normalisation,
    colour_pixels,
    colour_scaling,
    draw_colours,
    expected_colours,
)
from crosspath.modalities.modality import Export, LogitsOf, Modality, Picture, SeveralViews
from crosspath.recipes import video
from crosspath.tokenizers import VideoTokenizer
from crosspath.tokenizers.patches import PositionKind

FRAMES = 4
"""Of a clip, in its picture."""


def _tokenizer(section: VideoTubelets, data: VideoData, width: int, positions: PositionKind) -> VideoTokenizer:
    return VideoTokenizer(data.frames, data.image_size, section.patch, width, positions=positions)


def _sample_shape(data: VideoData) -> tuple[int, ...]:
    return (3, data.frames, data.image_size, data.image_size)


def _pixels(clip_CTHW: NDArray[Any], data: VideoData) -> NDArray[np.uint8]:
    """Frames from first to last, side by side."""
    times = np.linspace(0, clip_CTHW.shape[1] - 1, FRAMES).round().astype(int)
    return np.concatenate([colour_pixels(clip_CTHW[:, time], data) for time in times], axis=1)


def _windows(data: VideoData, window: float | None, stride: float | None) -> Callable[[Path], NDArray[Any]]:
    """Clips of `window` seconds; of the recipe's own length where it takes frames that are `frame_step` apart."""
    if window is None and data.sampling != "dense":
        expected = "seconds, since clips of this model are spread over a whole film"
        raise InputError("window", expected, "none", "add --window SECONDS")
    reader = VideoReader(data)
    return lambda path: reader.windows(path, window, stride)


def clips_and_crops(recipe: Recipe) -> SeveralViews | None:
    """Over clips and crops of each video the logarithm of the mean probability (B, K), VideoMAE's test protocol; of
    numbers the mean, and of several labels the logit of the mean probability.

    Views are cut from the files: a recipe with several has a streamed set.
    """
    segments, crops, data = recipe.evaluate.segments, recipe.evaluate.crops, recipe.data
    assert isinstance(data, VideoData)
    if segments * crops == 1:
        return None

    def logits(examples: Examples, rows: NDArray[Any], device: torch.device, logits_of: LogitsOf) -> Tensor:
        assert isinstance(examples.inputs, StreamedSamples)
        reader = examples.inputs.reader
        assert isinstance(reader, VideoReader)
        views = examples.inputs.decode_rows(rows, lambda item: reader.views(item, segments, crops))
        count, each = views.shape[:2]
        batch = normalised_batch(views.reshape(count * each, *views.shape[2:]), colour_scaling(data), device)
        outputs_BVK = logits_of(batch).view(count, each, -1).double()
        if data.label_kind == "numbers":
            return outputs_BVK.mean(dim=1).float()
        if data.several_labels:
            return outputs_BVK.sigmoid().mean(dim=1).logit(eps=1e-15).float()
        return outputs_BVK.softmax(dim=2).mean(dim=1).clamp_min(1e-30).log().float()

    return SeveralViews(segments * crops, logits)


VIDEO = Modality[VideoData, VideoAugment, VideoTubelets](
    sections=SECTIONS,
    suffixes=SUFFIXES,
    containers=CONTAINERS,
    content="clips",
    sets=VIDEO_SETS,
    reader=VideoReader,
    sample_shape=_sample_shape,
    scaling=colour_scaling,
    tokenizer=_tokenizer,
    before_batch=augment_pictures,
    augment=augment_clips,
    windows=_windows,
    protocol=clips_and_crops,
    picture=Picture(draw=draw_colours, frames=FRAMES, pixels=_pixels),
    export=Export(
        axes=("channel", "frame", "row", "column"),
        dtype=torch.uint8,
        raw=colour_levels,
        expected=expected_colours,
        normalisation=colour_normalisation,
    ),
    hub_task="video-classification",
    recipes=video.RECIPES,
    pretraining=video.PRETRAINING,
)
