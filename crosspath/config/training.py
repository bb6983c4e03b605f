"""The sections that say how a model is trained and judged."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)

from crosspath.config.kinds import check_mask, typed_augment
from crosspath.config.layout import OneLayout, SomeLayouts
from crosspath.config.section import Section
from crosspath.config.starts import check_start, fill_section

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Decay = Annotated[float, Field(gt=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Dropped = Annotated[float, Field(ge=0.0, lt=1.0)]


class PathwaySection(Section):
    """The keywords of `crosspath.connect`; see there for their meaning."""

    start: Annotated[str | None, BeforeValidator(check_start)] = None
    """A way to start by its name, such as `whole-body`: `scale_init`, `shrink`, `train_auxiliary` and
    `optimizer.auxiliary_lr` are then its own where they are not given."""
    roles: Literal["all", "attention", "mlp"] | tuple[str, ...] = "all"
    names: str | tuple[str, ...] | None = None
    blocks: Literal["same", "reversed", "spread", "repeat"] | Mapping[int, int] = "same"
    accept: tuple[str, ...] = ()
    fit: Literal["slice", "average", "spectra", "learned"] | None = None
    """How an auxiliary of another depth, width, head count or mlp is brought to the target's shape."""
    scale_init: float = 0.0
    scale_per: Literal["layer", "role", "head", "channel"] = "layer"
    train_scale: bool = True
    train_auxiliary: bool = True
    bias: bool = False
    canonical: bool = False
    normalise: Literal["rms"] | None = None
    target_layout: OneLayout = None
    """Of a model that is not recognised automatically: a shipped layout's name (or `name`, `heads` and `order`), or a
    table of one's own, with the fields of `crosspath.Layout`."""
    auxiliary_layout: SomeLayouts = None
    """As `target_layout`; for several auxiliaries also {auxiliary's name: layout}."""
    shrink: PositiveFloat = 1.0
    """Every W that gets a pathway is multiplied by this once, before it does: with a λ that starts near 1, the size of
    W + λW' then stays near that of a usual start."""

    @model_validator(mode="before")
    @classmethod
    def _fill_start(cls, values: Any) -> Any:
        return fill_section(values)


class OptimizerSection(Section):
    """AdamW, or LARS for probes. The scales λ have no weight decay and no layer decay."""

    name: Literal["adamw", "lars"] = "adamw"
    lr: PositiveFloat = 1e-3
    lr_per_samples: PositiveInt | None = None
    """`lr` is per this many samples of a batch (256 in the published recipes): the rate used is
    `lr * train.batch_size / lr_per_samples`, `scale_lr` and `auxiliary_lr` likewise; `schedule.min_lr` is a rate as it
    stands."""
    momentum: Beta = 0.9
    """LARS only."""
    trust: PositiveFloat = 0.001
    """LARS only: the trust coefficient of weights with two axes or more."""
    weight_decay: NonNegativeFloat = 0.05
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    layer_decay: Decay | None = None
    scale_lr: NonNegativeFloat | None = None
    """Learning rate of λ; the same as `lr` when not given."""
    auxiliary_lr: NonNegativeFloat | None = None
    """Learning rate of W'; that of its W when not given."""
    clip_norm: PositiveFloat | None = 1.0


class ScheduleSection(Section):
    """Linear warm-up, then half a cosine, evaluated at every step."""

    warmup_epochs: NonNegativeFloat = 2.0
    min_lr: NonNegativeFloat = 1e-6


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
        """The settings with which training alters nothing; empty where there are none."""
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
    flip: Probability = 0.5
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
            "flip": 0.0,
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
    patch_drop: tuple[Dropped, Dropped] = (0.0, 0.0)
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

    @property
    def mixing(self) -> Mixing:
        """Mixup."""
        return Mixing(self.mixup)


Augment = Annotated[SerializeAsAny[AugmentSection], BeforeValidator(typed_augment)]
"""Of the class that its `modality` names."""


class MaskingSection(Section):
    """Masked modelling: what is hidden, and the decoder that reconstructs it."""

    ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.75
    """Share of the tokens that the encoder does not see; of the closing brackets with `closers`."""
    kind: Annotated[str, BeforeValidator(check_mask)] = "random"
    """`tube`: the same places in every frame (video). `block`: the centres nearest to a random one (points).
    `time_frequency`: whole rows in time and in mel bins (audio). `closers`: closing brackets, in whose places the
    encoder sees a mask token. `words`: tokens of a text, of which as in BERT 80 % become the mask token, 10 % any other
    and 10 % stay. For these two the settings below are not used, since there is no decoder (text)."""
    time_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.7
    """`time_frequency` only, instead of `ratio`."""
    mel_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    """`time_frequency` only."""
    decoder_width: PositiveInt = 64
    decoder_depth: PositiveInt = 2
    decoder_heads: PositiveInt = 4
    normalise_targets: bool = True
    """Each token's own mean and standard deviation are removed from its target; points are predicted as they are."""


class TrainSection(Section):
    """Length, batch, seed, precision, and which checkpoints are kept."""

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 64
    """Samples of one optimisation step, over all processes and accumulated parts."""
    accumulate: PositiveInt = 1
    """Parts in which a process computes its share of a batch: less memory, the same step."""
    repeats: PositiveInt = 1
    """Differently augmented views of each sample in an epoch (repeated sampling)."""
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """`balanced`: drawn with replacement, a sample's weight the sum over its labels of 1,000 / (their count + 0.01)."""
    samples_per_epoch: PositiveInt | None = None
    """Samples drawn an epoch with `balanced`; as many as there are when not given."""
    scope: Literal["all", "blocks", "head", "scales"] = "all"
    """`head`: only the head and the scales λ learn; the body and every W' stay as they are. `scales`: the same, as an
    adapter, best with `pathway.scale_per=channel`. `blocks`: the last `last_blocks` blocks and the encoder's last norm,
    too."""
    last_blocks: PositiveInt = 2
    """Of `scope=blocks`."""
    seed: Seed = 0
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Keep an exponential moving average of the weights; it is then what the run leaves behind."""
    select: Literal["last", "best"] = "last"
    """Leave the last epoch's weights, or those that read the validation part best."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 autocast where the processor computes in it, else float32. `float16` scales its loss."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    parallel: Literal["replicated", "sharded"] = "replicated"
    """Over several processes: a full copy of the weights each (DDP), or a shard each (FSDP2)."""
    workers: NonNegativeInt = 2
    """Processes that decode samples when `data.stream` is on; their number changes no sample."""
    log_every: PositiveInt = 10
    """Steps between lines of `log.jsonl`."""
    loggers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)
    """Where metrics are logged besides `log.jsonl`."""
    evaluate_every: PositiveInt = 1
    """Epochs between readings of the validation part."""
    evaluate_from: PositiveInt = 1
    """First epoch after which the validation part is read."""
    checkpoint_every: PositiveInt | None = 1
    """Epochs between states to resume from; none when null."""
    checkpoint_steps: PositiveInt | None = None
    """Steps between such states, for epochs that take long."""
    keep_checkpoints: PositiveInt = 2
    """States kept, the newest."""


class EvaluateSection(Section):
    """How the held-out parts are read."""

    test: bool = True
    """Whether the test part is read at all; a search of settings leaves it alone."""
    batch_size: PositiveInt = 256
    """Samples read at once, at most: a processor reads fewer, which is faster there."""
    segments: PositiveInt = 1
    """Video test: clips along the time of each video; probabilities are averaged over clips and crops."""
    crops: PositiveInt = 1
    """Video test: square crops along the long side of each clip."""
    votes: PositiveInt = 1
    """Point test: logits are averaged over this many random subsets, each scaled and shifted."""
