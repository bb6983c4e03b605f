"""Tokens to predictions: one encoder for every modality, its heads, and the model a recipe describes."""

from crosspath.models.build import build_model
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead, Pooling
from crosspath.models.modality_model import ModalityModel
from crosspath.models.sizes import SIZES, Size

__all__ = ["SIZES", "ClassificationHead", "Encoder", "ModalityModel", "Pooling", "Size", "build_model"]
