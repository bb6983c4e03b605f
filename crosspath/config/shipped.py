"""The sections of the shipped modalities, and the rules by which they have to agree."""

from typing import Any

from crosspath.config.data import AudioData, ImageData, PointData, TextData, VideoData
from crosspath.config.kinds import Sections
from crosspath.config.model import AudioPatches, ImagePatches, PointGroups, TextTokens, VideoTubelets
from crosspath.config.training import AudioAugment, ImageAugment, PointAugment, TextAugment, VideoAugment


def _audio_rules(recipe: Any) -> None:
    if recipe.augment.waveform and not recipe.data.stream:
        raise ValueError("augment.waveform acts on recordings as they are read: it goes with data.stream=true")


def _video_rules(recipe: Any) -> None:
    if recipe.evaluate.segments * recipe.evaluate.crops > 1 and not recipe.data.stream:
        raise ValueError("several views of a video (evaluate.segments, evaluate.crops) need data.stream=true")


IMAGE = Sections(modality="image", data=ImageData, augment=ImageAugment, tokenizer=ImagePatches)
AUDIO = Sections(
    modality="audio",
    data=AudioData,
    augment=AudioAugment,
    tokenizer=AudioPatches,
    masks=("random", "time_frequency"),
    rules=_audio_rules,
)
POINT = Sections(
    modality="point",
    data=PointData,
    augment=PointAugment,
    tokenizer=PointGroups,
    positions=("centres",),
    masks=("random", "block"),
)
VIDEO = Sections(
    modality="video",
    data=VideoData,
    augment=VideoAugment,
    tokenizer=VideoTubelets,
    masks=("random", "tube"),
    rules=_video_rules,
)
TEXT = Sections(modality="text", data=TextData, augment=TextAugment, tokenizer=TextTokens, masks=("closers",))
