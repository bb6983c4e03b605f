"""Raw tensors to tokens: image and audio patches, video tubelets, point groups, series and text, with their positions.

Every tokenizer is a `Tokenizer`: a module with `width` and `num_tokens` whose forward returns `Tokens`.
"""

from crosspath.tokenizers.audio import AudioTokenizer
from crosspath.tokenizers.convolutions import ConvolutionTokenizer
from crosspath.tokenizers.grouping import farthest_point_sample, nearest_neighbours
from crosspath.tokenizers.image import ImageTokenizer
from crosspath.tokenizers.points import PointTokenizer
from crosspath.tokenizers.positions import (
    fixed_positions,
    resize_positions,
    resize_positions_1d,
    resize_positions_2d,
    sincos_1d,
    sincos_2d,
)
from crosspath.tokenizers.series import SeriesTokenizer
from crosspath.tokenizers.text import TextTokenizer
from crosspath.tokenizers.tokens import (
    ChooseMask,
    Mask,
    MaskableTokenizer,
    MaskedView,
    Tokenizer,
    Tokens,
    select,
    select_tokens,
)
from crosspath.tokenizers.video import VideoTokenizer

__all__ = [
    "AudioTokenizer",
    "ChooseMask",
    "ConvolutionTokenizer",
    "ImageTokenizer",
    "Mask",
    "MaskableTokenizer",
    "MaskedView",
    "PointTokenizer",
    "SeriesTokenizer",
    "TextTokenizer",
    "Tokenizer",
    "Tokens",
    "VideoTokenizer",
    "farthest_point_sample",
    "fixed_positions",
    "nearest_neighbours",
    "resize_positions",
    "resize_positions_1d",
    "resize_positions_2d",
    "select",
    "select_tokens",
    "sincos_1d",
    "sincos_2d",
]
