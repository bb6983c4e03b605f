"""A merged classifier as a model of timm: the same weights under timm's names, in a folder that timm opens itself."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.load import Checkpoint
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.evaluation.exportable import Exportable, require_export
from crosspath.files import write_tensors
from crosspath.modalities import modality_of
from crosspath.models import ModalityModel
from crosspath.tokenizers.patches import PatchTokenizer

ARCHITECTURE = "vit_base_patch16_224"
"""Its classes and defaults; every size is in `model_args`."""
NORM_EPS = 1e-6
"""Of timm's vision transformers: an argument that no `config.json` can hold."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
POOLINGS = {"mean": "avg", "cls": "token"}
PLACES = (
    ("tokenizer.proj.", "patch_embed.proj."),
    ("encoder.cls_token", "cls_token"),
    ("encoder.blocks.", "blocks."),
    ("encoder.norm.", "norm."),
    ("encoder.reg_token", "reg_token"),
    ("head.norm.", "fc_norm."),
    ("head.linear.", "head."),
)
"""(start of a name here, start of the same in timm)."""


def timm_arguments(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `timm.create_model(ARCHITECTURE, **arguments)` needs to build the classifier.

    Raises
    ------
    InputError
        For a classifier that no vision transformer of timm computes.
    """
    model, section = checkpoint.model, checkpoint.recipe.model
    assert isinstance(model, ModalityModel)
    tokenizer, encoder = model.tokenizer, model.encoder
    if not isinstance(tokenizer, PatchTokenizer) or len(tokenizer.patch) != 2:
        found = f"{checkpoint.recipe.modality}, whose tokens timm does not make"
        raise InputError(checkpoint.path, "a model of flat patches for --format timm", found, "write --format onnx")
    faults = {
        f"model.pooling={section.pooling}": section.pooling not in POOLINGS,
        f"model.norm_eps={section.norm_eps:g}": section.norm_eps != NORM_EPS,
        "model.position_every_block=true": section.position_every_block,
        f"model.head_hidden={list(section.head_hidden)}": bool(section.head_hidden),
        "model.head_batch_norm=true": section.head_batch_norm,
        "model.post_norm=true": section.post_norm,
        "model.embedding_norm=true": section.embedding_norm,
    }
    if any(faults.values()):
        found = ", ".join(name for name, present in faults.items() if present)
        raise InputError(checkpoint.path, "a model that timm has, for --format timm", found, "write --format onnx")
    return {
        "img_size": list(tokenizer.sizes),
        "patch_size": list(tokenizer.patch),
        "in_chans": tokenizer.channels,
        "embed_dim": encoder.width,
        "depth": len(encoder.blocks),
        "num_heads": encoder.blocks[0].attn.num_heads,  # type: ignore[union-attr]
        "qkv_bias": section.qkv_bias,
        "class_token": encoder.has_cls,
        "global_pool": POOLINGS[section.pooling],
        **({} if section.mlp_width is None else {"mlp_ratio": section.mlp_width / encoder.width}),
        **({} if section.activation == "gelu" else {"act_layer": section.activation}),
        **({} if section.layer_scale is None else {"init_values": section.layer_scale}),
        **({} if not section.registers else {"reg_tokens": section.registers}),
        **({} if section.fc_norm is None else {"fc_norm": section.fc_norm}),
    }


def timm_state(model: ModalityModel) -> dict[str, Tensor]:
    """The weights under timm's names. Fixed positions become a tensor; a class token's own position is zero here."""
    tensors = {}
    for name, tensor in model.state_dict().items():
        start, place = next(((ours, theirs) for ours, theirs in PLACES if name.startswith(ours)), (name, name))
        tensors[place + name.removeprefix(start)] = tensor.detach().cpu().contiguous()
    tensors.pop("tokenizer.positions", None)
    positions_1ND = model.tokenizer.positions.detach().cpu()  # type: ignore[operator,union-attr]
    registers = model.encoder.reg_token
    first = int(model.encoder.has_cls) + (0 if registers is None else registers.shape[1])
    positions_1ND = torch.nn.functional.pad(positions_1ND, (0, 0, first, 0))
    return {**tensors, "pos_embed": positions_1ND.clone()}


class WithChannels(nn.Module):
    """A model of images (B, C, H, W) that takes planes (B, H, W) of one channel too."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (B, K)."""
        logits_BK: Tensor = self.model(batch if batch.ndim == 4 else batch[:, None])
        return logits_BK


def describe_timm_input(recipe: Recipe, arguments: dict[str, Any]) -> dict[str, Any]:
    """What timm's model reads: unlike the other formats, samples that are normalised already."""
    export = require_export(recipe)
    return {
        "name": "x",
        "type": "float32",
        "shape": ["batch", arguments["in_chans"], *arguments["img_size"]],
        "axes": ["batch", "channel", *export.axes[-2:]],
        "expected": export.expected(recipe.data),
        "normalisation_before": export.normalisation(recipe.data),
    }


def _crop_share(recipe: Recipe) -> float:
    """What timm calls crop_pct: it resizes the short side to floor(size / crop_pct), and we to `data.resize`."""
    size, short = getattr(recipe.data, "image_size", 1), getattr(recipe.data, "resize", None)
    if short is None:
        return 1.0
    share = size / short
    return share if math.floor(size / share) == short else math.nextafter(share, 0.0)


def write_timm(checkpoint: Checkpoint, folder: Path) -> Callable[[Tensor], Tensor]:
    """Write `config.json` and `model.safetensors` into a folder; open it as timm does, and return what computes logits
    of samples as the reader decodes them.

    Raises
    ------
    InputError
        For a classifier that no vision transformer of timm computes.
    """
    import timm

    arguments, classes, recipe = timm_arguments(checkpoint), list(checkpoint.classes), checkpoint.recipe
    model = checkpoint.model
    assert isinstance(model, ModalityModel)
    state = timm_state(model)
    template = timm.create_model(ARCHITECTURE, num_classes=len(classes), **arguments)
    missing, unexpected = template.load_state_dict(state, strict=False)
    if missing or unexpected:
        found = ", ".join([*(f"{name} missing" for name in missing), *(f"{name} left over" for name in unexpected)])
        raise InputError(checkpoint.path, "a model that timm has, for --format timm", found, "write --format onnx")
    pretrained_cfg: dict[str, Any] = {
        "input_size": [arguments["in_chans"], *arguments["img_size"]],
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": _crop_share(recipe),
        "num_classes": len(classes),
        "classifier": "head",
        "first_conv": "patch_embed.proj",
        "license": "other",
    }
    scaling = modality_of(recipe).scaling(recipe.data)
    if scaling is not None and len(scaling.factor) == arguments["in_chans"] == 3:
        # Colours: timm's own transforms divide by 255, then normalise.
        std = [factor / 255 for factor in scaling.factor]
        pretrained_cfg |= {"mean": [one * its for one, its in zip(scaling.shift, std, strict=True)], "std": std}
    config = {
        "architecture": ARCHITECTURE,
        "num_classes": len(classes),
        "num_features": arguments["embed_dim"],
        "global_pool": arguments["global_pool"],
        "label_names": classes,
        "model_args": arguments,
        "pretrained_cfg": pretrained_cfg,
    }
    write_tensors(folder / WEIGHTS, state, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    pretrained = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return Exportable(WithChannels(pretrained), recipe).eval()
