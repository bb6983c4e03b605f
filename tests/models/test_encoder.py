"""The encoder against a timm ViT with the same weights, and its options against loops written out."""

import copy
from typing import Any

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from crosspath.models import SIZES, Encoder
from crosspath.tokenizers import Tokens
from tests.errors import refused


def tokens(batch: int = 2, count: int = 5, width: int = 16, dtype: torch.dtype = torch.float32) -> Tokens:
    generator = torch.Generator().manual_seed(1)
    contents = torch.randn(batch, count, width, generator=generator, dtype=dtype)
    return Tokens(contents, torch.randn(1, count, width, generator=generator, dtype=dtype))


def small(**options: object) -> Encoder:
    torch.manual_seed(0)
    return Encoder(16, 3, 4, **options)  # type: ignore[arg-type]


def test_a_timm_vits_blocks_load_by_name_and_give_its_features() -> None:
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()
    encoder = Encoder(*SIZES["tiny"], cls_token=True).eval()
    state = {name: value for name, value in vit.state_dict().items() if name.startswith(("blocks.", "norm."))}
    # timm adds the first row of its position table to the class token; here the token alone holds the sum.
    state["cls_token"] = vit.cls_token + vit.pos_embed[:, :1]
    encoder.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = encoder(Tokens(vit.patch_embed(images), vit.pos_embed[:, 1:]))
        assert torch.equal(ours, vit.forward_features(images))


@pytest.mark.parametrize("class_token", [True, False])
def test_registers_embedding_norm_and_layer_scale_are_timms(class_token: bool) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"embed_dim": 24, "depth": 2, "num_heads": 4, "reg_tokens": 3, "pre_norm": True}
    vit = VisionTransformer(
        img_size=8,
        patch_size=4,
        num_classes=0,
        init_values=0.1,
        no_embed_class=True,
        class_token=class_token,
        global_pool="token" if class_token else "avg",
        fc_norm=False,
        **options,
    ).eval()
    encoder = Encoder(24, 2, 4, registers=3, embedding_norm=True, layer_scale=1.0, cls_token=class_token).eval()
    names = ("blocks.", "norm.", "norm_pre.", "cls_token", "reg_token")
    encoder.load_state_dict({name: value for name, value in vit.state_dict().items() if name.startswith(names)})
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        ours, theirs = encoder(Tokens(vit.patch_embed(images), vit.pos_embed)), vit.forward_features(images)
    kept = [row for row in range(theirs.shape[1]) if not class_token <= row < 3 + class_token]
    torch.testing.assert_close(ours, theirs[:, kept], rtol=0, atol=1e-6)


def test_blocks_with_post_norm_have_no_norm_behind_them() -> None:
    assert not any(name.startswith("norm.") for name in small(post_norm=True).state_dict())


def test_keys_are_timms() -> None:
    names = {name.removeprefix("blocks.0.") for name in small().state_dict() if name.startswith("blocks.0.")}
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    assert names == {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    rest = {name for name in small(cls_token=True).state_dict() if not name.startswith("blocks.")}
    assert rest == {"cls_token", "norm.weight", "norm.bias"}
    assert "blocks.0.attn.qkv.bias" not in small(qkv_bias=False).state_dict()
    assert not any(name.startswith("norm.") for name in small(final_norm=False).state_dict())


def test_positions_are_added_once_at_the_input() -> None:
    encoder, given = small(), tokens()
    x: Tensor = given.tokens_BND + given.positions_BND
    for block in encoder.blocks:
        x = block(x)
    assert torch.equal(encoder(given), encoder.norm(x))


def test_positions_are_added_before_every_block() -> None:
    encoder, given = small(position_every_block=True, cls_token=True), tokens()
    x = torch.cat([encoder.cls_token.expand(2, 1, 16), given.tokens_BND], dim=1)
    positions = torch.cat([encoder.cls_pos, given.positions_BND], dim=1)
    for block in encoder.blocks:
        x = block(x + positions)
    assert torch.equal(encoder(given), encoder.norm(x))
    assert encoder.cls_pos.shape == (1, 1, 16)


def test_positions_may_differ_by_sample() -> None:
    for options in ({}, {"position_every_block": True, "cls_token": True}):
        encoder, given = small(**options), tokens()
        own = Tokens(given.tokens_BND, torch.cat([given.positions_BND, 2 * given.positions_BND]))
        together = encoder(own)
        for i in range(2):
            alone = encoder(Tokens(own.tokens_BND[i : i + 1], own.positions_BND[i : i + 1]))
            torch.testing.assert_close(together[i : i + 1], alone)


def test_the_class_token_comes_first_and_has_no_position_when_added_once() -> None:
    encoder = small(cls_token=True)
    assert encoder.has_cls
    assert encoder.cls_pos is None
    assert not small().has_cls
    without_blocks = copy.deepcopy(encoder)
    without_blocks.blocks = torch.nn.ModuleList()
    without_blocks.norm = torch.nn.Identity()
    features = without_blocks(tokens())
    assert features.shape == (2, 6, 16)
    assert torch.equal(features[:, 0], encoder.cls_token[0].expand(2, 16))


def test_start_values() -> None:
    encoder = Encoder(64, 2, 4, cls_token=True)
    for block in encoder.blocks:
        for linear in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2):
            bound = (6 / (linear.in_features + linear.out_features)) ** 0.5
            assert 0.98 * bound < linear.weight.abs().max().item() <= bound
            assert not linear.bias.any()
    assert 0.01 < encoder.cls_token.std().item() < 0.03


def test_drop_path_grows_linearly_and_norms_have_their_eps() -> None:
    encoder = small(drop_path=0.2, norm_eps=1e-5)
    rates = [block.drop_path for block in encoder.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2])
    norms = [encoder.norm, *(block.norm1 for block in encoder.blocks), *(block.norm2 for block in encoder.blocks)]
    assert {norm.eps for norm in norms} == {1e-5}


def gradients(encoder: Encoder, given: Tokens) -> list[Tensor]:
    torch.manual_seed(5)
    encoder(given).square().mean().backward()
    return [parameter.grad.clone() for parameter in encoder.parameters()]


@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_gradient_checkpointing_changes_no_gradient(drop_path: float) -> None:
    plain = small(drop_path=drop_path, cls_token=True)
    saving = small(drop_path=drop_path, cls_token=True, gradient_checkpointing=True)
    for expected, found in zip(gradients(plain, tokens(8)), gradients(saving, tokens(8)), strict=True):
        assert torch.equal(found, expected)


def test_gradient_checkpointing_recomputes_in_training_only() -> None:
    encoder = small(gradient_checkpointing=True)
    calls: list[int] = []
    encoder.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    encoder.eval()(tokens()).sum().backward()
    assert len(calls) == 1
    encoder.train()(tokens()).sum().backward()
    assert len(calls) == 3


def test_bf16_autocast_stays_close() -> None:
    encoder, given = small(), tokens(8)
    with torch.no_grad():
        exact = encoder(given)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = encoder(given)
    assert rounded.isfinite().all()
    assert 0 < (rounded.float() - exact).norm() < 0.03 * exact.norm()


def test_features_do_not_depend_on_the_order_of_tokens() -> None:
    encoder, given = small().double(), tokens(dtype=torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = Tokens(given.tokens_BND[:, order], given.positions_BND[:, order])
    torch.testing.assert_close(encoder(moved), encoder(given)[:, order], rtol=0, atol=1e-12)


def test_heads_that_do_not_divide_the_width_are_an_error() -> None:
    with refused("heads", "16", "3"):
        Encoder(16, 1, 3)
