"""LoRA adapters and pathways on one model: W + B·A·s + λ·W', whichever merges first."""

import copy
import warnings
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

import crosspath

peft = pytest.importorskip("peft")

from crosspath.integrations.peft import merge_lora  # noqa: E402
from crosspath.pathway.engines.engine import ENGINES, Engine  # noqa: E402
from tests.errors import refused  # noqa: E402

ADAPTED = ("attn.qkv", "mlp.fc1")
LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
SCALE = 0.3


def vit(seed: int) -> Any:
    torch.manual_seed(seed)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=4
    )
    return model.double().eval()


def adapted(model: nn.Module, **options: Any) -> Any:
    """With adapters whose B is not zero, as after some training."""
    config = peft.LoraConfig(target_modules=["qkv", "fc1"], r=2, lora_alpha=3, **options)
    with_adapters = peft.get_peft_model(model, config)
    torch.manual_seed(9)
    with torch.no_grad():
        for name, parameter in with_adapters.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    return with_adapters.eval()


def connected_after_peft(engine: Engine = "live") -> Any:
    model = adapted(vit(0))
    crosspath.connect(model, {"audio": vit(1)}, scale_init=SCALE, engine=engine)
    return model


def connected_before_peft(engine: Engine = "live") -> Any:
    model = vit(0)
    crosspath.connect(model, {"audio": vit(1)}, scale_init=SCALE, engine=engine)
    return adapted(model)


def images() -> Tensor:
    torch.manual_seed(3)
    return torch.randn(2, 3, 16, 16, dtype=torch.float64)


def closed_form() -> dict[str, Tensor]:
    """W + B·A·s + λ·W', written out."""
    state, auxiliary = vit(0).state_dict(), vit(1).state_dict()
    lora = adapted(vit(0)).state_dict()
    for index in range(2):
        for layer in LAYERS:
            name = f"blocks.{index}.{layer}"
            state[f"{name}.weight"] = state[f"{name}.weight"] + SCALE * auxiliary[f"{name}.weight"]
            if layer in ADAPTED:
                a, b = (lora[f"base_model.model.{name}.lora_{part}.default.weight"] for part in "AB")
                state[f"{name}.weight"] = state[f"{name}.weight"] + 3 / 2 * b @ a
    return state


@pytest.mark.parametrize("build", [connected_after_peft, connected_before_peft])
@pytest.mark.parametrize("first", ["lora", "pathway"])
@pytest.mark.parametrize("engine", ENGINES)
def test_both_merge_in_either_order_to_the_closed_form(build: Any, first: str, engine: Engine) -> None:
    model = build(engine)
    with torch.no_grad():
        connected = model(images())
    if first == "lora":
        model = merge_lora(model)
        crosspath.merge(model)
    else:
        crosspath.merge(model)
        model = model.merge_and_unload()
    expected = closed_form()
    assert list(model.state_dict()) == list(expected)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-13, atol=1e-15)
    plain = vit(5)
    plain.load_state_dict(expected)
    with torch.no_grad():
        torch.testing.assert_close(model(images()), plain(images()), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(model(images()), connected, rtol=1e-12, atol=1e-14)


def test_the_two_orders_give_equal_outputs() -> None:
    first, second = connected_after_peft(), connected_after_peft()
    lora_first = merge_lora(first)
    crosspath.merge(lora_first)
    crosspath.merge(second)
    pathway_first = second.merge_and_unload()
    with torch.no_grad():
        torch.testing.assert_close(lora_first(images()), pathway_first(images()), rtol=1e-12, atol=1e-14)


def test_the_roles_of_an_adapted_target_are_inside_the_adapters() -> None:
    report = crosspath.match(adapted(vit(0)), vit(1))
    assert report.ok
    assert len(report.pairs) == 2 * 6
    assert report.unverified == ()
    inside = [str(pair.target) for pair in report.pairs if "base_layer" in str(pair.target)]
    assert len(inside) == 2 * 4
    assert crosspath.match(adapted(vit(0)), vit(1), roles="mlp").not_chosen != ()


def test_adapters_on_a_split_model_pair_with_a_fused_one() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=16, patch_size=8
    )
    model = transformers.ViTForImageClassification(config).double().eval()
    expected = model.vit.layers[1].attention.q_proj.weight.detach().clone()
    model = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj", "fc2"], r=2))
    crosspath.connect(model, {"audio": vit(1)}, scale_init=SCALE)
    crosspath.merge(plain := merge_lora(model))
    expected += SCALE * vit(1).blocks[1].attn.qkv.weight[:16].detach()
    torch.testing.assert_close(plain.vit.layers[1].attention.q_proj.weight.detach(), expected, rtol=0, atol=1e-12)


def test_layer_wise_rates_reach_what_lies_inside_an_adapter() -> None:
    model = connected_after_peft()
    groups = {group["name"]: group for group in crosspath.param_groups(model, lr=1.0, layer_decay=0.5, scale_lr=2.0)}
    assert set(groups) == {"layer 1", "layer 2", "scales"}
    assert groups["layer 1"]["lr"] == 0.25
    inside = model.base_model.model.blocks[0].attn.qkv
    expected = {
        id(inside.lora_A["default"].weight),
        id(inside.base_layer.parametrizations.weight[0].auxiliary("audio")),
    }
    assert expected <= {id(parameter) for parameter in groups["layer 1"]["params"]}


def auxiliary_of(model: Any, auxiliary: Any, layer: str) -> Tensor:
    """W' of one layer."""
    handle = crosspath.connect(model, {"audio": auxiliary})
    return handle.auxiliaries()[f"blocks.1.{layer}.weight", "audio"].detach()


@pytest.mark.parametrize("options", [{}, {"use_dora": True}, {"use_rslora": True}, {"bias": "lora_only"}])
def test_an_adapted_auxiliary_gives_its_weights_with_its_adapters(options: dict[str, Any]) -> None:
    auxiliary = adapted(vit(1), **options)
    before = copy.deepcopy(auxiliary.state_dict())
    given = {layer: auxiliary_of(vit(0), auxiliary, layer) for layer in LAYERS}
    assert all(torch.equal(value, before[name]) for name, value in auxiliary.state_dict().items())
    merged = auxiliary.merge_and_unload()
    for layer, values in given.items():
        expected = merged.blocks[1].get_submodule(layer).weight
        torch.testing.assert_close(values, expected, rtol=1e-13, atol=1e-15)
        assert torch.equal(values, vit(1).blocks[1].get_submodule(layer).weight) is (layer not in ADAPTED)


def test_an_adapted_auxiliary_counts_as_it_computes_now() -> None:
    auxiliary = adapted(vit(1))
    bare = vit(1).blocks[1].attn.qkv.weight
    with auxiliary.disable_adapter():
        assert torch.equal(auxiliary_of(vit(0), auxiliary, "attn.qkv"), bare)
    auxiliary.merge_adapter()
    with_adapter = auxiliary_of(vit(0), auxiliary, "attn.qkv")
    assert torch.equal(with_adapter, auxiliary.base_model.model.blocks[1].attn.qkv.base_layer.weight)
    assert not torch.equal(with_adapter, bare)


def test_a_connected_and_adapted_auxiliary_gives_both() -> None:
    for build in (connected_before_peft, connected_after_peft):
        values = auxiliary_of(vit(2), build(), "attn.qkv")
        torch.testing.assert_close(values, closed_form()["blocks.1.attn.qkv.weight"], rtol=1e-13, atol=1e-15)


def test_layers_that_an_adapter_trains_whole_are_those_that_it_uses() -> None:
    auxiliary = adapted(vit(1), modules_to_save=["fc2"])
    inside = auxiliary.base_model.model.blocks[1].mlp.fc2
    with torch.no_grad():
        inside.modules_to_save["default"].weight.fill_(0.5)
    assert torch.equal(auxiliary_of(vit(0), auxiliary, "mlp.fc2"), torch.full_like(inside.original_module.weight, 0.5))


@pytest.mark.parametrize("kind", ["IA3Config", "LoHaConfig", "OFTConfig"])
def test_other_kinds_of_adapters_give_what_they_merge_to(kind: str) -> None:
    options: dict[str, Any] = {"target_modules": ["qkv", "fc1"]}
    options |= (
        {"feedforward_modules": ["fc1"]}
        if kind == "IA3Config"
        else {"oft_block_size": 4, "r": 0}
        if kind == "OFTConfig"
        else {"r": 2}
    )
    auxiliary = peft.get_peft_model(vit(1), getattr(peft, kind)(**options)).eval()
    torch.manual_seed(9)
    with torch.no_grad():
        for parameter in auxiliary.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    given = {layer: auxiliary_of(vit(0), auxiliary, layer) for layer in ADAPTED}
    merged = auxiliary.merge_and_unload()
    for layer, values in given.items():
        expected = merged.blocks[1].get_submodule(layer).weight
        torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-14)
        assert not torch.allclose(values, vit(1).blocks[1].get_submodule(layer).weight)


def test_a_state_dict_with_adapters_is_refused_and_the_advice_works() -> None:
    auxiliary = adapted(vit(1))
    adapters = peft.get_peft_model_state_dict(auxiliary)
    for state in (auxiliary.state_dict(), auxiliary.base_model.model.state_dict(), adapters):
        with refused("auxiliary (state dict)", "adapters", "merge_and_unload", kind=crosspath.PathwayError):
            crosspath.connect(vit(0), state)
        with refused("auxiliary (state dict)", kind=crosspath.PathwayError):
            crosspath.match(vit(0), state)
    assert crosspath.match(vit(0), auxiliary.merge_and_unload().state_dict()).ok


def test_after_the_adapters_merged_the_pathways_still_work() -> None:
    model = merge_lora(connected_after_peft())
    assert type(model) is type(vit(0))
    assert [row.ratio for row in crosspath.status(model)]
    with crosspath.pathways(model).disabled(), torch.no_grad():
        bare = adapted(vit(0))(images())
        torch.testing.assert_close(model(images()), bare, rtol=1e-12, atol=1e-14)
    receipt = crosspath.merge(model)
    assert list(receipt.auxiliaries) == ["audio"]


@pytest.mark.parametrize("engine", ENGINES)
def test_after_the_adapters_merged_a_new_scale_counts(engine: Engine) -> None:
    model = merge_lora(connected_after_peft(engine))
    with torch.no_grad():
        for scale in crosspath.pathways(model).scales().values():
            scale.zero_()
        torch.testing.assert_close(model(images()), adapted(vit(0))(images()), rtol=1e-12, atol=1e-14)


def test_pathways_and_adapters_train_together() -> None:
    model = connected_after_peft()
    groups = crosspath.param_groups(model, lr=0.1, weight_decay=0.1)
    before = copy.deepcopy(model.state_dict())
    model(images()).square().sum().backward()
    torch.optim.SGD(groups).step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any("lora_B" in name for name in moved)
    assert any(name.endswith(".scales.audio") for name in moved)
    assert not any(name.endswith(".original") for name in moved if "base_layer" in name)


def test_connecting_before_peft_freezes_the_scale_and_status_shows_it() -> None:
    assert not any(row.trains_scale for row in crosspath.status(connected_before_peft()))
    assert all(row.trains_scale for row in crosspath.status(connected_after_peft()))


@pytest.mark.parametrize("scale", [0.0, SCALE])
def test_connecting_before_peft_is_noticed_at_the_first_step(scale: float) -> None:
    model = vit(0)
    crosspath.connect(model, {"audio": vit(1)}, scale_init=scale)
    model = adapted(model)
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.1)
    model(images()).square().sum().backward()
    with pytest.warns(UserWarning, match=r"every λ was frozen after `connect` \(get_peft_model"):
        optimizer.step()


def test_pefts_own_merge_on_a_connected_layer_would_lose_the_adapter() -> None:
    """Why `merge_lora` exists: without it nothing fails, and B·A is gone."""
    with pytest.warns(UserWarning, match="loses the adapters"):
        model = connected_after_peft().merge_and_unload()
    crosspath.merge(model)
    expected, auxiliary = vit(0).state_dict(), vit(1).state_dict()
    name = "blocks.0.attn.qkv.weight"
    torch.testing.assert_close(model.state_dict()[name], expected[name] + SCALE * auxiliary[name])


def test_an_adapter_that_is_no_sum_has_to_come_after_the_pathways() -> None:
    def dora() -> Any:
        model = vit(0)
        crosspath.connect(model, {"audio": vit(1)}, scale_init=SCALE)
        return adapted(model, use_dora=True)

    model = dora()
    with torch.no_grad():
        connected = model(images())
    with refused("base_model.model.blocks.0.attn.qkv", "crosspath.merge", kind=crosspath.PathwayError):
        merge_lora(model)
    crosspath.merge(model)
    merged = merge_lora(model)
    with torch.no_grad():
        torch.testing.assert_close(merged(images()), connected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["merge_and_unload", "merge_adapter"])
def test_pefts_own_merge_of_a_connected_model_is_noticed(method: str) -> None:
    model = connected_after_peft()
    with pytest.warns(UserWarning, match=r"4 connected weights.*blocks\.0\.attn\.qkv.*crosspath\.merge before it"):
        getattr(copy.deepcopy(model), method)()
    crosspath.merge(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merge_lora(connected_after_peft())
        getattr(model, method)()


@pytest.mark.parametrize("method", ["merge_and_unload", "merge_adapter"])
def test_pefts_own_merge_of_a_model_with_a_connected_part_is_noticed(method: str) -> None:
    model = adapted(vit(0))
    crosspath.connect(model.base_model.model, {"audio": vit(1)}, scale_init=SCALE)
    with pytest.warns(UserWarning, match=r"1 connected weight.*crosspath\.merge before it"):
        getattr(copy.deepcopy(model), method)()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merge_lora(copy.deepcopy(model))
        crosspath.merge(model.base_model.model)
        getattr(model, method)()
