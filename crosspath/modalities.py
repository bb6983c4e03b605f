"""The one table of modalities: tokenizer, the shape of a sample, and the files `predict` reads.

A new modality is a tokenizer file, a data file, a recipe file and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.data import AudioData, ImageData, PointData, TextData, VideoData
from crosspath.data.readers import audio, image, points, video


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One row."""

    tokenizer: str
    """The kind of `model.tokenizer`."""
    files: tuple[str, ...]
    """Suffixes of the files that `predict` accepts."""
    sample_shape: Callable[[Recipe], tuple[int, ...]]
    """Shape of one prepared sample, without the batch."""


def _image_shape(recipe: Recipe) -> tuple[int, ...]:
    assert isinstance(recipe.data, ImageData)
    return (3, recipe.data.image_size, recipe.data.image_size)


def _audio_shape(recipe: Recipe) -> tuple[int, ...]:
    assert isinstance(recipe.data, AudioData)
    return (recipe.data.frames, recipe.data.mels)


def _point_shape(recipe: Recipe) -> tuple[int, ...]:
    assert isinstance(recipe.data, PointData)
    return (recipe.data.points, 3)


def _video_shape(recipe: Recipe) -> tuple[int, ...]:
    assert isinstance(recipe.data, VideoData)
    return (3, recipe.data.frames, recipe.data.image_size, recipe.data.image_size)


def _text_shape(recipe: Recipe) -> tuple[int, ...]:
    assert isinstance(recipe.data, TextData)
    return (recipe.data.length,)


MODALITIES: dict[str, Modality] = {
    "image": Modality(
        tokenizer="image_patches",
        files=image.SUFFIXES,
        sample_shape=_image_shape,
    ),
    "audio": Modality(
        tokenizer="audio_patches",
        files=audio.SUFFIXES,
        sample_shape=_audio_shape,
    ),
    "point": Modality(
        tokenizer="point_groups",
        files=points.SUFFIXES,
        sample_shape=_point_shape,
    ),
    "video": Modality(
        tokenizer="video_tubelets",
        files=video.SUFFIXES,
        sample_shape=_video_shape,
    ),
    "text": Modality(
        tokenizer="text_tokens",
        files=(),
        sample_shape=_text_shape,
    ),
}


def generated_batch(recipe: Recipe, count: int, seed: int = 0) -> Tensor:
    """`count` random samples (count, *sample shape) in the range of prepared data, the same for the same seed.

    For checks that need some input and no meaning: equality of outputs, cost, a first step.
    """
    shape = MODALITIES[recipe.modality].sample_shape(recipe)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(recipe.data, TextData):
        return torch.randint(recipe.data.vocabulary, (count, *shape), generator=generator)
    return torch.rand((count, *shape), generator=generator) * 2 - 1
