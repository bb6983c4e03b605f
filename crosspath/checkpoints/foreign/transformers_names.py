"""Renames Hugging Face transformers' ViT, ViTMAE, DeiT, AST and VideoMAE weights to timm's names."""

import re
from collections.abc import Callable

import torch

from crosspath.checkpoints.foreign.translation import SEPARATOR, Foreign

_LONG = {"q": "query", "k": "key", "v": "value"}
RENAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"layernorm_before\.", "norm1."),
    (r"layernorm_after\.", "norm2."),
    (r"attention\.output\.dense\.|attention\.o_proj\.", "attn.proj."),
    (r"attention\.attention\.([qv]_bias)$", r"attn.\1"),
    (r"attention\.(?:attention\.)?(query|key|value)\.", r"attn.\1."),
    (r"attention\.(?:attention\.)?(q|k|v)_proj\.", lambda match: f"attn.{_LONG[match[1]]}."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"^(blocks\.\d+\.)output\.dense\.", r"\1mlp.fc2."),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.", ""),
    (r"^layernorm\.", "norm."),
)


def is_transformers(foreign: Foreign) -> bool:
    """Whether blocks have transformers' names."""
    anchor = r"(encoder\.)?layers?\.\d+\.(attention\.(attention\.)?query|attention\.q_proj)\.weight$"
    return foreign.has("embeddings.patch_embeddings.projection.weight") and any(
        re.match(anchor, name) for name in foreign.tensors
    )


def to_timm_names(foreign: Foreign) -> None:
    """Rename in place, and fuse query, key and value."""
    for name in list(foreign.tensors):
        new = name
        for pattern, replacement in RENAMES:
            new = re.sub(pattern, replacement, new)
        foreign.full_names[new] = foreign.full_names.get(name, name)
        foreign.tensors[new] = foreign.tensors.pop(name)
    for index in foreign.indices("blocks."):
        for part in ("weight", "bias"):
            names = [f"blocks.{index}.attn.{kind}.{part}" for kind in ("query", "key", "value")]
            if not all(foreign.has(name) for name in names):
                continue
            for name in names:
                foreign.expect(name, tuple(foreign.tensors[names[0]].shape))
            new_name = f"blocks.{index}.attn.qkv.{part}"
            foreign.full_names[new_name] = SEPARATOR.join(foreign.full_names[name] for name in names)
            foreign.tensors[new_name] = torch.cat([foreign.tensors.pop(name) for name in names])
