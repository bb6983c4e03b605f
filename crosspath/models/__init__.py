"""Tokens to predictions: one encoder for every modality, its heads, and the model a recipe describes."""

from crosspath.models.build import build_masked_autoencoder, build_masked_model, build_model
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead, Pooling
from crosspath.models.masked_autoencoder import Decoder, MaskedAutoencoder, Reconstruction
from crosspath.models.masked_tokens import MaskedTokens
from crosspath.models.modality_model import ModalityModel
from crosspath.models.sizes import SIZES, Size
from crosspath.tokenizers import Mask

__all__ = [
    "SIZES",
    "ClassificationHead",
    "Decoder",
    "Encoder",
    "Mask",
    "MaskedAutoencoder",
    "MaskedTokens",
    "ModalityModel",
    "Pooling",
    "Reconstruction",
    "Size",
    "build_masked_autoencoder",
    "build_masked_model",
    "build_model",
]
