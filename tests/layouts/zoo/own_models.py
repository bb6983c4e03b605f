"""Models as small repositories write them: nanoGPT's names, x-transformers' names, and names of nobody's."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.layouts.zoo.transformers_build import DEPTH, HEADS, HIDDEN, WIDTH


class NanoAttention(nn.Module):
    """Attention as nanoGPT writes it: one linear layer for query, key and value, all rows of one after the other's."""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)
        self.n_head = HEADS

    def forward(self, x_BND: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x_BND).split(WIDTH, dim=2)
        )
        values = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(values.transpose(1, 2).flatten(2))


class NanoMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_fc = nn.Linear(WIDTH, HIDDEN)
        self.c_proj = nn.Linear(HIDDEN, WIDTH)

    def forward(self, x_BND: Tensor) -> Tensor:
        return self.c_proj(functional.gelu(self.c_fc(x_BND)))


class NanoBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(WIDTH), NanoAttention()
        self.ln_2, self.mlp = nn.LayerNorm(WIDTH), NanoMlp()

    def forward(self, x_BND: Tensor) -> Tensor:
        x_BND = x_BND + self.attn(self.ln_1(x_BND))
        return x_BND + self.mlp(self.ln_2(x_BND))


class NanoGpt(nn.Module):
    """nanoGPT's names."""

    def __init__(self) -> None:
        super().__init__()
        blocks = nn.ModuleList(NanoBlock() for _ in range(DEPTH))
        self.transformer = nn.ModuleDict({"wte": nn.Embedding(50, WIDTH), "wpe": nn.Embedding(16, WIDTH), "h": blocks})
        self.lm_head = nn.Linear(WIDTH, 50, bias=False)

    def forward(self, words_BN: Tensor) -> Tensor:
        x_BND = self.transformer["wte"](words_BN) + self.transformer["wpe"].weight[: words_BN.shape[1]]
        for block in self.transformer["h"]:  # type: ignore[union-attr]
            x_BND = block(x_BND)
        return self.lm_head(x_BND)


class PairedAttention(nn.Module):
    """Attention in the style of x-transformers and its kin: keys and values in one layer, the norm inside."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = HEADS
        self.norm = nn.LayerNorm(WIDTH)
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_kv = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.to_out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.0))

    def forward(self, x_BND: Tensor) -> Tensor:
        x_BND = self.norm(x_BND)
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x_BND), *self.to_kv(x_BND).chunk(2, dim=-1))
        )
        return self.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class PairedBlocks(nn.Module):
    """Pairs of attention and mlp, numbered inside each layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PairedAttention(),
                    nn.Sequential(
                        nn.LayerNorm(WIDTH),
                        nn.Linear(WIDTH, HIDDEN),
                        nn.GELU(),
                        nn.Dropout(0.0),
                        nn.Linear(HIDDEN, WIDTH),
                    ),
                ]
            )
            for _ in range(DEPTH)
        )

    def forward(self, x_BND: Tensor) -> Tensor:
        for attention, mlp in self.layers:  # type: ignore[misc]
            x_BND = x_BND + attention(x_BND)
            x_BND = x_BND + mlp(x_BND)
        return x_BND


class Step(nn.Module):
    """A hand-written block whose names say nothing, but for shapes that tell the mlp."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.calm_a, self.calm_b = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, HIDDEN)
        self.narrow = nn.Linear(HIDDEN, WIDTH)

    def forward(self, x_BND: Tensor) -> Tensor:
        calm_BND = self.calm_a(x_BND)
        x_BND = x_BND + self.look(calm_BND, calm_BND, calm_BND, need_weights=False)[0]
        return x_BND + self.narrow(torch.relu(self.widen(self.calm_b(x_BND))))


def steps() -> nn.Module:
    return nn.ModuleList(Step() for _ in range(DEPTH))
