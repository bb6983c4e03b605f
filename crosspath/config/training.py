"""The sections that say how a model is trained and judged."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from crosspath.config.section import Section

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Decay = Annotated[float, Field(gt=0.0, le=1.0)]


class PathwaySection(Section):
    """The keywords of `crosspath.connect`; see there for their meaning."""

    roles: Literal["all", "attention", "mlp"] | tuple[str, ...] = "all"
    names: str | tuple[str, ...] | None = None
    blocks: Literal["same", "reversed"] | Mapping[int, int] = "same"
    accept: tuple[str, ...] = ()
    scale_init: float = 0.0
    scale_per: Literal["layer", "role", "head", "channel"] = "layer"
    train_scale: bool = True
    train_auxiliary: bool = True
    bias: bool = False


class OptimizerSection(Section):
    """AdamW. The scales λ have no weight decay and no layer decay."""

    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.05
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    layer_decay: Decay | None = None
    scale_lr: NonNegativeFloat | None = None
    """Learning rate of λ; the same as `lr` when not given."""
    clip_norm: PositiveFloat | None = 1.0


class ScheduleSection(Section):
    """Linear warm-up, then half a cosine, evaluated at every step."""

    warmup_epochs: NonNegativeFloat = 2.0
    min_lr: NonNegativeFloat = 1e-6


class ImageAugment(Section):
    """Applied to whole batches on the device, seeded per sample."""

    modality: Literal["image"] = "image"
    crop_padding: NonNegativeInt = 4
    """Pixels of reflection padding from which a crop of the old size is drawn."""
    flip: Probability = 0.5
    mixup: NonNegativeFloat = 0.0
    """Beta parameter; 0 is off. With both mixup and cutmix on, each batch uses one of them."""
    cutmix: NonNegativeFloat = 0.0


class AudioAugment(Section):
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


class PointAugment(Section):
    """On coordinates."""

    modality: Literal["point"] = "point"
    scale: tuple[PositiveFloat, PositiveFloat] = (2 / 3, 3 / 2)
    """Range of the factor of each axis."""
    shift: NonNegativeFloat = 0.2
    """Largest shift along each axis."""
    jitter_std: NonNegativeFloat = 0.0


class VideoAugment(Section):
    """The same crop and flip for all frames of a clip."""

    modality: Literal["video"] = "video"
    crop_padding: NonNegativeInt = 4
    flip: Probability = 0.0
    brightness: NonNegativeFloat = 0.0
    """Largest relative change of brightness."""
    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0


Augment = Annotated[ImageAugment | AudioAugment | PointAugment | VideoAugment, Field(discriminator="modality")]


class TrainSection(Section):
    """Length, batch, seed and numbers."""

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 64
    seed: Seed = 0
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Keep an exponential moving average of the weights; it is then what the run leaves behind."""
    select: Literal["last", "best"] = "last"
    """Leave the last epoch's weights, or those with the best validation accuracy."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 autocast where the processor computes in it, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_every: PositiveInt = 10
    """Steps between lines of `log.jsonl`."""
    evaluate_every: PositiveInt = 1
    """Epochs between readings of the validation part."""
    checkpoint_every: PositiveInt | None = None
    """Epochs between checkpoints on the way; none when not given."""


class EvaluateSection(Section):
    """How the held-out parts are read."""

    batch_size: PositiveInt = 256
