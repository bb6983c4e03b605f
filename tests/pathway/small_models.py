"""Small models with random weights, one for each kind of layer that can hold a pathway."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torchvision.models.vision_transformer import EncoderBlock

WIDTH, HEADS, DEPTH = 8, 2, 2


class Body(nn.Module):
    """timm blocks under `blocks`, as timm and crosspath keep them."""

    def __init__(self, depth: int = DEPTH, width: int = WIDTH, heads: int = HEADS, qkv_bias: bool = True) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=qkv_bias) for _ in range(depth)))

    def forward(self, tokens_BND: Tensor) -> Tensor:
        result: Tensor = self.blocks(tokens_BND)
        return result


class SelfAttention(nn.MultiheadAttention):
    """Attention of tokens with themselves, by torch's own class and names."""

    def forward(self, tokens_BND: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(tokens_BND, tokens_BND, tokens_BND, need_weights=False)[0]


class VisionBody(nn.Module):
    """torchvision's encoder blocks under the names of its ViT."""

    def __init__(self) -> None:
        super().__init__()
        blocks = {f"encoder_layer_{i}": EncoderBlock(HEADS, WIDTH, 16, 0.0, 0.0) for i in range(DEPTH)}
        self.encoder = nn.Module()
        self.encoder.layers = nn.Sequential()
        for name, block in blocks.items():
            self.encoder.layers.add_module(name, block)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        result: Tensor = self.encoder.layers(tokens_BND)
        return result


class FunctionalAttention(nn.Module):
    """Attention that calls `F.linear(x, self.qkv.weight)` itself, as VideoMAE's does."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = HEADS
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        q, k, v = nn.functional.linear(tokens_BND, self.qkv.weight).chunk(3, dim=-1)
        result: Tensor = self.proj(nn.functional.scaled_dot_product_attention(q, k, v))
        return result


class FunctionalBody(nn.Module):
    """One block of functional attention, without an mlp."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Module()
        block.attn = FunctionalAttention()
        self.blocks = nn.ModuleList([block])

    def forward(self, tokens_BND: Tensor) -> Tensor:
        attention = self.blocks[0].attn
        assert isinstance(attention, nn.Module)
        result: Tensor = attention(tokens_BND)
        return result


def _torch_encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, 0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)


def _tokens() -> Tensor:
    return torch.randn(2, 5, WIDTH)


@dataclass(frozen=True)
class Kind:
    """A kind of model: how it is built, what it takes, and how its weights are chosen (None: by role)."""

    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor]
    names: str | None = None


KINDS: dict[str, Kind] = {
    "timm": Kind(Body, _tokens),
    "timm without qkv bias": Kind(lambda: Body(qkv_bias=False), _tokens),
    "functional qkv": Kind(FunctionalBody, _tokens),
    "torch encoder": Kind(_torch_encoder, _tokens),
    "torch encoder layer": Kind(
        lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, 16, 0.0, batch_first=True, norm_first=True), _tokens
    ),
    "torch attention": Kind(lambda: SelfAttention(WIDTH, HEADS, batch_first=True), _tokens),
    "torchvision": Kind(VisionBody, _tokens),
    "linear": Kind(lambda: nn.Sequential(nn.Linear(WIDTH, 6)), _tokens, "weight"),
    "linear without bias": Kind(lambda: nn.Sequential(nn.Linear(WIDTH, 6, bias=False)), _tokens, "weight"),
    "conv1d": Kind(lambda: nn.Sequential(nn.Conv1d(3, 4, 3)), lambda: torch.randn(2, 3, 9), "weight"),
    "conv2d": Kind(lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), lambda: torch.randn(2, 3, 6, 6), "weight"),
    "conv3d": Kind(lambda: nn.Sequential(nn.Conv3d(2, 4, 2)), lambda: torch.randn(2, 2, 4, 4, 4), "weight"),
    "embedding": Kind(lambda: nn.Sequential(nn.Embedding(7, 5)), lambda: torch.arange(7).reshape(1, 7), "weight"),
}
BY_ROLE = tuple(name for name, kind in KINDS.items() if kind.names is None)


def randomised(model: nn.Module) -> nn.Module:
    """The model with every parameter drawn anew, so that no bias or norm stands at its neutral value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return model
