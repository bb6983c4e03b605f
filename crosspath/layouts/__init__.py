"""Where each role lives, family by family: tables, no logic. `LAYOUTS` is the order in which they are tried."""

from crosspath.layouts.layout import ATTENTION_ROLES, MLP_ROLES, ROLES, Layout, Place, Role
from crosspath.layouts.timm import TIMM_BLOCKS
from crosspath.layouts.torch import (
    TORCH_ATTENTION,
    TORCH_ENCODER,
    TORCH_ENCODER_LAYER,
    TORCH_SPLIT_ATTENTION,
    TORCHVISION_VIT,
)

LAYOUTS: tuple[Layout, ...] = (
    TIMM_BLOCKS,
    TORCHVISION_VIT,
    TORCH_ENCODER,
    TORCH_ENCODER_LAYER,
    TORCH_ATTENTION,
    TORCH_SPLIT_ATTENTION,
)

__all__ = ["ATTENTION_ROLES", "LAYOUTS", "MLP_ROLES", "ROLES", "Layout", "Place", "Role"]
