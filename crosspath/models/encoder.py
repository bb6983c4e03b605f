"""Tokens to features: the one transformer encoder of all modalities, made of blocks under timm's key names."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from crosspath.errors import InputError
from crosspath.models.block import Activation, Block
from crosspath.tokenizers import Tokens


class Encoder(nn.Module):
    """Transformer blocks. Keys: `blocks.i.*`, `norm.*` and `norm_pre.*` as in a timm ViT; `cls_token` (1, 1, D),
    `reg_token` (1, R, D).

    `cls_token` puts a learned token before the others. Its position is zero, as in MAE: a timm ViT, whose position
    table has a row for it, loads with that row added to the token. Where positions are added before every block, it
    has a learned one, `cls_pos` (1, 1, D), as the published point classifier.

    `registers` learned tokens follow the class token (Darcet et al. 2023, arXiv 2309.16588); they have no position, and
    the features leave them out. `position_every_block` adds positions before every block instead of once.
    `embedding_norm` normalises what enters the first block, positions included (BERT, CLIP). `final_norm=False` leaves
    the features as they come out of the last block, for heads that normalise after pooling; blocks with `post_norm`
    end with a norm and have no other. `drop_path` is the stochastic depth of the last block; it grows linearly from 0
    at the first. `gradient_checkpointing` recomputes blocks in the backward pass of training, for memory. The other
    options are those of `Block`.

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
        mlp_width: int | None = None,
        activation: Activation = "gelu",
        layer_scale: float | None = None,
        post_norm: bool = False,
        embedding_norm: bool = False,
        cls_token: bool = False,
        registers: int = 0,
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
        self.reg_token = _learned_token(width, registers) if registers else None
        self.norm_pre = nn.LayerNorm(width, eps=norm_eps) if embedding_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                width,
                heads,
                qkv_bias=qkv_bias,
                norm_eps=norm_eps,
                drop_path=drop_path * i / max(depth - 1, 1),
                mlp_width=mlp_width,
                activation=activation,
                layer_scale=layer_scale,
                post_norm=post_norm,
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=norm_eps) if final_norm and not post_norm else nn.Identity()
        self.blocks.apply(initialise_linear)

    @property
    def has_cls(self) -> bool:
        """Whether row 0 of the features is the class token's."""
        return self.cls_token is not None

    def forward(self, tokens: Tokens) -> Tensor:
        """Features (B, N, D), or (B, N + 1, D) with the class token's first; those of padding mean nothing."""
        return self._without_registers(self.norm(self._run(tokens, ())[0]))

    def levels(self, tokens: Tokens, blocks: Sequence[int]) -> list[Tensor]:
        """The tokens' features (B, N, D) after each of the blocks (numbers from 0), for dense predictions: all through
        the one final norm, without class token and registers.
        """
        first = int(self.has_cls)
        states = self._run(tokens, blocks)[1]
        return [self._without_registers(self.norm(state_BND))[:, first:] for state_BND in states]

    def _run(self, tokens: Tokens, blocks: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """What leaves the last block, and what leaves each of `blocks`; nothing is normalised."""
        x_BND, positions_BND, real_BN = tokens
        if not self.position_every_block:
            x_BND = x_BND + positions_BND
        if self.reg_token is not None:
            x_BND = _prepend(self.reg_token, x_BND)
            positions_BND = functional.pad(positions_BND, (0, 0, self.reg_token.shape[1], 0))
            real_BN = None if real_BN is None else functional.pad(real_BN, (self.reg_token.shape[1], 0), value=True)
        if self.cls_token is not None:
            x_BND = _prepend(self.cls_token, x_BND)
            real_BN = None if real_BN is None else functional.pad(real_BN, (1, 0), value=True)
        if self.cls_pos is not None:
            positions_BND = _prepend(self.cls_pos, positions_BND)
        x_BND = self.norm_pre(x_BND)
        states: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks):
            if self.position_every_block:
                x_BND = x_BND + positions_BND
            if self.gradient_checkpointing and self.training:
                x_BND = checkpoint(block, x_BND, real_BN, use_reentrant=False)
            else:
                x_BND = block(x_BND, real_BN)
            if number in blocks:
                states[number] = x_BND
        return x_BND, [states[number] for number in blocks]

    def _without_registers(self, features_BND: Tensor) -> Tensor:
        if self.reg_token is None:
            return features_BND
        first, last = int(self.has_cls), self.reg_token.shape[1] + int(self.has_cls)
        return torch.cat([features_BND[:, :first], features_BND[:, last:]], dim=1)


def _learned_token(width: int, count: int = 1) -> nn.Parameter:
    token = nn.Parameter(torch.empty(1, count, width))
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
