"""Models of torch, torchvision and open_clip, and a few as small repositories write them."""

from collections.abc import Callable

import pytest
from torch import nn

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.own_models import NanoGpt, PairedBlocks, steps
from tests.layouts.zoo.transformers_build import DEPTH, HEADS, HIDDEN, WIDTH

TORCH_LAYER = {
    "self_attn.in_proj_weight": "query+key+value",
    "self_attn.out_proj.weight": "attention_output",
    "linear1.weight": "mlp_in",
    "linear2.weight": "mlp_out",
}


def encoder(norm_first: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, batch_first=True, norm_first=norm_first)
        return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)

    return build


def encoder_layer(norm_first: bool) -> Callable[[], nn.Module]:
    return lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, batch_first=True, norm_first=norm_first)


def decoder() -> nn.Module:
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, HEADS, HIDDEN, batch_first=True), DEPTH)


def both_stacks() -> nn.Module:
    return nn.Transformer(WIDTH, HEADS, DEPTH, DEPTH, HIDDEN, batch_first=True)


def torchvision_vit() -> nn.Module:
    from torchvision.models.vision_transformer import VisionTransformer

    return VisionTransformer(32, 8, DEPTH, HEADS, WIDTH, HIDDEN)


def torchvision_swin(second: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import swin_transformer as module

        block = module.SwinTransformerBlockV2 if second else module.SwinTransformerBlock
        merging = module.PatchMergingV2 if second else module.PatchMerging
        return module.SwinTransformer(
            [4, 4], WIDTH, [2, 2], [HEADS, 2 * HEADS], [2, 2], block=block, downsample_layer=merging
        )

    return build


def torchvision_convnext() -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(16, WIDTH, 2), CNBlockConfig(WIDTH, None, 2)], 0.0)


def torchvision_resnet(bottleneck: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import resnet

        block = resnet.Bottleneck if bottleneck else resnet.BasicBlock
        return resnet.ResNet(block, [2, 2, 2, 2], width_per_group=64, num_classes=10)

    return build


def open_clip_tower() -> nn.Module:
    module = pytest.importorskip("open_clip.transformer", reason="needs open_clip")
    tower = module.Transformer(WIDTH, DEPTH, HEADS)
    assert isinstance(tower, nn.Module)
    return tower


def open_clip_vision() -> nn.Module:
    module = pytest.importorskip("open_clip.transformer", reason="needs open_clip")
    tower = module.VisionTransformer(32, 8, WIDTH, DEPTH, HEADS, 4.0, output_dim=16)
    assert isinstance(tower, nn.Module)
    return tower


def open_clip_text() -> nn.Module:
    module = pytest.importorskip("open_clip.transformer", reason="needs open_clip")
    tower = module.TextTransformer(16, 50, WIDTH, HEADS, DEPTH, output_dim=16)
    assert isinstance(tower, nn.Module)
    return tower


def open_clip_whole() -> nn.Module:
    module = pytest.importorskip("open_clip", reason="needs open_clip")
    vision = module.CLIPVisionCfg(layers=DEPTH, width=WIDTH, head_width=WIDTH // HEADS, patch_size=8, image_size=32)
    text = module.CLIPTextCfg(context_length=16, vocab_size=50, width=WIDTH, heads=HEADS, layers=DEPTH)
    whole = module.CLIP(16, vision, text)
    assert isinstance(whole, nn.Module)
    return whole


def named_model(name: str, build: Callable[[], nn.Module], roles: dict[str, str], norm: str = "pre") -> Configuration:
    return Configuration(name=name, build=build, roles=roles, norm=norm)


OPEN_CLIP = {
    "attn.in_proj_weight": "query+key+value",
    "attn.out_proj.weight": "attention_output",
    "mlp.c_fc.weight": "mlp_in",
    "mlp.c_proj.weight": "mlp_out",
}
NANO = {
    "attn.c_attn.weight": "query+key+value",
    "attn.c_proj.weight": "attention_output",
    "mlp.c_fc.weight": "mlp_in",
    "mlp.c_proj.weight": "mlp_out",
}
SWIN = {
    "attn.qkv.weight": "query+key+value",
    "attn.proj.weight": "attention_output",
    "mlp.0.weight": "mlp_in",
    "mlp.3.weight": "mlp_out",
}

CONFIGURATIONS: tuple[Configuration, ...] = (
    named_model("torch TransformerEncoder, norm first", encoder(True), TORCH_LAYER),
    named_model("torch TransformerEncoder", encoder(False), TORCH_LAYER, "post"),
    named_model("torch TransformerEncoderLayer, norm first", encoder_layer(True), TORCH_LAYER),
    named_model("torch TransformerEncoderLayer", encoder_layer(False), TORCH_LAYER, "post"),
    named_model("torch TransformerDecoder", decoder, TORCH_LAYER, "post"),
    named_model("torch Transformer", both_stacks, TORCH_LAYER, "post"),
    named_model(
        "torchvision ViT",
        torchvision_vit,
        {
            "self_attention.in_proj_weight": "query+key+value",
            "self_attention.out_proj.weight": "attention_output",
            "mlp.0.weight": "mlp_in",
            "mlp.3.weight": "mlp_out",
        },
    ),
    named_model("torchvision Swin", torchvision_swin(False), SWIN),
    named_model("torchvision Swin V2", torchvision_swin(True), SWIN, "res-post"),
    named_model(
        "torchvision ConvNeXt", torchvision_convnext, {"block.3.weight": "mlp_in", "block.5.weight": "mlp_out"}
    ),
    Configuration(name="torchvision ResNet, basic blocks", build=torchvision_resnet(False)),
    Configuration(name="torchvision ResNet, bottlenecks", build=torchvision_resnet(True)),
    named_model("open_clip Transformer", open_clip_tower, OPEN_CLIP),
    named_model("open_clip VisionTransformer", open_clip_vision, OPEN_CLIP),
    named_model("open_clip TextTransformer", open_clip_text, OPEN_CLIP),
    named_model("open_clip CLIP, both towers", open_clip_whole, OPEN_CLIP),
    named_model("nanoGPT", NanoGpt, NANO),
    named_model(
        "to_q, to_kv and to_out, as x-transformers has them",
        PairedBlocks,
        {
            "0.to_q.weight": "query",
            "0.to_kv.weight": "key+value or none",
            "0.to_out.0.weight": "attention_output",
            "1.1.weight": "mlp_in",
            "1.4.weight": "mlp_out",
        },
    ),
    named_model(
        "hand-written blocks with unusual names",
        steps,
        {
            "look.in_proj_weight": "query+key+value",
            "look.out_proj.weight": "attention_output",
            "widen.weight": "mlp_in",
            "narrow.weight": "mlp_out",
        },
    ),
)
