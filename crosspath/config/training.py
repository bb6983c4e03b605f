"""The sections that say how a model is trained and judged."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from crosspath.config.kinds import check_mask
from crosspath.config.section import Section

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Decay = Annotated[float, Field(gt=0.0, le=1.0)]


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


class DetectionSection(Section):
    """Detection: the detector of torchvision on the encoder's feature pyramid. Its weights are the model's head."""

    detector: Literal["retinanet", "faster_rcnn"] = "retinanet"
    """`retinanet`: one stage, without draws, which suits small models and processors. `faster_rcnn`: two, as in the
    published results."""
    channels: PositiveInt = 256
    """Of the pyramid and the detector's convolutions."""
    detections: PositiveInt = 100
    """The most of a picture; COCO's average precision counts 100."""


class SegmentationSection(Section):
    """Semantic segmentation: the decoder that reads the encoder's tokens. Its weights are the model's head."""

    decoder: Literal["linear", "upernet"] = "upernet"
    """`linear`: one linear layer on the last tokens. `upernet`: a pyramid of four blocks' tokens, as published."""
    decoder_width: PositiveInt = 512
    """Channels of `upernet`."""
    auxiliary_weight: NonNegativeFloat = 0.4
    """Share of the auxiliary classifier's loss, which `upernet` trains beside its own."""


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
    regression_loss: Literal["mse", "huber"] = "mse"
    """Of the objective `regression`, in standard deviations of each column: the squared error, or Huber's, which is
    linear beyond one, so that outliers weigh less."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Of classes; numbers are not smoothed."""
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
    pictures: bool = True
    """Whether the run ends with pictures of held-out samples; trials of a search, which nobody looks at, have none."""
    batch_size: PositiveInt = 256
    """Samples read at once, at most: a processor reads fewer, which is faster there."""
    segments: PositiveInt = 1
    """Video test: clips along the time of each video; probabilities are averaged over clips and crops."""
    crops: PositiveInt = 1
    """Video test: square crops along the long side of each clip."""
    votes: PositiveInt = 1
    """Point test: logits are averaged over this many random subsets, each scaled and shifted."""
