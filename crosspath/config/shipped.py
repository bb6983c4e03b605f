"""The sections of the shipped modalities, and the rules by which they have to agree."""

from typing import Any

from crosspath.config.augment import AudioAugment, ImageAugment, PointAugment, SeriesAugment, TextAugment, VideoAugment
from crosspath.config.data import AudioData, ImageData, PointData, SeriesData, TextData, VideoData
from crosspath.config.kinds import Sections
from crosspath.config.model import (
    AudioPatches,
    ImagePatches,
    PointGroups,
    SeriesPatches,
    TextTokens,
    VideoTubelets,
)
from crosspath.config.use import Use

WHISPER_RATE_HZ = 16_000


def _image_rules(recipe: Any) -> None:
    for name in ("resize_range", "distort_colours"):
        if getattr(recipe.augment, name) and recipe.objective != "segmentation":
            raise ValueError(f"augment.{name} alters pictures with masks: it goes with objective=segmentation")
    if recipe.objective == "detection":
        _detection_rules(recipe)
        return
    if recipe.augment.scale_jitter is not None:
        raise ValueError("augment.scale_jitter moves pictures with boxes: it goes with objective=detection")
    if recipe.data.dataset in ("coco", "shapes") and recipe.masking is None:
        raise ValueError(
            f"data.dataset={recipe.data.dataset} has boxes: it goes with objective=detection or masked_modeling"
        )
    if recipe.objective == "segmentation":
        _segmentation_rules(recipe)
    elif recipe.data.dataset in ("ade20k", "scenes") and recipe.masking is None:
        raise ValueError(
            f"data.dataset={recipe.data.dataset} has masks: it goes with objective=segmentation or masked_modeling"
        )


def _segmentation_rules(recipe: Any) -> None:
    augment, data = recipe.augment, recipe.data
    for name, value in (("resized_crop", augment.resized_crop), ("rand_augment", augment.rand_augment)):
        if value is not None:
            raise ValueError(f"augment.{name} moves pictures without their masks: use augment.resize_range")
    if data.dataset not in ("ade20k", "scenes", "folder"):
        raise ValueError(f"data.dataset={data.dataset} has no masks: segmentation reads ade20k, scenes and folder")
    if data.dataset != "scenes" and not data.stream:
        raise ValueError("segmentation reads pictures at their own sizes: it goes with data.stream=true")


def _detection_rules(recipe: Any) -> None:
    augment, data = recipe.augment, recipe.data
    for name in ("crop_padding", "resized_crop", "rand_augment", "mixup", "cutmix"):
        if getattr(augment, name):
            off = augment.nothing()[name]
            raise ValueError(f"augment.{name} moves pictures without their boxes: leave it at {off}")
    if data.dataset not in ("coco", "shapes", "folder"):
        raise ValueError(f"data.dataset={data.dataset} has no boxes: detection reads coco, shapes and folder")
    for name, value in (("resize", data.resize), ("multi_label", data.multi_label)):
        if value:
            raise ValueError(f"data.{name} means nothing for boxes: leave it out")


def _audio_rules(recipe: Any) -> None:
    if recipe.augment.waveform and not recipe.data.stream:
        raise ValueError("augment.waveform acts on recordings as they are read: it goes with data.stream=true")
    if recipe.data.spectrogram == "whisper" and recipe.data.sample_rate_hz != WHISPER_RATE_HZ:
        raise ValueError(f"data.spectrogram=whisper goes with data.sample_rate_hz={WHISPER_RATE_HZ}")
    if recipe.model.tokenizer.stem == "convolutions" and any(recipe.augment.patch_drop):
        raise ValueError("augment.patch_drop drops rows of patches: it goes with model.tokenizer.stem=patches")


def _video_rules(recipe: Any) -> None:
    if recipe.evaluate.segments * recipe.evaluate.crops > 1 and not recipe.data.stream:
        raise ValueError("several views of a video (evaluate.segments, evaluate.crops) need data.stream=true")


def _series_rules(recipe: Any) -> None:
    data, group = recipe.data, recipe.model.tokenizer.channels_per_group
    if group is not None and data.channels is not None and data.channels % group:
        raise ValueError(
            f"model.tokenizer.channels_per_group is {group}, which does not divide the {data.channels} channels"
        )
    if (data.mean is None) != (data.std is None):
        raise ValueError("data.mean and data.std go together: give both or neither")
    for name in ("mean", "std"):
        values = getattr(data, name)
        if values is not None and data.channels is not None and len(values) != data.channels:
            raise ValueError(f"data.{name} has {len(values)} values, and there are {data.channels} channels")


def _text_rules(recipe: Any) -> None:
    brackets = recipe.data.dataset == "dyck"
    if recipe.augment.redraw and not brackets:
        raise ValueError("augment.redraw draws new brackets: it goes with data.dataset=dyck")
    if recipe.masking is not None and (recipe.masking.kind == "closers") != brackets:
        raise ValueError(f"masking.kind of {recipe.data.dataset} is {'closers' if brackets else 'words'}")


IMAGE = Sections(modality="image", data=ImageData, augment=ImageAugment, tokenizer=ImagePatches, rules=_image_rules)
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
    uses=(
        Use(("data.category", "data.level"), "data.dataset", ("partnet",)),
        Use(("augment.resample",), "data.stored_points", never=(None,)),
    ),
    reads=("evaluate.votes",),
    ignores=("masking.normalise_targets",),
)
VIDEO = Sections(
    modality="video",
    data=VideoData,
    augment=VideoAugment,
    tokenizer=VideoTubelets,
    masks=("random", "tube"),
    uses=(
        Use(("data.slot", "data.span"), "data.dataset", ("grid",)),
        Use(("data.frame_step",), "data.sampling", ("dense",)),
    ),
    reads=("evaluate.segments", "evaluate.crops"),
    rules=_video_rules,
)
TEXT = Sections(
    modality="text",
    data=TextData,
    augment=TextAugment,
    tokenizer=TextTokens,
    masks=("closers", "words"),
    uses=(Use(("data.kinds", "data.open_probability", "data.max_depth"), "data.dataset", ("dyck",)),),
    ignores=(
        "masking.normalise_targets",
        "masking.decoder_width",
        "masking.decoder_depth",
        "masking.decoder_heads",
    ),
    rules=_text_rules,
)
SERIES = Sections(
    modality="series",
    data=SeriesData,
    augment=SeriesAugment,
    tokenizer=SeriesPatches,
    uses=(
        Use(("data.file_rate_hz",), "data.rate_hz", never=(None,)),
        Use(("data.id_column",), "data.table", never=(None,)),
    ),
    rules=_series_rules,
)
