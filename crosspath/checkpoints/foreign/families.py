"""Foundation models whose encoders this library computes: one table, a row a family.

A row says what the library that made the files calls each tensor and setting, and what all its models have. Whatever a
file states beside that is refused by name, so that no model is computed otherwise than by its own library.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from crosspath.checkpoints.foreign.foundation_inputs import (
    Inputs,
    picture_inputs,
    picture_weights,
    text_inputs,
    text_weights,
    whisper_inputs,
    whisper_weights,
)
from crosspath.config import Recipe

Renames = tuple[tuple[str, str], ...]
"""(regular expression, replacement), applied in order to every name."""
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP_COLOURS = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family of foundation models, of one modality."""

    name: str
    modality: str
    anchor: str
    """A tensor that every file has; what stands before it in its name is a prefix of the encoder."""
    renames: Renames
    """To this library's names; query, key and value are `attn.query`, `attn.key` and `attn.value`."""
    drops: str = r"$."
    """Tensors of the encoder's files that are no part of its features: heads, poolers, mask tokens."""
    section: str | None = None
    """The part of the `config.json` that describes the encoder, where the file holds several models."""
    settings: Mapping[str, tuple[str, Any]]
    """{field of `model`: (entry of the config, its default)}; an entry without one must be there."""
    options: Mapping[str, Any]
    """Fields of `model` that all have."""
    same: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """{entry of the config: the values that this library computes}."""
    inputs: Callable[[Path, Mapping[str, Any], Mapping[str, Any]], Inputs]
    """(file, config, `preprocessor_config.json`) to the settings of what it reads."""
    weights: Callable[[object, Mapping[str, Tensor], Recipe], dict[str, Tensor]]
    """(file, tensors by this library's names, recipe) to those of the recipe's model: positions for its sizes."""


NO_DEFAULT: Any = ...
_VIT_SETTINGS = {
    "width": ("hidden_size", NO_DEFAULT),
    "depth": ("num_hidden_layers", NO_DEFAULT),
    "heads": ("num_attention_heads", NO_DEFAULT),
    "mlp_width": ("intermediate_size", NO_DEFAULT),
    "norm_eps": ("layer_norm_eps", NO_DEFAULT),
    "activation": ("hidden_act", "gelu"),
}
_DINO_SETTINGS = {**_VIT_SETTINGS, "mlp_width": ("mlp_ratio", NO_DEFAULT)}
_CLASS_TOKEN = {"pooling": "cls", "cls_token": True, "positions": "learned", "fc_norm": False}
_ALL_TOKENS = {"pooling": "mean", "cls_token": False, "positions": "learned", "fc_norm": False}
_VIT_NAMES: Renames = (
    (r"^embeddings\.cls_token$", "encoder.cls_token"),
    (r"^embeddings\.register_tokens$", "encoder.reg_token"),
    (r"^embeddings\.position_embeddings$", "positions"),
    (r"^embeddings\.patch_embeddings\.projection\.", "tokenizer.proj."),
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"encoder.blocks.\1."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.(?:attention\.)?(query|key|value)\.", r".attn.\1."),
    # The names of a `state_dict()` of release 5, which `save_pretrained` writes as those above and below.
    (r"\.attention\.q_proj\.", ".attn.query."),
    (r"\.attention\.k_proj\.", ".attn.key."),
    (r"\.attention\.v_proj\.", ".attn.value."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\d)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "encoder.norm."),
)
_CLIP_NAMES: Renames = (
    (r"^embeddings\.class_embedding$", "encoder.cls_token"),
    (r"^embeddings\.position_embedding\.weight$", "positions"),
    (r"^embeddings\.patch_embedding\.", "tokenizer.proj."),
    (r"^encoder\.layers\.", "encoder.blocks."),
    (r"\.layer_norm([12])\.", r".norm\1."),
    (r"\.self_attn\.q_proj\.", ".attn.query."),
    (r"\.self_attn\.k_proj\.", ".attn.key."),
    (r"\.self_attn\.v_proj\.", ".attn.value."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"^pre_layrnorm\.", "encoder.norm_pre."),
    (r"^post_layernorm\.", "encoder.norm."),
)
_BERT_NAMES: Renames = (
    (r"^embeddings\.word_embeddings\.", "tokenizer.embedding."),
    (r"^embeddings\.position_embeddings\.weight$", "positions"),
    (r"^embeddings\.token_type_embeddings\.weight$", "segments"),
    (r"^embeddings\.LayerNorm\.", "encoder.norm_pre."),
    (r"^encoder\.layer\.", "encoder.blocks."),
    (r"\.attention\.self\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\d)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"(\d)\.output\.LayerNorm\.", r"\1.norm2."),
    # Files of before 2019 have these names.
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
)
_WHISPER_NAMES: Renames = (
    (r"^conv([12])\.", r"tokenizer.conv\1."),
    (r"^embed_positions\.weight$", "positions"),
    (r"^layers\.", "encoder.blocks."),
    (r"\.self_attn_layer_norm\.", ".norm1."),
    (r"\.final_layer_norm\.", ".norm2."),
    (r"\.self_attn\.q_proj\.", ".attn.query."),
    (r"\.self_attn\.k_proj\.", ".attn.key."),
    (r"\.self_attn\.v_proj\.", ".attn.value."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.(fc[12])\.", r".mlp.\1."),
    (r"^layer_norm\.", "encoder.norm."),
)
_VIT_ANCHOR = "embeddings.patch_embeddings.projection.weight"


def _dinov2(name: str, *, antialias: bool) -> Family:
    return Family(
        name=name,
        modality="image",
        anchor=_VIT_ANCHOR,
        renames=_VIT_NAMES,
        drops=r"embeddings\.mask_token$",
        settings=_DINO_SETTINGS,
        options={**_CLASS_TOKEN, "layer_scale": 1.0},
        same={"use_swiglu_ffn": (False,), "num_channels": (3,)},
        inputs=partial(picture_inputs, colours=IMAGENET),
        weights=partial(picture_weights, antialias=antialias),
    )


def _tower(name: str, section: str | None, *, class_token: bool) -> Family:
    """The image encoder of CLIP or SigLIP, alone or in a file with its text encoder."""
    return Family(
        name=name,
        modality="image",
        anchor="embeddings.patch_embedding.weight",
        renames=_CLIP_NAMES,
        drops=r"head\.|embeddings\.position_ids$",
        section=section,
        settings={**_VIT_SETTINGS, "activation": ("hidden_act", NO_DEFAULT)},
        options={**_CLASS_TOKEN, "embedding_norm": True} if class_token else _ALL_TOKENS,
        same={"num_channels": (3,)},
        inputs=partial(picture_inputs, colours=CLIP_COLOURS if class_token else HALVES),
        weights=partial(picture_weights, antialias=False),
    )


def _bert(name: str, *, first: int) -> Family:
    """BERT, or RoBERTa, whose first tokens come after `first` positions that no text uses."""
    return Family(
        name=name,
        modality="text",
        anchor="embeddings.word_embeddings.weight",
        renames=_BERT_NAMES,
        drops=r"pooler\.|embeddings\.position_ids$",
        settings=_VIT_SETTINGS,
        options={**_ALL_TOKENS, "post_norm": True, "embedding_norm": True},
        same={
            "position_embedding_type": ("absolute",),
            "is_decoder": (False,),
            "add_cross_attention": (False,),
            **({"pad_token_id": (first - 1,)} if first else {}),
        },
        inputs=text_inputs,
        weights=partial(text_weights, first=first),
    )


FAMILIES: dict[str, Family] = {
    "dinov2": _dinov2("DINOv2", antialias=False),
    "dinov2_with_registers": _dinov2("DINOv2 with registers", antialias=True),
    "vit": Family(
        name="ViT",
        modality="image",
        anchor=_VIT_ANCHOR,
        renames=_VIT_NAMES,
        drops=r"pooler\.|embeddings\.mask_token$",
        settings=_VIT_SETTINGS,
        options=_CLASS_TOKEN,
        same={"num_channels": (3,)},
        inputs=partial(picture_inputs, colours=HALVES),
        weights=partial(picture_weights, antialias=False),
    ),
    "clip": _tower("CLIP", "vision_config", class_token=True),
    "clip_vision_model": _tower("CLIP", None, class_token=True),
    "siglip": _tower("SigLIP", "vision_config", class_token=False),
    "siglip_vision_model": _tower("SigLIP", None, class_token=False),
    "whisper": Family(
        name="Whisper's encoder",
        modality="audio",
        anchor="conv1.weight",
        renames=_WHISPER_NAMES,
        settings={
            "width": ("d_model", NO_DEFAULT),
            "depth": ("encoder_layers", NO_DEFAULT),
            "heads": ("encoder_attention_heads", NO_DEFAULT),
            "mlp_width": ("encoder_ffn_dim", NO_DEFAULT),
            "norm_eps": ("layer_norm_eps", 1e-5),
            "activation": ("activation_function", "gelu"),
        },
        options=_ALL_TOKENS,
        same={"scale_embedding": (False,)},
        inputs=whisper_inputs,
        weights=whisper_weights,
    ),
    "bert": _bert("BERT", first=0),
    "roberta": _bert("RoBERTa", first=2),
    "camembert": _bert("CamemBERT", first=2),
    "xlm-roberta": _bert("XLM-RoBERTa", first=2),
}
"""By the `model_type` of a `config.json`; timm's models are read from timm itself (`timm_family.py`)."""
