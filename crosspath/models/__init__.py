"""Tokens to predictions: one encoder for every modality, its heads, and the model a recipe describes."""

from crosspath.models.build import (
    build_detector,
    build_masked_autoencoder,
    build_masked_model,
    build_model,
    build_part_segmenter,
    build_pixel_segmenter,
)
from crosspath.models.dense_decoders import LinearDecoder, PyramidDecoder
from crosspath.models.detector import Detector
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead, Pooling
from crosspath.models.masked_autoencoder import Decoder, MaskedAutoencoder, Reconstruction
from crosspath.models.masked_tokens import MaskedTokens
from crosspath.models.modality_model import ModalityModel
from crosspath.models.part_segmentation import PartHead, PartSegmenter
from crosspath.models.pixel_segmentation import PixelSegmenter
from crosspath.models.sizes import SIZES, Size
from crosspath.tokenizers import Mask

__all__ = [
    "SIZES",
    "ClassificationHead",
    "Decoder",
    "Detector",
    "Encoder",
    "LinearDecoder",
    "Mask",
    "MaskedAutoencoder",
    "MaskedTokens",
    "ModalityModel",
    "PartHead",
    "PartSegmenter",
    "PixelSegmenter",
    "Pooling",
    "PyramidDecoder",
    "Reconstruction",
    "Size",
    "build_detector",
    "build_masked_autoencoder",
    "build_masked_model",
    "build_model",
    "build_part_segmenter",
    "build_pixel_segmenter",
]
