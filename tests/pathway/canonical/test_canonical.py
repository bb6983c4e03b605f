"""Canonical pathways: with W = 0 and λ = 1 the target's blocks compute as the auxiliary's, whatever norms and layer
scales these have; what cannot be made equal is refused, or accepted by name.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

import crosspath
from crosspath.pathway import match
from crosspath.pathway.canonical.canonical import FLOOR
from crosspath.pathway.engines.engine import ENGINES, Engine
from tests.errors import refused
from tests.pathway.small_models import HeadMajorBlock, randomise

WIDTH, HEADS, DEPTH = 16, 2, 2
EXACT = {torch.float64: 1e-12, torch.float32: 1e-5}
WEIGHTS = Path(__file__).resolve().parents[4] / "shared" / "weights"
HF = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS}


class Body(nn.Module):
    """timm's blocks, with layer scale."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH, heads: int = HEADS, **options: Any) -> None:
        super().__init__()
        options = {"qkv_bias": True, "init_values": 1.0, "norm_layer": partial(nn.LayerNorm, eps=1e-6), **options}
        self.blocks = nn.Sequential(*(Block(width, heads, **options) for _ in range(depth)))

    def forward(self, tokens_BND: Tensor) -> Tensor:
        result: Tensor = self.blocks(tokens_BND)
        return result


def eps_of(eps: float) -> dict[str, Any]:
    return {"norm_layer": partial(nn.LayerNorm, eps=eps)}


def redraw(model: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter drawn anew: matrices that keep the size of what they read, vectors around 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(values / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 1 + values / 3)
    return model.eval()


def neutral(model: nn.Module, seed: int | None = None) -> nn.Module:
    """W, b and β 0, γ and s 1; with a seed the target has norms and layer scales of its own."""
    generator = torch.Generator().manual_seed(seed or 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            own = seed is not None and ("norm" in name or "ls" in name)
            values = torch.rand(parameter.shape, generator=generator) if own else torch.zeros(parameter.shape)
            parameter.copy_(values if parameter.ndim > 1 or name.endswith("bias") else values + (0.5 if own else 1.0))
    return model.eval()


def transformers_model(name: str, **settings: Any) -> Any:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    return getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))


def whisper(width: int = WIDTH) -> Any:
    side = {f"{part}_{what}": count for part in ("encoder", "decoder") for what, count in SIDE.items()}
    return transformers_model("Whisper", d_model=width, vocab_size=60, **side, **dict.fromkeys(TOKENS, 1)).encoder


SIDE = {"layers": DEPTH, "attention_heads": HEADS, "ffn_dim": 4 * WIDTH}
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


def torch_encoder(norm_first: bool = True) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=norm_first, layer_norm_eps=1e-6
    )
    return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)


def through(layers: Any, tokens: Tensor, *others: Any) -> Tensor:
    for layer in layers:
        result = layer(tokens, *others)
        tokens = result[0] if isinstance(result, tuple) else result
    return tokens


FAMILIES: dict[str, tuple[Callable[[], Any], Callable[[Any, Tensor], Tensor], float]] = {
    "timm, layer scale": (Body, lambda model, x: model(x), 1e-6),
    "timm BEiT": (
        lambda: timm.create_model(
            "beit_base_patch16_224",
            embed_dim=WIDTH,
            depth=DEPTH,
            num_heads=HEADS,
            img_size=16,
            patch_size=8,
            use_rel_pos_bias=False,
            use_abs_pos_emb=True,
        ),
        lambda model, x: model.blocks[1](model.blocks[0](x)),
        1e-6,
    ),
    "transformers DINOv2": (
        lambda: transformers_model("Dinov2", **HF),
        lambda model, x: through(model.encoder.layer, x),
        1e-6,
    ),
    "transformers ViT": (
        lambda: transformers_model("ViT", **HF, intermediate_size=4 * WIDTH, layer_norm_eps=1e-6),
        lambda model, x: through(model.layers, x),
        1e-6,
    ),
    "Whisper's encoder, no key bias": (whisper, lambda model, x: through(model.layers, x, None), 1e-5),
    "torch": (torch_encoder, lambda model, x: through(model.layers, x), 1e-6),
}


def tokens(dtype: torch.dtype) -> Tensor:
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(7), dtype=torch.float64).to(dtype)


def error(ours: Tensor, theirs: Tensor, inputs: Tensor) -> float:
    """‖ours - theirs‖ relative to what the blocks add to their inputs."""
    return float((ours - theirs).norm() / (theirs - inputs).norm())


@pytest.mark.parametrize("family", FAMILIES)
def test_canonical_reproduces_the_auxiliary_and_raw_does_not(family: str) -> None:
    build, forward, eps = FAMILIES[family]
    plain = redraw(build())
    for dtype, limit in EXACT.items():
        auxiliary, inputs = plain.to(dtype), tokens(dtype)
        for seed in (None, 3):  # also relative to norms and layer scales of the target's own
            target = neutral(Body(**eps_of(eps)).to(dtype), seed)
            handle = crosspath.connect(target, auxiliary, scale_init=1.0, canonical=True)
            (note,) = handle.reports["auxiliary"].notes
            assert "weights are folded" in note
            assert not any("scores" in line or "order" in line for line in handle.reports["auxiliary"].unverified)
            with torch.no_grad():
                expected = forward(auxiliary, inputs)
                assert error(target(inputs), expected, inputs) < limit
                crosspath.disconnect(target)
                crosspath.connect(target, auxiliary, scale_init=1.0, bias=True)
                assert error(target(inputs), expected, inputs) > 0.1


@pytest.mark.parametrize("family", ["timm, layer scale", "transformers DINOv2", "Whisper's encoder, no key bias"])
def test_files_and_state_dicts_give_what_modules_give(family: str, tmp_path: Path) -> None:
    build, _, eps = FAMILIES[family]
    auxiliary = redraw(build())
    sources: list[Any] = [auxiliary.state_dict()]
    if hasattr(auxiliary, "save_pretrained"):
        auxiliary.save_pretrained(tmp_path)
        sources.append(tmp_path)
    of_module = crosspath.connect(neutral(Body(**eps_of(eps))), auxiliary, canonical=True).auxiliaries()
    for source in sources:
        handle = crosspath.connect(neutral(Body(**eps_of(eps))), source, canonical=True)
        assert handle.auxiliaries().keys() == of_module.keys()
        for key, value in handle.auxiliaries().items():
            torch.testing.assert_close(value, of_module[key], rtol=1e-5, atol=1e-6)  # products in mapped memory
        assert any("by names alone" in line for line in handle.reports["auxiliary"].unverified)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dinov2-small", "whisper-tiny-en-encoder"])
def test_real_weights_are_reproduced(name: str) -> None:
    folder = WEIGHTS / name
    if not folder.is_dir():
        pytest.skip(f"needs {name}, which is not at hand")
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    from safetensors.torch import load_file

    if name == "dinov2-small":
        model = transformers.Dinov2Model.from_pretrained(folder).double().eval()
        layers, others, depth, eps = model.encoder.layer, (), 12, 1e-6
    else:
        model = transformers.WhisperModel(transformers.WhisperConfig.from_pretrained(folder)).encoder.double().eval()
        state = load_file(folder / "model.safetensors")
        model.load_state_dict({key.removeprefix("encoder."): value for key, value in state.items()})
        layers, others, depth, eps = model.layers, (None,), 4, 1e-5
    target = neutral(Body(384, depth, 6, **eps_of(eps)).double())
    inputs = torch.randn(1, 20, 384, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        expected = through(layers, inputs, *others)
        crosspath.connect(target, folder, scale_init=1.0, canonical=True)
        assert error(target(inputs), expected, inputs) < 1e-12
        crosspath.disconnect(target)
        crosspath.connect(target, folder, scale_init=1.0, bias=True)
        assert error(target(inputs), expected, inputs) > 0.9


def test_w_prime_is_the_equations() -> None:
    target, auxiliary = redraw(Body(), 1), redraw(Body(), 2)
    values = crosspath.connect(target, auxiliary, canonical=True).auxiliaries()
    ours, theirs = target.blocks[0], auxiliary.blocks[0]  # type: ignore[index]
    gain = theirs.norm2.weight / ours.norm2.weight
    torch.testing.assert_close(values["blocks.0.mlp.fc1.weight", "auxiliary"], theirs.mlp.fc1.weight * gain)
    bias = theirs.mlp.fc1.bias + theirs.mlp.fc1.weight @ (theirs.norm2.bias - gain * ours.norm2.bias)
    torch.testing.assert_close(values["blocks.0.mlp.fc1.bias", "auxiliary"], bias, rtol=1e-4, atol=1e-5)
    gain = (theirs.ls2.gamma / ours.ls2.gamma)[:, None]
    torch.testing.assert_close(values["blocks.0.mlp.fc2.weight", "auxiliary"], theirs.mlp.fc2.weight * gain)


def test_small_scales_of_the_target_count_as_the_floor() -> None:
    target, auxiliary = neutral(Body(init_values=1e-5)), redraw(Body())
    with torch.no_grad():
        target.blocks[0].ls2.gamma.fill_(-1e-5)  # type: ignore[index]
    handle = crosspath.connect(target, auxiliary, canonical=True)
    scale = auxiliary.blocks[0].ls2.gamma[:, None] / -FLOOR  # type: ignore[index]
    found = handle.auxiliaries()["blocks.0.mlp.fc2.weight", "auxiliary"]
    torch.testing.assert_close(found, auxiliary.blocks[0].mlp.fc2.weight * scale)  # type: ignore[index]
    assert f"entries below {FLOOR} 0 to {WIDTH}" in str(handle.status())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scale_per", ["layer", "role", "channel"])
def test_it_trains_merges_loads_and_disconnects(engine: Engine, scale_per: Any, tmp_path: Path) -> None:
    target, auxiliary = redraw(Body(), 1), redraw(whisper(), 2)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    handle = crosspath.connect(
        target, {"audio": auxiliary}, canonical=True, scale_init=0.5, scale_per=scale_per, engine=engine
    )
    optimizer = torch.optim.SGD(target.parameters(), lr=0.1)
    if engine == "optimizer":
        handle.attach(optimizer)
    inputs = tokens(torch.float32)
    starts = {key: value.detach().clone() for key, value in handle.auxiliaries().items()}
    target(inputs).square().mean().backward()
    optimizer.step()
    learning = {key: value for key, value in handle.auxiliaries().items() if not any("norm" in name for name in key)}
    assert learning
    assert not any(torch.equal(value, starts[key]) for key, value in learning.items())
    with torch.no_grad():
        expected = target(inputs)
    crosspath.save_pathway(target, tmp_path)
    again = redraw(Body(), 5)
    crosspath.load_pathway(again, tmp_path, engine=engine)
    with torch.no_grad():
        assert torch.equal(again(inputs), expected)
        assert str(crosspath.status(again)) == str(crosspath.status(target))
        receipt = crosspath.merge(target)
        assert torch.equal(target(inputs), expected)
        assert target.state_dict().keys() == before.keys()
    assert receipt.derived["blocks.0.attn.proj.weight"]["audio"]
    assert receipt.auxiliaries["audio"]["options"]["canonical"] is True
    crosspath.disconnect(again)
    plain = redraw(Body(), 1)
    crosspath.connect(plain, auxiliary, canonical=True, engine=engine)
    crosspath.disconnect(plain)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


def test_a_bias_has_the_scale_of_its_channel_where_others_have_none() -> None:
    target = timm.create_model(
        "beit_base_patch16_224", embed_dim=WIDTH, depth=1, num_heads=HEADS, img_size=16, use_rel_pos_bias=False
    )
    auxiliary = redraw(Body(depth=1))
    handle = crosspath.connect(neutral(target), auxiliary, canonical=True, scale_per="channel")
    scale = handle.scales()["blocks.0.attn.qkv.weight", "auxiliary"]
    with torch.no_grad():
        scale.copy_(torch.arange(3 * WIDTH))
    own = {name: handle.auxiliaries()[f"blocks.0.attn.{name}", "auxiliary"] for name in ("q_bias", "v_bias")}
    attention = target.blocks[0].attn
    torch.testing.assert_close(attention.q_bias, scale[:WIDTH] * own["q_bias"])
    torch.testing.assert_close(attention.v_bias, scale[2 * WIDTH :] * own["v_bias"])
    assert any("biases of keys are left out" in note for note in handle.reports["auxiliary"].notes)
    merged = attention.v_bias.detach().clone()
    crosspath.merge(target)
    assert torch.equal(attention.v_bias, merged)


def test_one_bias_for_rows_in_groups_has_their_scales() -> None:
    """Head by head, where the target's key has no bias of its own to be found by (rows of one bias, all of them)."""
    target = nn.Module()
    target.h = nn.ModuleList([HeadMajorBlock()])
    randomise(target)
    auxiliary = nn.Module()
    auxiliary.h = nn.ModuleList([HeadMajorBlock()])
    handle = crosspath.connect(target, randomise(auxiliary), bias=True, scale_per="channel")
    scale = handle.scales()["h.0.self_attention.query_key_value.weight", "auxiliary"]
    with torch.no_grad():
        scale.copy_(torch.arange(len(scale)))
    layer = target.h[0].self_attention.query_key_value
    own = layer.parametrizations.bias.original
    theirs = auxiliary.h[0].self_attention.query_key_value.bias
    torch.testing.assert_close(layer.bias, own + scale * theirs)


def test_a_target_without_biases_is_refused_or_goes_without() -> None:
    target, auxiliary = neutral(Body(qkv_bias=False)), redraw(Body())
    report = match(target, auxiliary, canonical=True)
    assert {mismatch.where.partition(" of block")[0] for mismatch in report.mismatches} == {
        "bias of query",
        "bias of value",
    }
    assert any("keys" in note for note in report.notes)
    with refused("connect", "bias of query of block 0-1"):
        crosspath.connect(target, auxiliary, canonical=True)
    handle = crosspath.connect(target, auxiliary, canonical=True, accept={"bias"})
    assert [mismatch.what for mismatch in handle.reports["auxiliary"].accepted] == ["bias", "bias"]
    assert ("blocks.0.attn.qkv.bias", "auxiliary") not in handle.auxiliaries()


def rms_body() -> nn.Module:
    return Body(norm_layer=partial(nn.RMSNorm, eps=1e-6))


REFUSALS: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "post-norm, torch": (Body, lambda: torch_encoder(norm_first=False), "post-norm"),
    "post-norm on both sides": (
        lambda: torch_encoder(norm_first=False),
        lambda: torch_encoder(norm_first=False),
        "post-norm",
    ),
    "post-norm, BERT": (
        Body,
        lambda: transformers_model("Bert", vocab_size=40, **HF, intermediate_size=4 * WIDTH),
        "post-norm",
    ),
    "RMSNorm": (Body, rms_body, "RMSNorm"),
    "LayerNorm beside RMSNorm": (rms_body, Body, "LayerNorm"),
    "norms of queries and keys": (Body, lambda: Body(qk_norm=True), "attn.q_norm.weight"),
    "the target's norms of queries": (lambda: Body(qk_norm=True), Body, "attn.q_norm.weight"),
    "relative positions": (
        Body,
        lambda: timm.create_model(
            "beit_base_patch16_224", embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, img_size=16, patch_size=8
        ),
        "attn.relative_position_bias_table",
    ),
    "a norm inside the mlp": (Body, lambda: Body(scale_mlp_norm=True), "no norm"),
    "names that tell too little": (Body, lambda: torch_encoder().state_dict(), "blocks normalise"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_folded_is_refused_and_may_be_accepted(case: str) -> None:
    build_target, build, reason = REFUSALS[case]
    target, auxiliary = build_target(), build()
    others = {"norm"} | {"heads"}
    with refused("connect", reason):
        crosspath.connect(target, auxiliary, canonical=True, accept=others)
    handle = crosspath.connect(target, auxiliary, canonical=True, accept={*others, "fold"})
    differences = handle.reports["auxiliary"].accepted
    assert any(mismatch.what == "fold" and reason in mismatch.reason for mismatch in differences)


def test_roles_of_the_mlp_do_not_ask_for_the_attention() -> None:
    report = match(Body(), Body(qk_norm=True), canonical=True, roles="mlp")
    assert report.ok
    assert report.pairs[0].derivation is not None


def test_what_differs_beside_the_weights_is_said() -> None:
    target = Body(act_layer=nn.ReLU, **eps_of(1e-6))
    notes = match(target, whisper(), canonical=True).notes
    assert any("1e-06" in note and "1e-05" in note for note in notes)
    assert any("relu" in note and "gelu" in note for note in notes)
    assert match(Body(), Body().state_dict(), canonical=True).unverified


class Parallel(Block):
    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return x + self.ls1(self.attn(self.norm1(x))) + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class MlpFirst(Block):
    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = x + self.ls2(self.mlp(self.norm2(x)))
        return x + self.ls1(self.attn(self.norm1(x)))  # type: ignore[no-any-return]


class HalfStream(Block):
    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return super().forward(x, *args, **kwargs) - x / 2  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("block", "scale", "words"),
    [
        (Block, 1.0, "scale of its scores"),
        (Parallel, None, "another order"),
        (MlpFirst, None, "another order"),
        (HalfStream, None, "the attention computes otherwise"),
    ],
)
def test_blocks_that_compute_otherwise_with_equal_weights_are_told(
    block: type[Block], scale: float | None, words: str
) -> None:
    auxiliary = Body()
    for own in auxiliary.blocks:
        own.__class__ = block
        own.attn.fused_attn, own.attn.scale = scale is None, scale or own.attn.scale  # type: ignore[union-attr]
    for pair in ((Body(), auxiliary), (auxiliary, Body())):
        report = match(*pair, canonical=True)
        assert report.ok
        assert any(words in note for note in report.notes)
    assert len(match(auxiliary, auxiliary, canonical=True).notes) == 1
    assert any("scores" in line for line in match(Body(), auxiliary.state_dict(), canonical=True).unverified)


def test_rms_gives_w_prime_the_spread_of_w() -> None:
    target, auxiliary = redraw(Body(), 1), redraw(Body(), 2)
    own = target.blocks[1].mlp.fc1.weight.detach().clone()  # type: ignore[index]
    plain = crosspath.connect(redraw(Body(), 1), auxiliary, canonical=True).auxiliaries()
    for canonical in (True, False):
        handle = crosspath.connect(redraw(Body(), 1), auxiliary, canonical=canonical, normalise="rms")
        value = handle.auxiliaries()["blocks.1.mlp.fc1.weight", "auxiliary"]
        torch.testing.assert_close(value.square().mean(), own.square().mean())
        assert "normalise: to the root mean square of W" in str(handle.status())
        if canonical:
            factor = value / plain["blocks.1.mlp.fc1.weight", "auxiliary"]
            bias = handle.auxiliaries()["blocks.1.mlp.fc1.bias", "auxiliary"]
            torch.testing.assert_close(bias, plain["blocks.1.mlp.fc1.bias", "auxiliary"] * factor.mean())
    with refused("normalise", "zeros"):
        crosspath.connect(neutral(Body()), auxiliary, normalise="rms")
    with refused("normalise", "'max'"):
        crosspath.connect(target, auxiliary, normalise="max")  # type: ignore[arg-type]


def test_settings_that_do_not_go_together_are_refused() -> None:
    with refused("canonical", "'head'"):
        crosspath.connect(Body(), Body(), canonical=True, scale_per="head")
    with refused("canonical", "names="):
        crosspath.connect(Body(), Body(), canonical=True, names="qkv")
    with refused("canonical"):
        crosspath.connect(Body(), Body(), canonical="yes")  # type: ignore[arg-type]
    with refused("fit", "'learned'"):
        crosspath.connect(Body(), Body(24), canonical=True, fit="learned")
    assert crosspath.connect(Body(), Body(), names="qkv", normalise="rms").names == ("auxiliary",)


def test_folding_comes_before_a_fit_and_unfolding_after_it() -> None:
    target, auxiliary = redraw(Body(), 1), redraw(Body(24), 2)
    handle = crosspath.connect(target, auxiliary, canonical=True, fit="slice", normalise="rms")
    ours, theirs = target.blocks[0], auxiliary.blocks[0]  # type: ignore[index]
    row = next(row for row in handle.status() if row.weight == "blocks.0.mlp.fc1.weight")
    assert [record.step for record in row.derived[0]] == ["fold", "fit", "unfold", "normalise"]
    own = ours.mlp.fc1.parametrizations.weight.original
    expected = (theirs.mlp.fc1.weight * theirs.norm2.weight)[: 4 * WIDTH, :WIDTH] / ours.norm2.weight
    expected = expected * (own.square().mean() / expected.square().mean()).sqrt()
    torch.testing.assert_close(handle.auxiliaries()["blocks.0.mlp.fc1.weight", "auxiliary"], expected)
