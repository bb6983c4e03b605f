"""One transformer block under timm's key names: what timm's `Block` computes, without the import of all its models.

timm's `Block` cannot be had without the whole of timm, torchvision and the compiler of torch, which take longer to
import than torch itself. The test of this file holds it against timm's, bit by bit.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu"]


class Block(nn.Module):
    """Attention and mlp, each added to its input. Keys: `norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`,
    `mlp.fc2`; with layer scale `ls1.gamma` and `ls2.gamma`.

    Attention and mlp read what a norm gives of their input; with `post_norm` the norm reads the sum (the original
    transformer, BERT). The hidden layer of the mlp has `mlp_width` units, `MLP_RATIO` times the width unless given.
    `layer_scale` multiplies what attention and mlp give by a learned value a channel, of this initial value (Touvron
    et al. 2021, arXiv 2103.17239). `drop_path` is the share of samples that skip a branch in training (stochastic
    depth, Huang et al. 2016, arXiv 1603.09382).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        qkv_bias: bool = True,
        norm_eps: float = 1e-6,
        drop_path: float = 0.0,
        mlp_width: int | None = None,
        activation: Activation = "gelu",
        layer_scale: float | None = None,
        post_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn = Attention(width, heads, qkv_bias=qkv_bias)
        self.ls1 = nn.Identity() if layer_scale is None else LayerScale(width, layer_scale)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = Mlp(width, mlp_width, activation)
        self.ls2 = nn.Identity() if layer_scale is None else LayerScale(width, layer_scale)
        self.drop_path = drop_path
        self.post_norm = post_norm

    def forward(self, x_BND: Tensor, real_BN: Tensor | None = None) -> Tensor:
        """(B, N, D) to (B, N, D); tokens that are not `real_BN` are attended to by none."""
        if self.post_norm:
            x_BND = self.norm1(x_BND + self._drop(self.ls1(self.attn(x_BND, real_BN))))
            normed_BND: Tensor = self.norm2(x_BND + self._drop(self.ls2(self.mlp(x_BND))))
            return normed_BND
        x_BND = x_BND + self._drop(self.ls1(self.attn(self.norm1(x_BND), real_BN)))
        return x_BND + self._drop(self.ls2(self.mlp(self.norm2(x_BND))))

    def _drop(self, branch_BND: Tensor) -> Tensor:
        """Zero the branch of some samples; the others grow, so that its expectation stays."""
        if not self.training or self.drop_path == 0.0:
            return branch_BND
        stay = 1 - self.drop_path
        mask_B11 = branch_BND.new_empty((len(branch_BND), 1, 1)).bernoulli_(stay)
        return branch_BND * mask_B11.div_(stay)


class Attention(nn.Module):
    """Self-attention of all tokens to real ones. Rows of `qkv`: queries, keys, values; each of them head by head."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.num_heads = heads
        self.head_dim = width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BND: Tensor, real_BN: Tensor | None = None) -> Tensor:
        """(B, N, D) to (B, N, D). Every sample needs a real token."""
        batch, tokens, width = x_BND.shape
        qkv = self.qkv(x_BND).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (B, H, N, D / H) each
        mask_B11N = None if real_BN is None else real_BN[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_B11N)
        projected_BND: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return projected_BND


MLP_RATIO = 4


class Mlp(nn.Module):
    """Two layers with a nonlinearity between them."""

    def __init__(self, width: int, hidden_width: int | None = None, activation: Activation = "gelu") -> None:
        super().__init__()
        hidden_width = MLP_RATIO * width if hidden_width is None else hidden_width
        self.fc1 = nn.Linear(width, hidden_width)
        self.act = _activation(activation)
        self.fc2 = nn.Linear(hidden_width, width)

    def forward(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        out_BND: Tensor = self.fc2(self.act(self.fc1(x_BND)))
        return out_BND


class LayerScale(nn.Module):
    """A learned factor for each channel; key `gamma`."""

    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), value))

    def forward(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        return x_BND * self.gamma


class QuickGELU(nn.Module):
    """x · sigmoid(1.702 x), the GELU of CLIP's own weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * torch.sigmoid(1.702 * x)


def _activation(name: Activation) -> nn.Module:
    match name:
        case "gelu":
            return nn.GELU()
        case "gelu_tanh":
            return nn.GELU(approximate="tanh")
        case "quick_gelu":
            return QuickGELU()
        case "relu":
            return nn.ReLU()
