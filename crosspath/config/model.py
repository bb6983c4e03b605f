"""The `model` section: tokenizer, encoder and head, by name and number."""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
)

from crosspath.config.kinds import typed_tokenizer
from crosspath.config.section import Section

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]


class TokenizerSection(Section):
    """How a sample becomes tokens; one subclass a modality."""

    kind: str


class ImagePatches(TokenizerSection):
    """A two-dimensional convolution whose stride is its kernel."""

    kind: Literal["image_patches"] = "image_patches"
    patch: tuple[PositiveInt, PositiveInt] = (4, 4)
    """Height and width in pixels."""


class AudioPatches(TokenizerSection):
    """Patches of the (frames, mels) plane; time is the height."""

    kind: Literal["audio_patches"] = "audio_patches"
    patch: tuple[PositiveInt, PositiveInt] = (16, 16)
    """Frames and mel bins."""
    stem: Literal["patches", "convolutions"] = "patches"
    """`convolutions`: two over time, as in Whisper, instead of patches; one token for every two frames."""


class VideoTubelets(TokenizerSection):
    """A three-dimensional convolution whose stride is its kernel."""

    kind: Literal["video_tubelets"] = "video_tubelets"
    patch: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 14, 14)
    """Frames, height and width."""


class PointGroups(TokenizerSection):
    """Farthest-point centres, their nearest neighbours, and a small PointNet for each group."""

    kind: Literal["point_groups"] = "point_groups"
    groups: PositiveInt = 64
    group_size: PositiveInt = 32


class TextTokens(TokenizerSection):
    """A table with one row for each token of the vocabulary."""

    kind: Literal["text_tokens"] = "text_tokens"
    embedding: Literal["learned", "frozen"] = "learned"
    """`frozen`: random rows that never learn, so that the encoder holds all that is learned."""
    token_type: bool = False
    """A learned row that is added to every token, as the first token type of BERT."""


class SeriesPatches(TokenizerSection):
    """Runs of values of a group of channels; all groups share one projection."""

    kind: Literal["series_patches"] = "series_patches"
    patch: PositiveInt = 16
    """Values along time."""
    channels_per_group: PositiveInt | None = None
    """Channels of a token; all of them when not given."""


Tokenizer = Annotated[SerializeAsAny[TokenizerSection], BeforeValidator(typed_tokenizer)]
"""Of the class that its `kind` names."""


class ModelSection(Section):
    """One encoder for every modality; the tokenizer differs."""

    size: Literal["micro", "tiny", "small", "base", "large", "huge"] = "micro"
    """micro: 128 wide, 6 blocks, 4 heads; the others as in ViT."""
    width: PositiveInt | None = None
    """Of tokens and blocks; the size's own when not given, as the three below."""
    depth: PositiveInt | None = None
    """Blocks."""
    heads: PositiveInt | None = None
    """Attention heads (the published point body has 6 at any width)."""
    mlp_width: PositiveInt | None = None
    """Hidden units of each mlp; four times the width when not given."""
    tokenizer: Tokenizer
    positions: Literal["sincos", "learned", "centres"] = "sincos"
    """Fixed sine-cosine, learned, or (points) a small network on the group centres."""
    position_every_block: bool = False
    """Add positions before every block (the published point body) instead of once."""
    qkv_bias: bool = True
    norm_eps: PositiveFloat = 1e-6
    activation: Literal["gelu", "gelu_tanh", "quick_gelu", "relu"] = "gelu"
    layer_scale: PositiveFloat | None = None
    """Initial value of a learned factor for each channel of what attention and mlp give; none when null."""
    post_norm: bool = False
    """Blocks normalise the sums (BERT) instead of what attention and mlp read."""
    embedding_norm: bool = False
    """A norm before the first block (BERT, CLIP)."""
    registers: NonNegativeInt = 0
    """Learned tokens beside the class token, which no head reads."""
    drop_path: Probability = 0.0
    """Stochastic depth of the last block; earlier blocks grow linearly towards it."""
    pooling: Literal["mean", "cls", "cls+max"] = "mean"
    cls_token: bool = False
    """A class token that the mean leaves out, as in fine-tuned MAE models; other poolings have one anyway."""
    fc_norm: bool | None = None
    """Normalise what was pooled instead of the encoder's features; when not given, where the mean is pooled."""
    head_hidden: tuple[PositiveInt, ...] = ()
    """Widths of hidden head layers; empty means one linear layer."""
    head_dropout: Probability = 0.0
    head_init_std: NonNegativeFloat = 0.02
    head_batch_norm: bool = False
    """Batch normalisation without weights before the linear layer: the published linear probe."""
    gradient_checkpointing: bool = False

    @property
    def normalises_after_pooling(self) -> bool:
        """Whether the last norm is the head's, not the encoder's."""
        return self.pooling == "mean" if self.fc_norm is None else self.fc_norm
