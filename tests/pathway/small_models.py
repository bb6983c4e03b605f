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


class TransposedLinear(nn.Module):
    """A linear layer that stores its weight as (inputs, outputs), as GPT-2's does."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return tokens_BND @ self.weight + self.bias


class TransposedBlock(nn.Module):
    """A block of such layers, under GPT-2's names; query, key and value are thirds of the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.Module()
        self.attn.num_heads = HEADS
        self.attn.c_attn = TransposedLinear(WIDTH, 3 * WIDTH)
        self.attn.c_proj = TransposedLinear(WIDTH, WIDTH)
        self.mlp = nn.Module()
        self.mlp.c_fc = TransposedLinear(WIDTH, 2 * WIDTH)
        self.mlp.c_proj = TransposedLinear(2 * WIDTH, WIDTH)

    def forward(self, x_BND: Tensor) -> Tensor:
        q, k, v = (_by_head(part) for part in self.attn.c_attn(x_BND).chunk(3, dim=-1))
        x_BND = x_BND + self.attn.c_proj(_attend(q, k, v))
        result: Tensor = x_BND + self.mlp.c_proj(self.mlp.c_fc(x_BND).tanh())
        return result


class HeadMajorBlock(nn.Module):
    """A block under BLOOM's names: query, key and value of one head stand together."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attention = nn.Module()
        self.self_attention.num_heads = HEADS
        self.self_attention.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.self_attention.dense = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Module()
        self.mlp.dense_h_to_4h = nn.Linear(WIDTH, 2 * WIDTH)
        self.mlp.dense_4h_to_h = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x_BND: Tensor) -> Tensor:
        fused = self.self_attention.query_key_value(x_BND).unflatten(-1, (HEADS, 3, -1))
        q, k, v = (fused[:, :, :, part].transpose(1, 2) for part in range(3))
        x_BND = x_BND + self.self_attention.dense(_attend(q, k, v))
        result: Tensor = x_BND + self.mlp.dense_4h_to_h(self.mlp.dense_h_to_4h(x_BND).tanh())
        return result


class Decoder(nn.Module):
    """Blocks under `h`."""

    def __init__(self, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.h = nn.Sequential(*(block() for _ in range(DEPTH)))

    def forward(self, x_BND: Tensor) -> Tensor:
        result: Tensor = self.h(x_BND)
        return result


def _by_head(x_BND: Tensor) -> Tensor:
    return x_BND.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mixed: Tensor = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
    return mixed


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
    "transposed": Kind(lambda: Decoder(TransposedBlock), _tokens),
    "head-major": Kind(lambda: Decoder(HeadMajorBlock), _tokens),
    "linear": Kind(lambda: nn.Sequential(nn.Linear(WIDTH, 6)), _tokens, "weight"),
    "linear without bias": Kind(lambda: nn.Sequential(nn.Linear(WIDTH, 6, bias=False)), _tokens, "weight"),
    "conv1d": Kind(lambda: nn.Sequential(nn.Conv1d(3, 4, 3)), lambda: torch.randn(2, 3, 9), "weight"),
    "conv2d": Kind(lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), lambda: torch.randn(2, 3, 6, 6), "weight"),
    "conv3d": Kind(lambda: nn.Sequential(nn.Conv3d(2, 4, 2)), lambda: torch.randn(2, 2, 4, 4, 4), "weight"),
    "embedding": Kind(lambda: nn.Sequential(nn.Embedding(7, 5)), lambda: torch.arange(7).reshape(1, 7), "weight"),
}
BY_ROLE = tuple(name for name, kind in KINDS.items() if kind.names is None)


def randomise(model: nn.Module) -> nn.Module:
    """The model with every parameter drawn anew, so that no bias or norm stands at its neutral value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return model
