"""Faults of the published code that could occur here; each test shows that ours does not have it.

The numbers are those of the list of known faults of the official repository.
"""

import copy

import pytest
import timm
import torch
from torch import nn

import crosspath
from crosspath.pathway.sources.parameters import holders
from tests.errors import refused
from tests.pathway.small_models import HEADS, WIDTH, Body, FunctionalBody, randomise


def tokens() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 5, WIDTH)


def test_01_a_connected_auxiliary_has_an_effect() -> None:
    """Published point classification builds the auxiliary and never connects it."""
    target, inputs = Body(), tokens()
    before = target(inputs)
    handle = crosspath.connect(target, Body(), scale_init=0.5)
    assert not torch.allclose(target(inputs), before)
    assert len(handle.scales()) == 4 * len(target.blocks)


def test_02_bias_free_layers_connect() -> None:
    """Published point segmentation crashes on qkv without bias."""
    target = Body(qkv_bias=False)
    crosspath.connect(target, Body(qkv_bias=False), scale_init=0.5, bias=True)
    assert target.blocks[0].attn.qkv.bias is None
    target(tokens()).sum().backward()


def test_03_attention_that_reads_the_weight_itself_sees_the_pathway() -> None:
    """Published video attention calls F.linear with qkv.weight: λ = 5 changes nothing there, and gets no gradient."""
    target, inputs = FunctionalBody(), tokens()
    before = target(inputs)
    handle = crosspath.connect(target, FunctionalBody(), scale_init=5.0)
    after = target(inputs)
    assert not torch.allclose(after, before)
    after.sum().backward()
    for scale in handle.scales().values():
        assert scale.grad is not None
        assert float(scale.grad.abs()) > 0
    for auxiliary in handle.auxiliaries().values():
        assert float(auxiliary.grad.abs().sum()) > 0


@pytest.mark.parametrize(("ours", "theirs"), [(3, 2), (2, 4)])
def test_09_a_depth_mismatch_names_every_unpaired_block(ours: int, theirs: int) -> None:
    target = Body(depth=ours)
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(target, Body(depth=theirs))
    message = str(error.value)
    assert f"target has {ours} blocks" in message
    assert f"auxiliary has {theirs}" in message
    side = "target" if ours > theirs else "auxiliary"
    for block in range(min(ours, theirs), max(ours, theirs)):
        assert f"{side} block {block}" in message
    assert not any(holder.pathway for holder in holders(target))
    handle = crosspath.connect(target, Body(depth=theirs), blocks={0: 1, 1: 0})
    assert len(handle.scales()) == 8


def test_10_a_head_mismatch_is_refused_unless_accepted() -> None:
    target, auxiliary = Body(heads=HEADS), Body(heads=2 * HEADS)
    with pytest.raises(crosspath.PathwayError, match=f"target has {HEADS} heads, auxiliary has {2 * HEADS}"):
        crosspath.connect(target, auxiliary)
    report = crosspath.connect(target, auxiliary, accept={"heads"}).reports["auxiliary"]
    assert [difference.what for difference in report.accepted] == ["heads"]


def test_10_heads_do_not_matter_to_the_mlp() -> None:
    report = crosspath.connect(Body(heads=HEADS), Body(heads=2 * HEADS), roles="mlp").reports["auxiliary"]
    assert {pair.role for pair in report.pairs} == {"mlp_in", "mlp_out"}


def test_11_a_missing_bias_on_one_side_is_listed_and_skipped() -> None:
    target = Body(qkv_bias=True)
    handle = crosspath.connect(target, Body(qkv_bias=False), bias=True)
    report = handle.reports["auxiliary"]
    assert any("attn.qkv.weight" in pair for pair in report.without_bias)
    assert "no pair of biases" in str(report)
    assert not any("qkv.bias" in weight for weight, _ in handle.auxiliaries())
    assert any("proj.bias" in weight for weight, _ in handle.auxiliaries())


def test_12_nothing_is_connected_without_an_auxiliary() -> None:
    target = Body()
    with pytest.raises(crosspath.PathwayError, match="expected a module, a state dict or a path, found NoneType"):
        crosspath.connect(target, None)
    assert not any(holder.pathway for holder in holders(target))


def test_13_the_auxiliary_is_never_shared_or_changed() -> None:
    auxiliary = Body().requires_grad_(False)
    before = copy.deepcopy(auxiliary.state_dict())
    first, second = Body(), Body()
    for target in (first, second):
        handle = crosspath.connect(target, auxiliary, scale_init=0.5)
        optimizer = torch.optim.SGD(target.parameters(), lr=0.1)
        target(tokens()).pow(2).sum().backward()
        optimizer.step()
        for (weight, _), values in handle.auxiliaries().items():
            assert not torch.equal(values, before[weight])
    assert all(torch.equal(value, before[name]) for name, value in auxiliary.state_dict().items())
    assert not any(parameter.requires_grad for parameter in auxiliary.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_14_dtype_of_the_target_is_followed(dtype: torch.dtype) -> None:
    target = Body().to(dtype)
    handle = crosspath.connect(target, Body(), scale_init=0.5)
    assert {p.dtype for p in (*handle.scales().values(), *handle.auxiliaries().values())} == {dtype}
    assert target(tokens().to(dtype)).dtype == dtype


def test_14_a_meta_target_does_not_lose_the_values_of_the_auxiliary() -> None:
    with torch.device("meta"):
        target, structure = Body(), Body()
    with refused("connect", "blocks.0.attn.qkv.weight", "meta", "load it", kind=crosspath.PathwayError):
        crosspath.connect(target, Body())
    crosspath.connect(target, structure)
    assert "no values" in str(crosspath.status(target))
    assert all(row.scale is None for row in crosspath.status(target))
    with refused("blocks.0.attn.qkv.weight", "meta", kind=crosspath.PathwayError):
        crosspath.merge(target)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_14_device_of_the_target_is_followed() -> None:
    target = Body().cuda()
    handle = crosspath.connect(target, Body(), scale_init=0.5)
    assert all(p.is_cuda for p in (*handle.scales().values(), *handle.auxiliaries().values()))


def test_14_frozen_stays_frozen_and_hooks_stay() -> None:
    target = Body()
    target.blocks[0].requires_grad_(False)
    calls: list[int] = []
    target.blocks[1].attn.qkv.register_forward_hook(lambda *_: calls.append(1))
    handle = crosspath.connect(target, Body(), train_auxiliary=False)
    for name, parameter in target.named_parameters():
        if name.startswith("blocks.0") and "scales" not in name:
            assert not parameter.requires_grad, name
    assert not any(parameter.requires_grad for parameter in handle.auxiliaries().values())
    assert all(parameter.requires_grad for parameter in handle.scales().values())
    target(tokens())
    assert calls == [1]
    crosspath.merge(target)
    assert not target.blocks[0].attn.qkv.weight.requires_grad
    assert target.blocks[1].attn.qkv.weight.requires_grad


def test_15_a_second_connect_adds() -> None:
    target, inputs = randomise(Body()), tokens()
    first, second = randomise(Body()), randomise(Body())
    reference = copy.deepcopy(target)
    with torch.no_grad():
        for ours, a, b in zip(reference.blocks, first.blocks, second.blocks, strict=True):
            for path in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"):
                weight = ours.get_submodule(path).weight
                weight += 0.5 * a.get_submodule(path).weight + 0.25 * b.get_submodule(path).weight
    crosspath.connect(target, first, scale_init=0.5)
    handle = crosspath.connect(target, second, scale_init=0.25)
    assert handle.names == ("auxiliary", "auxiliary_2")
    torch.testing.assert_close(target(inputs), reference(inputs), rtol=1e-5, atol=1e-5)
    with refused("auxiliary", "'auxiliary'", kind=crosspath.PathwayError):
        crosspath.connect(target, {"auxiliary": first})


def test_16_a_shape_mismatch_names_both_shapes_and_leaves_the_target() -> None:
    target = Body()
    plain = copy.deepcopy(target.state_dict())
    with refused("connect", "8 wide", "auxiliary 16", kind=crosspath.PathwayError):
        crosspath.connect(target, Body(width=16))
    assert list(target.state_dict()) == list(plain)


def test_17_a_connected_checkpoint_does_not_load_as_plain() -> None:
    target = Body()
    crosspath.connect(target, Body(), scale_init=0.5)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Body().load_state_dict(target.state_dict())


def test_17_merging_exists_and_its_keys_are_the_plain_ones() -> None:
    target, inputs = Body(), tokens()
    keys = list(target.state_dict())
    crosspath.connect(target, Body(), scale_init=0.5)
    with torch.no_grad():
        before = target(inputs)
        crosspath.merge(target)
        assert torch.equal(target(inputs), before)
    fresh = Body()
    fresh.load_state_dict(target.state_dict(), strict=True)
    assert list(target.state_dict()) == keys


def test_18_a_block_in_a_plain_attribute_is_recognised() -> None:
    """The published lookup sees direct submodules only; here blocks may lie at any depth."""
    outer = nn.Module()
    outer.anything = nn.Module()
    outer.anything.inside = Body()
    handle = crosspath.connect(outer, Body())
    assert all(weight.startswith("anything.inside.blocks.") for weight, _ in handle.scales())


def test_paper_figures_of_vit_base() -> None:
    """48 λ and 84,934,656 auxiliary weights for ViT-B."""
    with torch.device("meta"):
        target, auxiliary = (timm.create_model("vit_base_patch16_224") for _ in range(2))
    handle = crosspath.connect(target, auxiliary)
    assert len(handle.scales()) == 48
    assert sum(values.numel() for values in handle.auxiliaries().values()) == 84_934_656
