"""Where each role is stored, family by family: tables, no logic.

The layout of `LAYOUTS` that explains most roles and biases of a model is used; of equal ones the first, so layouts with
stages come before those without. To add a family: a `Layout` in a file named after its library, listed here.
"""

from crosspath.layouts.gpt import (
    MEGATRON,
    NANOGPT,
    TRANSFORMERS_BLOOM,
    TRANSFORMERS_GPT2,
    TRANSFORMERS_GPT_NEOX,
)
from crosspath.layouts.layout import ATTENTION_ROLES, MLP_ROLES, NORMS, ORDERS, ROLES, Layout, Norm, Order, Place, Role
from crosspath.layouts.open_clip import OPEN_CLIP_TOWER
from crosspath.layouts.timm import (
    TIMM_BEIT,
    TIMM_BLOCKS,
    TIMM_CONVNEXT,
    TIMM_EVA_SPLIT,
    TIMM_SWIN,
    TIMM_SWIN_V2,
)
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
    TRANSFORMERS_SWIN,
    TRANSFORMERS_VIDEOMAE,
    TRANSFORMERS_VIT,
    TRANSFORMERS_WAV2VEC2,
    TRANSFORMERS_WHISPER,
)

LAYOUTS: tuple[Layout, ...] = (
    TIMM_SWIN,
    TIMM_SWIN_V2,
    TIMM_CONVNEXT,
    TIMM_BLOCKS,
    TIMM_BEIT,
    TIMM_EVA_SPLIT,
    TORCHVISION_VIT,
    TRANSFORMERS_SWIN,
    TRANSFORMERS_VIT,
    TRANSFORMERS_DINOV2,
    TRANSFORMERS_VIDEOMAE,
    TRANSFORMERS_BERT,
    TRANSFORMERS_WAV2VEC2,
    TRANSFORMERS_CLIP,
    TRANSFORMERS_WHISPER,
    TRANSFORMERS_GPT2,
    NANOGPT,
    TRANSFORMERS_GPT_NEOX,
    TRANSFORMERS_BLOOM,
    MEGATRON,
    OPEN_CLIP_TOWER,
    TORCH_ENCODER,
    TORCH_ENCODER_LAYER,
    TORCH_ATTENTION,
    TORCH_SPLIT_ATTENTION,
)

__all__ = [
    "ATTENTION_ROLES",
    "LAYOUTS",
    "MLP_ROLES",
    "NORMS",
    "ORDERS",
    "ROLES",
    "Layout",
    "Norm",
    "Order",
    "Place",
    "Role",
]
