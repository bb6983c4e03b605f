"""timm's `VisionTransformer` in its variants: what a model of an architecture computes is read from timm itself."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.foreign.foundation_inputs import Inputs, is_number, picture_weights, three_numbers
from crosspath.checkpoints.foreign.foundation_model import Foundation, encoder_tensors, foundation
from crosspath.checkpoints.save import WEIGHTS
from crosspath.errors import InputError

HEADS = r"(?:head|head_dist|attn_pool|pre_logits)\."


def timm_foundation(where: str, file: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Foundation:
    """The model of a `config.json` of timm, whose `architecture` must be a plain `VisionTransformer`.

    Raises
    ------
    InputError
        For another class of model, and for one with parts that this library's encoder does not have, by name.
    """
    model = plain_architecture(file, config)
    if any(len(set(sides)) > 1 for sides in (model.patch_embed.img_size, model.patch_embed.patch_size)):
        found = f"{config['architecture']}: {model.patch_embed.img_size} and {model.patch_embed.patch_size}"
        raise InputError(file, "square pictures and patches", found, "choose another model")
    own, leftovers = encoder_tensors(file.parent / WEIGHTS, tensors, "patch_embed.proj.weight", HEADS)
    norm = "fc_norm" if isinstance(model.fc_norm, nn.LayerNorm) else "norm"
    if f"{norm}.weight" not in own:
        found = f"{norm}.weight, the last norm of {config['architecture']} as configured"
        raise InputError(
            file.parent / WEIGHTS, found, "none", f"restore the {file.name} that these weights were saved with"
        )
    block = model.blocks[0]
    section: dict[str, Any] = {
        "width": model.embed_dim,
        "depth": len(model.blocks),
        "mlp_width": block.mlp.fc1.out_features,
        **settings_of_architecture(model),
        "qkv_bias": block.attn.qkv.bias is not None,
        "positions": "learned",
        "cls_token": model.has_class_token,
        "registers": model.num_reg_tokens,
        "embedding_norm": isinstance(model.norm_pre, nn.LayerNorm),
    }
    if not isinstance(block.ls1, nn.Identity):
        section["layer_scale"] = 1.0
    side = model.patch_embed.img_size[0]
    share = _pretrained(config).get("crop_pct") or 1.0
    if not is_number(share) or share <= 0:
        raise InputError(file, "a number above 0 as `crop_pct`", repr(share), "correct it")
    free = {"data.image_size": side, "data.resize": round(side / share) if share < 1 else None}
    free |= {f"data.{name}": values for name, values in statistics_of(file, config).items()}
    patch = tuple(model.patch_embed.patch_size)
    inputs = Inputs(
        fixed_settings={"model.tokenizer.patch": patch}, free_settings=free, multiples={"data.image_size": patch[0]}
    )
    ours = {_rename(name): tensor for name, tensor in own.items()}
    weights = partial(picture_weights, antialias=True)
    return foundation(
        where, f"timm's {config['architecture']}", "image", section, inputs, ours, weights, leftovers=leftovers
    )


def plain_architecture(file: Path, config: Mapping[str, Any], *, distilled: bool = False) -> Any:
    """The architecture, without values, of a `config.json`. Raises `InputError` for one that this library's encoder
    does not compute, but for the second class token of a `distilled` one.
    """
    model = _architecture(file, config)
    if difference := _difference(model, distilled=distilled):
        expected = f"a timm VisionTransformer with {difference[0]}"
        raise InputError(file, expected, f"{config['architecture']}: {difference[1]}", "choose another model")
    return model


def settings_of_architecture(model: Any) -> dict[str, Any]:
    """Fields of `model` that no tensor shows: how an architecture's blocks compute, and how it pools."""
    block = model.blocks[0]
    return {
        "heads": block.attn.num_heads,
        "norm_eps": block.norm1.eps,
        "activation": _activation(block.mlp.act),
        "pooling": "cls" if model.global_pool == "token" else "mean",
        "fc_norm": isinstance(model.fc_norm, nn.LayerNorm),
    }


def statistics_of(file: Path, config: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """{`mean` and `std`: of each colour}, where a `config.json` of timm states them."""
    stated = _pretrained(config)
    return {name: three_numbers(file, name, stated[name]) for name in ("mean", "std") if stated.get(name) is not None}


def _pretrained(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the weights were trained with; timm's older files have it at the top."""
    cfg = config.get("pretrained_cfg")
    return cfg if cfg and isinstance(cfg, dict) else config


def _architecture(file: Path, config: Mapping[str, Any]) -> Any:
    """The architecture without values."""
    import timm

    name, arguments = str(config["architecture"]), config.get("model_args") or {}
    # timm takes this one from here where model_args lack it.
    pool = _pretrained(config).get("global_pool")
    defaults = {} if pool is None else {"global_pool": pool}
    # Other names, such as local-dir:DIR, would lead timm to files and addresses.
    if not timm.is_model(name):
        raise InputError(file, "the name of a timm model", repr(name), "update timm, or choose another model")
    try:
        with torch.device("meta"):
            return timm.create_model(name, pretrained=False, **{**defaults, **arguments, "num_classes": 0})
    except Exception as error:  # what timm makes of a file's arguments can fail in any way
        raise InputError(file, f"model_args of {name}", repr(error), "update timm, or choose another model") from None


def _difference(model: Any, *, distilled: bool) -> tuple[str, str] | None:
    """What this library's encoder has in a place where the model has something else, and what that is."""
    from timm.layers.attention import Attention
    from timm.layers.patch_embed import PatchEmbed
    from timm.models.vision_transformer import Block, VisionTransformer

    second = distilled and type(model).__name__ == "VisionTransformerDistilled"
    if type(model) is not VisionTransformer and not second:
        return "no other parts", type(model).__name__
    if not len(model.blocks):
        return "blocks", "none"
    block: Any = model.blocks[0]
    for part, kinds in (
        (block, (Block,)),
        (getattr(block, "attn", None), (Attention,)),
        (getattr(getattr(block, "attn", None), "q_norm", None), (nn.Identity,)),
        (getattr(getattr(block, "attn", None), "norm", None), (nn.Identity,)),
        (getattr(getattr(block, "mlp", None), "norm", None), (nn.Identity,)),
        (getattr(block, "norm1", None), (nn.LayerNorm,)),
        (model.patch_embed, (PatchEmbed,)),
        (getattr(model.patch_embed, "norm", None), (nn.Identity,)),
    ):
        if not isinstance(part, kinds):
            return kinds[0].__name__, type(part).__name__
    if type(block.mlp).__name__ != "Mlp":
        return "an mlp of two layers", type(block.mlp).__name__
    if model.pos_embed is None:
        return "learned positions", "none"
    if _activation(block.mlp.act) is None:
        return "GELU, its tanh form, QuickGELU or ReLU", type(block.mlp.act).__name__
    if not isinstance(model.norm, nn.LayerNorm) and not isinstance(model.fc_norm, nn.LayerNorm):
        return "a norm after the blocks or after pooling", "none"
    # Pooling by attention is a head, whose weights are not loaded.
    if model.attn_pool is None and model.global_pool not in ("token", "avg"):
        return "global_pool token, avg or map", repr(model.global_pool)
    if model.global_pool == "avg" and getattr(model, "pool_include_prefix", False):
        return "the mean over patches alone", "pool_include_prefix"
    return None


def _activation(module: nn.Module) -> str | None:
    """This library's name of a nonlinearity."""
    if type(module).__name__ == "QuickGELU":
        return "quick_gelu"
    if type(module).__name__ == "GELUTanh":
        return "gelu_tanh"
    if isinstance(module, nn.GELU) or type(module).__name__ == "GELU":
        return "gelu_tanh" if getattr(module, "approximate", "none") == "tanh" else "gelu"
    return "relu" if isinstance(module, nn.ReLU) else None


def _rename(name: str) -> str:
    for theirs, ours in (("patch_embed.", "tokenizer."), ("fc_norm.", "head.norm."), ("pos_embed", "positions")):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return f"encoder.{name}"
