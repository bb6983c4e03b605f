"""Tokens to features: the one transformer encoder of all modalities, made of blocks under timm's key names."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crosspath.errors import InputError
from crosspath.models.block import Block
from crosspath.tokenizers import Tokens


class Encoder(nn.Module):
    """Pre-norm transformer blocks. Keys: `blocks.i.*` and `norm.*` as in a timm ViT; `cls_token` (1, 1, D).

    `cls_token` puts a learned token before the others. Its position is zero, as in MAE: a timm ViT, whose position
    table has a row for it, loads with that row added to the token. Where positions are added before every block, it
    has a learned one, `cls_pos` (1, 1, D), as the published point classifier.

    `position_every_block` adds positions before every block instead of once. `final_norm=False` leaves the features
    as they come out of the last block, for heads that normalise after pooling. `drop_path` is the stochastic depth of
    the last block; it grows linearly from 0 at the first. `gradient_checkpointing` recomputes blocks in the backward
    pass of training, for memory.

    Raises
    ------
    InputError
        When `heads` does not divide `width`.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        *,
        qkv_bias: bool = True,
        norm_eps: float = 1e-6,
        drop_path: float = 0.0,
        cls_token: bool = False,
        position_every_block: bool = False,
        final_norm: bool = True,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError("heads", f"a divisor of the width {width}", str(heads), "choose another number of heads")
        self.width = width
        self.position_every_block = position_every_block
        self.gradient_checkpointing = gradient_checkpointing
        self.cls_token = _learned_token(width) if cls_token else None
        self.cls_pos = _learned_token(width) if cls_token and position_every_block else None
        self.blocks = nn.ModuleList(
            Block(
                width,
                heads,
                qkv_bias=qkv_bias,
                norm_eps=norm_eps,
                drop_path=drop_path * i / max(depth - 1, 1),
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=norm_eps) if final_norm else nn.Identity()
        self.blocks.apply(initialise_linear)

    @property
    def has_cls(self) -> bool:
        """Whether row 0 of the features is the class token's."""
        return self.cls_token is not None

    def forward(self, tokens: Tokens) -> Tensor:
        """Features (B, N, D), or (B, N + 1, D) with the class token's first."""
        x_BND, positions_BND = tokens
        if not self.position_every_block:
            x_BND = x_BND + positions_BND
        if self.cls_token is not None:
            x_BND = _prepend(self.cls_token, x_BND)
        if self.cls_pos is not None:
            positions_BND = _prepend(self.cls_pos, positions_BND)
        for block in self.blocks:
            if self.position_every_block:
                x_BND = x_BND + positions_BND
            if self.gradient_checkpointing and self.training:
                x_BND = checkpoint(block, x_BND, use_reentrant=False)
            else:
                x_BND = block(x_BND)
        features: Tensor = self.norm(x_BND)
        return features


def _learned_token(width: int) -> nn.Parameter:
    token = nn.Parameter(torch.empty(1, 1, width))
    nn.init.trunc_normal_(token, std=0.02)
    return token


def _prepend(token_11D: Tensor, x_BND: Tensor) -> Tensor:
    return torch.cat([token_11D.expand(x_BND.shape[0], -1, -1), x_BND], dim=1)


def initialise_linear(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases, as MAE and ViT start their linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
