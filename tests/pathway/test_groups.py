"""Parameter groups: λ apart, W' with its W, layer-wise rates by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import nn

import crosspath
from tests.errors import refused
from tests.pathway.small_models import Body

transformers = pytest.importorskip("transformers", reason="needs transformers")


def rate_of(groups: list[dict[str, object]], parameter: nn.Parameter) -> tuple[float, float]:
    matching = [group for group in groups if any(p is parameter for p in group["params"])]
    assert len(matching) == 1
    return matching[0]["lr"], matching[0]["weight_decay"]


def test_every_parameter_is_in_one_group() -> None:
    target = Body()
    target.blocks[0].norm1.weight.requires_grad_(False)
    crosspath.connect(target, {"a": Body(), "b": Body()}, bias=True)
    groups = crosspath.param_groups(target, lr=1e-3, weight_decay=0.05)
    ids = [id(p) for group in groups for p in group["params"]]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in target.parameters() if p.requires_grad}
    torch.optim.AdamW(groups)


def test_scales_have_their_own_rate_and_no_decay() -> None:
    target = Body()
    handle = crosspath.connect(target, Body(), scale_per="channel")
    groups = crosspath.param_groups(target, lr=1e-3, weight_decay=0.05, scale_lr=1e-2, layer_decay=0.5)
    assert {rate_of(groups, scale) for scale in handle.scales().values()} == {(1e-2, 0.0)}
    groups = crosspath.param_groups(target, lr=1e-3, weight_decay=0.05, layer_decay=0.5)
    assert {rate_of(groups, scale) for scale in handle.scales().values()} == {(1e-3, 0.0)}


def test_layer_decay_follows_the_published_rule_and_takes_the_auxiliary_along() -> None:
    target = timm.create_model("vit_tiny_patch16_224", depth=3, num_classes=2)
    handle = crosspath.connect(target, timm.create_model("vit_tiny_patch16_224", depth=3))
    groups = crosspath.param_groups(target, lr=1.0, weight_decay=0.1, layer_decay=0.5)
    last = 4  # depth + 1
    assert rate_of(groups, target.patch_embed.proj.weight) == (0.5**last, 0.1)
    assert rate_of(groups, target.cls_token)[0] == 0.5**last
    assert rate_of(groups, target.pos_embed)[0] == 0.5**last
    for index in range(3):
        layer = target.blocks[index].attn.qkv
        assert rate_of(groups, layer.parametrizations.weight.original) == (0.5 ** (last - index - 1), 0.1)
        values = handle.auxiliaries()[f"blocks.{index}.attn.qkv.weight", "auxiliary"]
        assert rate_of(groups, values) == (0.5 ** (last - index - 1), 0.1)
        assert rate_of(groups, layer.bias) == (0.5 ** (last - index - 1), 0.0)
    assert rate_of(groups, target.norm.weight) == (1.0, 0.0)
    assert rate_of(groups, target.head.weight) == (1.0, 0.1)


def test_layer_decay_counts_blocks_through_the_stages() -> None:
    sizes = {"img_size": 32, "embed_dim": 16, "depths": (1, 2), "num_heads": (2, 4), "window_size": 2}
    target = timm.create_model("swin_tiny_patch4_window7_224", **sizes)
    groups = crosspath.param_groups(target, lr=1.0, weight_decay=0.1, layer_decay=0.5)
    assert rate_of(groups, target.patch_embed.proj.weight)[0] == 0.5**4
    for block, layer in enumerate((target.layers[0].blocks[0], *target.layers[1].blocks)):
        assert rate_of(groups, layer.mlp.fc1.weight)[0] == 0.5 ** (3 - block)
    assert rate_of(groups, target.layers[1].downsample.reduction.weight)[0] == 0.5**2
    assert rate_of(groups, target.head.fc.weight)[0] == 1.0


def opt() -> tuple[nn.Module, str, tuple[str, ...], str]:
    sizes = {"hidden_size": 8, "ffn_dim": 16, "num_attention_heads": 2, "vocab_size": 20, "max_position_embeddings": 8}
    model = transformers.OPTModel(transformers.OPTConfig(num_hidden_layers=2, word_embed_proj_dim=4, **sizes))
    return model, "decoder.", ("embed_tokens", "embed_positions", "project_in"), "project_out"


def bart() -> tuple[nn.Module, str, tuple[str, ...], str]:
    sizes = {"d_model": 8, "encoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.BartConfig(encoder_layers=2, vocab_size=20, max_position_embeddings=8, **sizes)
    return transformers.BartModel(config).encoder, "", ("embed_tokens", "embed_positions", "layernorm_embedding"), ""


def clip() -> tuple[nn.Module, str, tuple[str, ...], str]:
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "image_size": 8, "patch_size": 4}
    model = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(num_hidden_layers=2, **sizes))
    return model, "vision_model." if hasattr(model, "vision_model") else "", ("pre_layrnorm",), "post_layernorm"


def speech(pre_norm: bool) -> tuple[nn.Module, str, tuple[str, ...], str]:
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "conv_dim": (8,), "conv_kernel": (3,)}
    sizes |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "conv_stride": (2,)}
    settings = transformers.Wav2Vec2Config(
        num_hidden_layers=2, num_feat_extract_layers=1, do_stable_layer_norm=pre_norm, **sizes
    )
    before = ("feature_projection", "encoder.pos_conv_embed", "masked_spec_embed")
    norm = "encoder.layer_norm"
    return transformers.Wav2Vec2Model(settings), "", before if pre_norm else (*before, norm), norm if pre_norm else ""


@pytest.mark.parametrize("build", [opt, bart, clip, lambda: speech(True), lambda: speech(False)])
def test_what_stands_before_the_blocks_has_the_lowest_rate(
    build: Callable[[], tuple[nn.Module, str, tuple[str, ...], str]],
) -> None:
    model, prefix, before, after = build()
    groups = crosspath.param_groups(model, lr=1.0, layer_decay=0.5)
    rates = {name: rate_of(groups, parameter)[0] for name, parameter in model.named_parameters()}
    for part in before:
        found = {rate for name, rate in rates.items() if name.startswith(prefix + part)}
        assert found == {0.5**3}, part
    if after:
        assert {rate for name, rate in rates.items() if name.startswith(prefix + after)} == {1.0}


@pytest.mark.parametrize("value", [0, -0.5, 1.5, float("nan"), "x", True])
def test_a_layer_decay_that_is_no_factor_is_refused(value: Any) -> None:
    with refused("layer_decay", kind=crosspath.PathwayError):
        crosspath.param_groups(Body(), lr=1e-3, layer_decay=value)


def test_layer_decay_without_known_blocks_is_refused() -> None:
    with refused("layer_decay", "blocks", "layout", kind=crosspath.PathwayError):
        crosspath.param_groups(nn.Linear(3, 3), lr=1e-3, layer_decay=0.5)


def test_a_bias_pathway_has_no_decay() -> None:
    target = Body()
    handle = crosspath.connect(target, Body(), bias=True)
    groups = crosspath.param_groups(target, lr=1e-3, weight_decay=0.05)
    values = handle.auxiliaries()["blocks.0.attn.qkv.bias", "auxiliary"]
    assert rate_of(groups, values) == (1e-3, 0.0)


def test_weights_inside_another_librarys_parametrization_are_not_forgotten() -> None:
    target = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))
    groups = crosspath.param_groups(target, lr=1e-3, weight_decay=0.05)
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in target.parameters())


def test_a_layout_is_for_layer_decay() -> None:
    with refused("layout", "layer_decay", kind=crosspath.PathwayError):
        crosspath.param_groups(Body(), lr=1e-3, layout="timm blocks")
