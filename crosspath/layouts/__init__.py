"""Where each role lives, family by family: tables, no logic. Of `LAYOUTS` the one that finds most roles is taken, the
earlier of equals.
"""

from crosspath.layouts.layout import ATTENTION_ROLES, MLP_ROLES, ROLES, Layout, Place, Role
from crosspath.layouts.open_clip import OPEN_CLIP_TOWER
from crosspath.layouts.timm import TIMM_BLOCKS
from crosspath.layouts.torch import (
    TORCH_ATTENTION,
    TORCH_ENCODER,
    TORCH_ENCODER_LAYER,
    TORCH_SPLIT_ATTENTION,
    TORCHVISION_VIT,
)
from crosspath.layouts.transformers import (
    TRANSFORMERS_BERT,
    TRANSFORMERS_CLIP,
    TRANSFORMERS_DINOV2,
    TRANSFORMERS_VIDEOMAE,
    TRANSFORMERS_VIT,
    TRANSFORMERS_WAV2VEC2,
    TRANSFORMERS_WHISPER,
)

LAYOUTS: tuple[Layout, ...] = (
    TIMM_BLOCKS,
    TORCHVISION_VIT,
    TRANSFORMERS_VIT,
    TRANSFORMERS_DINOV2,
    TRANSFORMERS_VIDEOMAE,
    TRANSFORMERS_BERT,
    TRANSFORMERS_WAV2VEC2,
    TRANSFORMERS_CLIP,
    TRANSFORMERS_WHISPER,
    OPEN_CLIP_TOWER,
    TORCH_ENCODER,
    TORCH_ENCODER_LAYER,
    TORCH_ATTENTION,
    TORCH_SPLIT_ATTENTION,
)

__all__ = ["ATTENTION_ROLES", "LAYOUTS", "MLP_ROLES", "ROLES", "Layout", "Place", "Role"]
