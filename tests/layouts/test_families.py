"""Every family of models that a layout describes: found by itself, each role of every block, λ = 0 changes nothing,
every paired role matters, merged bitwise, and the plain keys come back.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import crosspath
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.slot import read_entries, write_entries
from crosspath.pathway.sources.source import ModuleSource, StateSource
from tests.errors import refused
from tests.layouts.families import (
    DEPTH,
    FAMILIES,
    HEADS,
    PICTURE,
    PLAIN,
    SIZES,
    WIDTH,
    shape_of,
    timm_model,
    transformers,
)

WITHOUT_ROLE = ("relative_position", "lambda", "conv_dw", "cpb_mlp", "logit_scale")
"""What stands in blocks and is no role: positions, layer scales, depthwise convolution."""


@pytest.fixture(scope="module", params=FAMILIES)
def family_model(request: pytest.FixtureRequest) -> tuple[str, nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    model, inputs = FAMILIES[request.param]()
    return request.param, model.eval(), inputs


def output(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    torch.manual_seed(7)
    with torch.no_grad():
        result = model(*inputs)
    return result if isinstance(result, Tensor) else result[0]


def donor(seed: int = 1) -> nn.Module:
    """An auxiliary of the same width, depth and heads: a timm ViT."""
    torch.manual_seed(seed)
    return timm_model("vit_tiny_patch16_224")()[0]


def donor_for(family: str) -> nn.Module:
    """A timm ViT where that pairs whole, else another model of the family."""
    shape = shape_of(family)
    if shape.roles == PLAIN and shape.widths == (WIDTH, WIDTH):
        return donor()
    torch.manual_seed(1)
    return FAMILIES[family]()[0]


def test_every_role_of_every_block_is_recognised(family_model: tuple[str, nn.Module, tuple[Tensor, ...]]) -> None:
    family, model, _ = family_model
    shape = shape_of(family)
    anatomy = locate(ModuleSource(model))
    assert anatomy is not None
    assert anatomy.blocks == tuple(range(len(shape.widths)))
    assert set(anatomy.slots) == {(block, role) for block in anatomy.blocks for role in shape.roles}
    assert anatomy.heads == dict(enumerate(shape.heads))
    assert anatomy.norm in (shape.norm, None)  # None: discovered, and not yet probed
    assert not anatomy.ambiguous
    for (block, role), slot in anatomy.slots.items():
        assert slot.shape[1 if role in ("query", "key", "value", "mlp_in", "mlp_gate") else 0] == shape.widths[block]
    # Nothing with two axes stands in a block that no role names.
    with_role = {slot.weight for slot in anatomy.slots.values()}
    for path in anatomy.paths.values():
        inside = {name for name, value in model.named_parameters() if name.startswith(path) and value.ndim > 1}
        assert {name for name in inside - with_role if not any(part in name for part in WITHOUT_ROLE)} == set()
    # The names alone, as a file gives them, are enough, but where rows come head by head.
    by_name = locate(StateSource(model.state_dict()))
    assert by_name is not None
    by_class = {key for key, slot in anatomy.slots.items() if slot.groups > 1}
    if family == "timm eva02 fused":  # which half of one weight is the gate
        by_class |= {
            (block, role) for block in anatomy.blocks for role in ("query", "key", "value", "mlp_in", "mlp_gate")
        }
    expected = {key: slot for key, slot in anatomy.slots.items() if key not in by_class}
    assert {key: by_name.slots.get(key) for key in expected} == expected
    assert set(by_name.ambiguous) == by_class


def test_identity_effect_of_every_role_merge_and_keys(family_model: tuple[str, nn.Module, tuple[Tensor, ...]]) -> None:
    family, model, inputs = family_model
    shape = shape_of(family)
    plain = output(model, inputs)
    keys = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
    classes = [type(module) for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    accept = {"norm"}
    auxiliary = donor_for(family)
    report = crosspath.match(model, auxiliary, accept=accept)
    assert not report.mismatches
    assert len(report.pairs) == len(shape.widths) * len(shape.roles)
    for role in shape.roles:
        pathway = crosspath.connect(model, auxiliary, roles={role}, accept=accept)
        assert torch.equal(output(model, inputs), plain)
        with torch.no_grad():
            for scale in pathway.scales().values():
                scale.fill_(0.5)
        assert not torch.equal(output(model, inputs), plain), role
        crosspath.disconnect(model)
        assert torch.equal(output(model, inputs), plain)
    crosspath.connect(model, auxiliary, scale_init=0.3, accept=accept)
    result = output(model, inputs)
    crosspath.merge(model)
    assert torch.equal(output(model, inputs), result)
    assert {name: (value.shape, value.dtype) for name, value in model.state_dict().items()} == keys
    assert [type(module) for module in model.modules()] == classes
    model.load_state_dict(before)


def test_each_slot_does_what_its_role_says(family_model: tuple[str, nn.Module, tuple[Tensor, ...]]) -> None:
    """Seen from outside: without values nothing else of attention matters; without queries keys do not, values do."""
    family, model, inputs = family_model
    if "query" not in shape_of(family).roles:
        return
    anatomy = locate(ModuleSource(model))
    assert anatomy is not None
    before = copy.deepcopy(model.state_dict())

    def write(role: str, value: Callable[[Tensor], Tensor]) -> None:
        with torch.no_grad():
            for (_, own_role), slot in anatomy.slots.items():
                for part in (slot, slot.bias) if own_role == role else ():
                    if part is not None:
                        tensor = model.get_parameter(part.weight)
                        write_entries(tensor, part, value(read_entries(tensor, part)))

    for silent_role, others, another in (("value", ("query", "key"), "mlp_out"), ("query", ("key",), "value")):
        write(silent_role, torch.zeros_like)
        silent = output(model, inputs)
        for role in others:
            write(role, torch.randn_like)
        torch.testing.assert_close(output(model, inputs), silent, msg=f"{silent_role} silenced: {others} still matter")
        if another in shape_of(family).roles:
            write(another, torch.randn_like)
            assert not torch.allclose(output(model, inputs), silent), another
        model.load_state_dict(before)


def test_two_towers_are_not_guessed_between() -> None:
    vision = transformers.CLIPVisionConfig(**SIZES, **PICTURE)
    text = transformers.CLIPTextConfig(
        **SIZES, vocab_size=50, max_position_embeddings=16, bos_token_id=1, eos_token_id=2
    )
    both = transformers.CLIPModel(transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
    with refused("CLIPModel", "text_model", "vision_model", kind=crosspath.PathwayError):
        crosspath.match(both, donor())


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "eva02_base_patch14_224"])
def test_a_gated_mlp_is_named_as_what_does_not_pair(name: str) -> None:
    """Its attention pairs with a plain block's; its mlp does not, whatever its shapes, and the report says why."""
    ours = timm_model(name)()[0]
    report = crosspath.match(ours, donor())
    assert {mismatch.what for mismatch in report.mismatches} == {"gate"}
    assert {mismatch.where for mismatch in report.mismatches} == {
        f"{role} of block 0-1" for role in ("mlp_in", "mlp_gate", "mlp_out")
    }
    assert len(crosspath.match(ours, donor(), roles="attention").pairs) == DEPTH * 4
    assert not crosspath.match(ours, donor(), accept={"heads", "norm", "partial"}).ok


def test_the_biases_of_beit_pair_apart() -> None:
    """Query and value have a bias of their own, the key has none; a fused bias is cut to fit, and filled in part."""
    torch.manual_seed(0)
    beit, vit = timm_model("beit_base_patch16_224")()[0], donor()
    with torch.no_grad():
        for name, parameter in (*beit.named_parameters(), *vit.named_parameters()):
            if name.endswith("bias"):
                parameter.normal_()
    q, v = beit.blocks[0].attn.q_bias.detach().clone(), beit.blocks[0].attn.v_bias.detach().clone()
    fused = vit.blocks[0].attn.qkv.bias.detach().clone()
    handle = crosspath.connect(beit, vit, bias=True, scale_per="role")
    assert set(handle.reports["auxiliary"].without_bias) == {f"blocks.{b}.attn.qkv.weight[32:64]" for b in (0, 1)}
    scale = handle.scales()["blocks.0.attn.qkv.weight", "auxiliary"]
    with torch.no_grad():
        scale.copy_(torch.tensor([0.5, 2.0, -1.0]))
    torch.testing.assert_close(beit.blocks[0].attn.q_bias, q + 0.5 * fused[:WIDTH])
    torch.testing.assert_close(beit.blocks[0].attn.v_bias, v - fused[2 * WIDTH :])
    inputs = (torch.randn(2, 3, 32, 32),)
    result = output(beit.eval(), inputs)
    crosspath.merge(beit)
    assert torch.equal(output(beit, inputs), result)
    other = crosspath.connect(vit, beit, bias=True, scale_init=1.0)
    assert len(other.reports["auxiliary"].without_bias) == 2
    torch.testing.assert_close(vit.blocks[0].attn.qkv.bias[:WIDTH], fused[:WIDTH] + beit.blocks[0].attn.q_bias)
    assert torch.equal(vit.blocks[0].attn.qkv.bias[WIDTH : 2 * WIDTH], fused[WIDTH : 2 * WIDTH])
    torch.testing.assert_close(
        vit.blocks[0].attn.qkv.bias[2 * WIDTH :], fused[2 * WIDTH :] + beit.blocks[0].attn.v_bias
    )


def test_heads_differ_from_stage_to_stage() -> None:
    """Each block of a Swin has the head count of its stage, and so many λ."""
    ours, theirs = FAMILIES["timm swin"]()[0], FAMILIES["timm swin"]()[0]
    handle = crosspath.connect(ours, theirs, scale_per="head")
    counts = {name: len(scale) for (name, _), scale in handle.scales().items() if "attn" in name}
    assert counts == {
        f"layers.{stage}.blocks.{block}.attn.{layer}.weight": HEADS * (1 + stage)
        for stage, block in ((0, 0), (1, 0), (1, 1))
        for layer in ("qkv", "proj")
    }
