"""Renames Hugging Face transformers' ViT, ViTMAE, DeiT, AST and VideoMAE weights to timm's names."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from crosspath.checkpoints.foreign.translation import FUSED, Foreign
from crosspath.errors import InputError

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
            fused = f"blocks.{index}.attn.qkv.{part}"
            foreign.full_names[fused] = FUSED.join(foreign.full_names[name] for name in names)
            foreign.tensors[fused] = torch.cat([foreign.tensors.pop(name) for name in names])


def settings_of(config: Mapping[str, Any], where: object) -> dict[str, Any]:
    """The settings in a `config.json` of transformers or timm that no tensor shows.

    Raises
    ------
    InputError
        For a setting that is no number.
    """
    if "architecture" in config:
        cfg = config.get("pretrained_cfg")
        cfg = cfg if isinstance(cfg, dict) else config
        statistics = {name: cfg[name] for name in ("mean", "std") if cfg.get(name) is not None}
        for name, values in statistics.items():
            if not isinstance(values, list) or len(values) != 3 or not all(map(_is_number, values)):
                raise InputError(where, f"three numbers as `{name}`", repr(values), "correct it")
        return {name: tuple(values) for name, values in statistics.items()}
    if "model_type" not in config:
        return {}
    names = {
        "norm_eps": "layer_norm_eps",
        "heads": "num_attention_heads",
        "frames": "num_frames",
        "mels": "num_mel_bins",
        "stride": "frequency_stride",
        "image_size": "image_size",
    }
    settings = {ours: config[theirs] for ours, theirs in names.items() if config.get(theirs) is not None}
    for ours, value in settings.items():
        value = value[0] if isinstance(value, list) and len(set(value)) == 1 else value
        if not _is_number(value) or value <= 0:
            raise InputError(where, f"a number above 0 as `{names[ours]}`", repr(value), "correct it")
        settings[ours] = value
    return settings


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
