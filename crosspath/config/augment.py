"""The `augment` section: what training alters in a sample. One class a modality."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, SerializeAsAny

from crosspath.config.kinds import typed_augment
from crosspath.config.section import Section

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
DropShare = Annotated[float, Field(ge=0.0, lt=1.0)]


class Mixing(NamedTuple):
    """How prepared samples of a batch are mixed with each other; the Beta parameters are off at 0."""

    mixup: float = 0.0
    cutmix: float = 0.0
    chance: float = 1.0
    """That a sample is mixed at all."""


class AugmentSection(Section):
    """What training alters in a sample; one subclass a modality."""

    modality: str

    @property
    def mixing(self) -> Mixing:
        """How the samples of a batch are mixed."""
        return Mixing()

    @property
    def dropped_rows(self) -> tuple[float, ...]:
        """Shares of the rows of tokens, along each axis of their grid, that training leaves out; none by default."""
        return ()

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """The settings with which training alters nothing; empty where samples differ from epoch to epoch whatever the
        settings say: the points drawn of a larger cloud, the frames of a streamed film."""
        return {}

    @property
    def alters(self) -> bool:
        """Whether samples, or their mixtures, differ from epoch to epoch."""
        nothing = self.nothing()
        return not nothing or any(getattr(self, name) != value for name, value in nothing.items())


class ImageAugment(AugmentSection):
    """Applied to whole batches on the device, seeded per sample."""

    modality: Literal["image"] = "image"
    crop_padding: NonNegativeInt = 4
    """Pixels of reflection padding from which a crop of the old size is drawn."""
    resized_crop: tuple[Share, Share] | None = None
    """A random part of the picture, its share of the area in this range and its sides in a ratio of 3:4 to 4:3,
    resized (bicubic) to the image size; instead of `crop_padding`."""
    scale_jitter: tuple[PositiveFloat, PositiveFloat] | None = None
    """Of pictures with boxes: resized by a factor in this range, and a random window of what is larger; published is
    0.1 to 2."""
    flip: Probability = 0.5
    resize_range: tuple[PositiveFloat, PositiveFloat] | None = None
    """Segmentation: each picture is resized by a factor drawn from this range before a square of the image size is cut
    out of it."""
    distort_colours: bool = False
    """Segmentation: brightness, contrast, saturation and hue change, each with a chance of one half, as published."""
    rand_augment: str | None = None
    """timm's name of a RandAugment policy, such as `rand-m9-mstd0.5-inc1`."""
    erasing: Probability = 0.0
    """Chance that a random box is replaced by noise, a value a pixel."""
    mixup: NonNegativeFloat = 0.0
    """Beta parameter; 0 is off. With both mixup and cutmix on, each batch uses one of them."""
    cutmix: NonNegativeFloat = 0.0

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """The settings with which training alters nothing."""
        return {
            "crop_padding": 0,
            "resized_crop": None,
            "scale_jitter": None,
            "flip": 0.0,
            "resize_range": None,
            "distort_colours": False,
            "rand_augment": None,
            "erasing": 0.0,
            "mixup": 0.0,
            "cutmix": 0.0,
        }

    @property
    def mixing(self) -> Mixing:
        """Mixup and cutmix, one of them a batch."""
        return Mixing(self.mixup, self.cutmix)


class AudioAugment(AugmentSection):
    """On log-mel frames."""

    modality: Literal["audio"] = "audio"
    roll: bool = True
    """Roll in time by a uniform number of frames."""
    gain: NonNegativeFloat = 0.5
    """Largest change of loudness, in natural-log units, added to all frames."""
    time_mask: NonNegativeInt = 48
    """Longest masked run of frames."""
    mel_mask: NonNegativeInt = 16
    """Widest masked band of mel bins."""
    mixup: NonNegativeFloat = 0.0
    mixup_probability: Probability = 1.0
    """Chance that a sample is mixed at all."""
    waveform: bool = False
    """Roll, gain (Beta(10, 10) + 0.5, a factor) and mixup act on the waveform, as published; needs `data.stream`."""
    patch_drop: tuple[DropShare, DropShare] = (0.0, 0.0)
    """Shares of the rows of patches in time and in mel bins that training drops, drawn for each sample and epoch."""

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """The settings with which training alters nothing."""
        return {
            "roll": False,
            "gain": 0.0,
            "time_mask": 0,
            "mel_mask": 0,
            "mixup": 0.0,
            "waveform": False,
            "patch_drop": (0.0, 0.0),
        }

    @property
    def mixing(self) -> Mixing:
        """Mixup of frames; with `waveform` recordings were mixed before they became frames."""
        return Mixing(0.0 if self.waveform else self.mixup, chance=self.mixup_probability)

    @property
    def dropped_rows(self) -> tuple[float, ...]:
        """As `patch_drop` says."""
        return self.patch_drop if any(self.patch_drop) else ()


class PointAugment(AugmentSection):
    """On coordinates."""

    modality: Literal["point"] = "point"
    scale: tuple[PositiveFloat, PositiveFloat] = (2 / 3, 3 / 2)
    """Range of the factor of each axis."""
    shift: NonNegativeFloat = 0.2
    """Largest shift along each axis."""
    resample: Literal["random", "farthest"] = "random"
    """How `data.points` of `data.stored_points` are drawn: a random subset; or, as published, a random subset of a
    farthest-point sample that is a sixth larger."""
    jitter_std: NonNegativeFloat = 0.0


class VideoAugment(AugmentSection):
    """The same crop and flip for all frames of a clip."""

    modality: Literal["video"] = "video"
    crop_padding: NonNegativeInt = 4
    resized_crop: tuple[Share, Share] | None = None
    """As for images."""
    multi_scale_crop: bool = False
    """A crop of 1, 0.875, 0.75 or 0.66 of the short side at one of five places, resized: published pretraining."""
    flip: Probability = 0.0
    rand_augment: str | None = None
    """As for images."""
    erasing: Probability = 0.0
    """As for images; the same box in every frame."""
    brightness: NonNegativeFloat = 0.0
    """Largest relative change of brightness."""
    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0

    @property
    def mixing(self) -> Mixing:
        """Mixup and cutmix, one of them a batch."""
        return Mixing(self.mixup, self.cutmix)


class TextAugment(AugmentSection):
    """On token numbers."""

    modality: Literal["text"] = "text"
    redraw: bool = False
    """`dyck` only: every epoch draws new training sequences, by the same rule."""

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """The settings with which training alters nothing."""
        return {"redraw": False}


class SeriesAugment(AugmentSection):
    """On scaled values."""

    modality: Literal["series"] = "series"
    warp: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """How far the pace of time changes within a series: at most by this share, smoothly, both ends fixed."""
    scale_std: NonNegativeFloat = 0.1
    """Of the factor of each channel, whose mean is 1."""
    jitter_std: NonNegativeFloat = 0.03
    """Of the normal noise on each value."""
    time_mask: NonNegativeInt = 0
    """Longest run of values, in all channels, that is set to 0, the mean."""
    mixup: NonNegativeFloat = 0.0
    """Beta parameter; 0 is off."""

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """The settings with which training alters nothing."""
        return {"warp": 0.0, "scale_std": 0.0, "jitter_std": 0.0, "time_mask": 0, "mixup": 0.0}

    @property
    def mixing(self) -> Mixing:
        """Mixup."""
        return Mixing(self.mixup)


Augment = Annotated[SerializeAsAny[AugmentSection], BeforeValidator(typed_augment)]
"""Of the class that its `modality` names."""
