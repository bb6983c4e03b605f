"""State dicts with the published names and shapes (reference widths, or small ones), and files that hold them."""

from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def filled(shapes: dict[str, tuple[int, ...]], seed: int = 0, device: str = "cpu") -> Tensors:
    """Random tensors; on the meta device nothing is stored."""
    generator = torch.Generator().manual_seed(seed)
    if device == "meta":
        return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}


def blocks(prefix: str, width: int, depth: int, *, bias: bool = True, split_bias: bool = False) -> dict[str, Any]:
    """The shapes of transformer blocks by timm's names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index in range(depth):
        at = f"{prefix}{index}."
        for norm in ("norm1", "norm2"):
            shapes |= {f"{at}{norm}.weight": (width,), f"{at}{norm}.bias": (width,)}
        if split_bias:
            shapes |= {f"{at}attn.q_bias": (width,), f"{at}attn.v_bias": (width,)}
        shapes[f"{at}attn.qkv.weight"] = (3 * width, width)
        if bias and not split_bias:
            shapes[f"{at}attn.qkv.bias"] = (3 * width,)
        for name, rows, columns in (("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4)):
            shapes |= {f"{at}{name}.weight": (rows * width, columns * width), f"{at}{name}.bias": (rows * width,)}
    return shapes


def norm(name: str, width: int) -> dict[str, Any]:
    """A layer norm."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def zoo(width: int = 768, depth: int = 12, classes: int = 1000) -> dict[str, Any]:
    """The published zoo: timm's `vit_base_patch16_224`."""
    return {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 197, width),
        "patch_embed.proj.weight": (width, 3, 16, 16),
        "patch_embed.proj.bias": (width,),
        **blocks("blocks.", width, depth),
        **norm("norm", width),
        "head.weight": (classes, width),
        "head.bias": (classes,),
    }


def mae(width: int = 768, depth: int = 12) -> dict[str, Any]:
    """MAE's training checkpoint, with its decoder."""
    plain = {name: shape for name, shape in zoo(width, depth).items() if not name.startswith("head")}
    return plain | {
        "mask_token": (1, 1, 512),
        "decoder_pos_embed": (1, 197, 512),
        "decoder_embed.weight": (512, width),
        "decoder_embed.bias": (512,),
        **blocks("decoder_blocks.", 512, 8),
        **norm("decoder_norm", 512),
        "decoder_pred.weight": (768, 512),
        "decoder_pred.bias": (768,),
    }


def audio_mae(width: int = 768, depth: int = 12) -> dict[str, Any]:
    """AudioMAE's pretraining: one channel, 64 x 8 tokens."""
    return mae(width, depth) | {
        "pos_embed": (1, 513, width),
        "patch_embed.proj.weight": (width, 1, 16, 16),
        "decoder_pos_embed": (1, 513, 512),
        "decoder_pred.weight": (256, 512),
        "decoder_pred.bias": (256,),
    }


def ast(width: int = 768, depth: int = 12) -> dict[str, Any]:
    """AST's own release: 12 x 101 overlapping tokens, two special ones, behind `module.v.`."""
    inner = {
        "cls_token": (1, 1, width),
        "dist_token": (1, 1, width),
        "pos_embed": (1, 1214, width),
        "patch_embed.proj.weight": (width, 1, 16, 16),
        "patch_embed.proj.bias": (width,),
        **blocks("blocks.", width, depth),
        **norm("norm", width),
        "head.weight": (1000, width),
        "head.bias": (1000,),
        "head_dist.weight": (1000, width),
        "head_dist.bias": (1000,),
    }
    heads = {**norm("module.mlp_head.0", width), "module.mlp_head.1.weight": (527, width)}
    return {f"module.v.{name}": shape for name, shape in inner.items()} | heads | {"module.mlp_head.1.bias": (527,)}


def video_mae(width: int = 768, depth: int = 12, classes: int = 710) -> dict[str, Any]:
    """VideoMAE V2 fine-tuned: 162 tensors at base size."""
    return {
        "patch_embed.proj.weight": (width, 3, 2, 16, 16),
        "patch_embed.proj.bias": (width,),
        **blocks("blocks.", width, depth, split_bias=True),
        **norm("fc_norm", width),
        "head.weight": (classes, width),
        "head.bias": (classes,),
    }


def video_mae_pretraining(width: int = 768, depth: int = 12) -> dict[str, Any]:
    """VideoMAE's pretraining: encoder and decoder side by side."""
    body = {name: shape for name, shape in video_mae(width, depth).items() if not name.startswith(("head", "fc_norm"))}
    return {f"encoder.{name}": shape for name, shape in (body | norm("norm", width)).items()} | {
        **blocks("decoder.blocks.", 384, 4, split_bias=True),
        **norm("decoder.norm", 384),
        "decoder.head.weight": (1536, 384),
        "decoder.head.bias": (1536,),
        "encoder_to_decoder.weight": (384, width),
        "mask_token": (1, 1, 384),
    }


def point_tokenizer(width: int) -> dict[str, Any]:
    """The small PointNet of Point-MAE under `encoder.`, and the positions of centres."""
    shapes: dict[str, tuple[int, ...]] = {}
    for stage, before, middle, after in (("first_conv", 3, 128, 256), ("second_conv", 512, 512, width)):
        at = f"encoder.{stage}."
        shapes |= {f"{at}0.weight": (middle, before, 1), f"{at}0.bias": (middle,)}
        shapes |= {f"{at}1.{part}": (middle,) for part in ("weight", "bias", "running_mean", "running_var")}
        shapes |= {f"{at}1.num_batches_tracked": (), f"{at}3.weight": (after, middle, 1), f"{at}3.bias": (after,)}
    shapes |= {"pos_embed.0.weight": (128, 3), "pos_embed.0.bias": (128,)}
    return shapes | {"pos_embed.2.weight": (width, 128), "pos_embed.2.bias": (width,)}


def point_mae(width: int = 384, depth: int = 12) -> dict[str, Any]:
    """Point-MAE's pretraining."""
    encoder = point_tokenizer(width) | blocks("blocks.blocks.", width, depth, bias=False) | norm("norm", width)
    return {f"MAE_encoder.{name}": shape for name, shape in encoder.items()} | {
        "mask_token": (1, 1, width),
        "decoder_pos_embed.0.weight": (128, 3),
        "decoder_pos_embed.0.bias": (128,),
        "decoder_pos_embed.2.weight": (width, 128),
        "decoder_pos_embed.2.bias": (width,),
        **blocks("MAE_decoder.blocks.", width, 4, bias=False),
        **norm("MAE_decoder.norm", width),
        "increase_dim.0.weight": (96, width, 1),
        "increase_dim.0.bias": (96,),
    }


def point_classifier(width: int = 384, depth: int = 12, classes: int = 40) -> dict[str, Any]:
    """Point-MAE fine-tuned for classification."""
    head: dict[str, Any] = {"cls_head_finetune.0.weight": (256, 2 * width), "cls_head_finetune.0.bias": (256,)}
    for place in (1, 5):
        head |= {f"cls_head_finetune.{place}.{part}": (256,) for part in ("weight", "bias", "running_mean")}
        head |= {f"cls_head_finetune.{place}.running_var": (256,)}
        head |= {f"cls_head_finetune.{place}.num_batches_tracked": ()}
    head |= {"cls_head_finetune.4.weight": (256, 256), "cls_head_finetune.4.bias": (256,)}
    head |= {"cls_head_finetune.8.weight": (classes, 256), "cls_head_finetune.8.bias": (classes,)}
    encoder = point_tokenizer(width) | blocks("blocks.blocks.", width, depth, bias=False) | norm("norm", width)
    return encoder | head | {"cls_token": (1, 1, width), "cls_pos": (1, 1, width)}


def point_bert(width: int = 384, depth: int = 12) -> dict[str, Any]:
    """Point-BERT's pretraining: the momentum encoder's student, groups read through 256 channels."""
    encoder = point_tokenizer(256) | {"reduce_dim.weight": (width, 256), "reduce_dim.bias": (width,)}
    encoder |= {"pos_embed.2.weight": (width, 128), "pos_embed.2.bias": (width,)}
    encoder |= blocks("blocks.blocks.", width, depth, bias=False) | norm("norm", width)
    encoder |= {"cls_token": (1, 1, width), "cls_pos": (1, 1, width), "mask_token": (1, 1, width)}
    encoder |= {"lm_head.0.weight": (width, width), "cls_head.0.weight": (width, width)}
    copy = {f"transformer_k.{name}": shape for name, shape in encoder.items()}
    return {f"transformer_q.{name}": shape for name, shape in encoder.items()} | copy | {"dvae.codebook": (64, 8)}


def swapped(shapes: dict[str, Any]) -> dict[str, Any]:
    """With the layers of a published pathway."""
    result = dict(shapes)
    for name, shape in shapes.items():
        if name.startswith("blocks.") and name.endswith(("qkv.weight", "proj.weight", "fc1.weight", "fc2.weight")):
            layer = name.removesuffix(".weight")
            result |= {f"{layer}.cross_modal_scale": (1,), f"{layer}.aux_weight": shape}
    return result
