"""One transformer block under timm's key names: what timm's `Block` computes, without the import of all its models.

timm's `Block` cannot be had without the whole of timm, torchvision and the compiler of torch, which take longer to
import than torch itself. The test of this file holds it against timm's, bit by bit.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Pre-norm attention and mlp, each added to its input. Keys: `norm1`, `attn.qkv`, `attn.proj`, `norm2`,
    `mlp.fc1`, `mlp.fc2`.

    The mlp is `MLP_RATIO` times as wide as the block. `drop_path` is the share of samples that skip a branch in
    training (stochastic depth, Huang et al. 2016, arXiv 1603.09382).
    """

    def __init__(
        self, width: int, heads: int, *, qkv_bias: bool = True, norm_eps: float = 1e-6, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn = Attention(width, heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = Mlp(width)
        self.drop_path = drop_path

    def forward(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        x_BND = x_BND + self._drop(self.attn(self.norm1(x_BND)))
        return x_BND + self._drop(self.mlp(self.norm2(x_BND)))

    def _drop(self, branch_BND: Tensor) -> Tensor:
        """Zero the branch of some samples; the others grow, so that its expectation stays."""
        if not self.training or self.drop_path == 0.0:
            return branch_BND
        stay = 1 - self.drop_path
        mask_B11 = branch_BND.new_empty((len(branch_BND), 1, 1)).bernoulli_(stay)
        return branch_BND * mask_B11.div_(stay)


class Attention(nn.Module):
    """Self-attention of all tokens with all others. Rows of `qkv`: queries, keys, values; each of them head by head."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.num_heads = heads
        self.head_dim = width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        batch, tokens, width = x_BND.shape
        qkv = self.qkv(x_BND).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (B, H, N, D / H) each
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected_BND: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return projected_BND


MLP_RATIO = 4


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        out_BND: Tensor = self.fc2(self.act(self.fc1(x_BND)))
        return out_BND
