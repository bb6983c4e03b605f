"""What could go wrong in silence where an optimizer holds the pathways: the numbers of live sums, or a refusal."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import crosspath
from crosspath.pathway import PathwayError, Pathways
from crosspath.pathway.engines.engine import ENGINES, Engine
from tests.errors import refused
from tests.pathway.engines.test_engine import QKV, adamw, batches, connect_vit, state_of, step, vit


def sgd(model: nn.Module, handle: Pathways) -> torch.optim.Optimizer:
    """SGD with momentum; of an optimizer engine's handle, attached."""
    optimizer = torch.optim.SGD(crosspath.param_groups(model, lr=0.1), momentum=0.9)
    if handle.engine == "optimizer":
        handle.attach(optimizer)
    return optimizer


def backward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    cross_entropy(model(batch[0].double()), batch[1]).backward()


def assert_alike(train: Callable[[nn.Module, Pathways, torch.optim.Optimizer], None]) -> None:
    """Both engines come to the same state, in float64."""
    states = []
    for engine in ENGINES:
        model, handle = connect_vit(engine)
        optimizer = sgd(model.double(), handle)
        train(model, handle, optimizer)
        states.append(state_of(model))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-11, atol=1e-12)


# Gradients that were written before the step -----------------------------------------------------------------------


def test_gradients_of_a_step_that_was_left_out_are_not_used() -> None:
    def train(model: nn.Module, handle: Pathways, optimizer: torch.optim.Optimizer) -> None:
        for number, batch in enumerate(batches(4)):
            optimizer.zero_grad()
            backward(model, batch)
            if number == 1:  # As a loop does that finds a norm of NaN.
                handle.fill_gradients()
                continue
            optimizer.step()

    assert_alike(train)


@pytest.mark.parametrize("to_none", [True, False])
def test_another_backward_after_filling_counts(to_none: bool) -> None:
    def train(model: nn.Module, handle: Pathways, optimizer: torch.optim.Optimizer) -> None:
        for first, second in zip(batches(4)[::2], batches(4)[1::2], strict=True):
            backward(model, first)
            handle.fill_gradients()
            backward(model, second)
            optimizer.step()
            optimizer.zero_grad(set_to_none=to_none)

    assert_alike(train)


def test_gradients_may_be_filled_where_an_optimizer_has_a_part_of_the_weights() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = torch.optim.SGD(model.blocks[1].parameters(), lr=0.1)
    handle.attach(optimizer)
    cross_entropy(model(batches()[0][0]), batches()[0][1]).backward()
    handle.fill_gradients()
    assert handle.scales()["blocks.1.attn.qkv.weight", "audio"].grad is not None
    optimizer.step()


# Hooks of a step ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["before attach", "after attach"])
def test_hooks_of_a_step_find_sums_and_their_gradients(order: str) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = torch.optim.SGD(crosspath.param_groups(model, lr=0.1))
    values: list[tuple[Tensor, nn.Module]] = []
    if order == "after attach":
        handle.attach(optimizer)

    def clear(*_: Any) -> None:
        model.zero_grad()
        model.head.bias.grad = torch.ones(5)

    optimizer.register_step_pre_hook(clear)
    weight = model.blocks[0].attn.qkv.weight
    optimizer.register_step_post_hook(lambda *_: values.append((weight.detach().clone(), copy.deepcopy(model))))
    if order == "before attach":
        handle.attach(optimizer)
    before = state_of(model)
    step(model, optimizer, batches()[0])
    assert [name for name, value in state_of(model).items() if not torch.equal(value, before[name])] == ["head.bias"]
    assert torch.equal(values[0][0], weight)
    assert torch.equal(values[0][1](batches()[0][0]), model(batches()[0][0]))


def test_gradient_hooks_on_scales_are_refused() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    hook = handle.scales()[QKV, "audio"].register_hook(lambda gradient: gradient * 0)
    before = state_of(model)
    with refused("weight", "hook", kind=PathwayError):
        step(model, optimizer, batches()[0])
    assert all(torch.equal(value, before[name]) for name, value in state_of(model).items())
    hook.remove()
    step(model, optimizer, batches()[0])


# What trains -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scales", "auxiliaries", "weights"])
def test_an_optimizer_of_leaves_alone_is_refused(kind: str) -> None:
    """They have no gradients but in the attached optimizer's step: nothing would move, or λ twice."""
    model, handle = connect_vit("optimizer")
    leaves = list(getattr(handle, kind)().values())
    with refused("SGD", kind=PathwayError):
        step(model, torch.optim.SGD(leaves, lr=0.1), batches()[0])


def test_a_sum_that_was_frozen_is_not_unfrozen() -> None:
    model, handle = connect_vit("optimizer")
    model.blocks[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with refused("weight", "frozen", kind=PathwayError):
        handle.attach(optimizer)
    model.blocks[0].requires_grad_(True)  # As the message says.
    for (name, _), leaf in [*handle.auxiliaries().items(), *handle.scales().items()]:
        leaf.requires_grad_(not name.startswith("blocks.0"))
    for name, leaf in handle.weights().items():
        leaf.requires_grad_(not name.startswith("blocks.0"))
    handle.attach(optimizer)
    before = state_of(model)
    step(model, optimizer, batches()[0])
    changes = {name for name, value in state_of(model).items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("blocks.0") and "parametrizations" in name for name in changes)
    assert any(name.startswith("blocks.1") and "parametrizations" in name for name in changes)
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    with refused("weight", "frozen", kind=PathwayError):
        step(model, optimizer, batches()[0])


@pytest.mark.parametrize("way", ["unfrozen", "assigned"])
def test_scales_that_train_without_their_optimizer_are_refused(way: str) -> None:
    model, handle = connect_vit("optimizer", **({"train_scale": False} if way == "unfrozen" else {}))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    handle.attach(optimizer)
    if way == "unfrozen":
        for scale in handle.scales().values():
            scale.requires_grad_(True)
    else:
        model.load_state_dict(state_of(model), assign=True)
        optimizer.add_param_group({"params": [p for n, p in model.named_parameters() if not in_groups(optimizer, p)]})
    with refused("SGD", kind=PathwayError):
        step(model, optimizer, batches()[0])
    handle.attach(optimizer)  # As the message says.
    before = handle.scales()[QKV, "audio"].detach().clone()
    step(model, optimizer, batches()[0])
    assert not torch.equal(handle.scales()[QKV, "audio"], before)


def in_groups(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> bool:
    return any(parameter is own for group in optimizer.param_groups for own in group["params"])


def test_a_bias_that_borrows_its_scale_stays_with_its_weight() -> None:
    model, handle = connect_vit("optimizer", bias=True)
    with refused("SGD", "bias", kind=PathwayError):
        handle.attach(torch.optim.SGD([p for p in model.parameters() if p.dim() > 1], lr=0.1))


# Kinds of optimizers -----------------------------------------------------------------------------------------------


def test_named_parameters_keep_their_names() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = torch.optim.AdamW(model.named_parameters(), lr=1e-2)
    handle.attach(optimizer)
    names = {
        id(p): name
        for group in optimizer.param_groups
        for p, name in zip(group["params"], group["param_names"], strict=True)
    }
    state = model.state_dict(keep_vars=True)
    for leaf in [*handle.scales().values(), *handle.auxiliaries().values()]:
        assert state[names[id(leaf)]] is leaf


def test_scales_have_the_highest_rate_of_timms_layer_decay() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-2, weight_decay=0.1, layer_decay=0.5)
    handle.attach(optimizer)
    last = model.blocks[1].attn.qkv.weight
    rates = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(scale)] for scale in handle.scales().values()} == {rates[id(last)]}


def test_an_optimizer_that_finds_its_own_rate() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    for group in optimizer.param_groups:
        group["lr"] = None  # As transformers' Adafactor has it.
    handle.attach(optimizer)
    assert in_groups(optimizer, handle.scales()[QKV, "audio"])


@pytest.mark.parametrize("kind", ["Muon", "Adagrad"])
def test_optimizers_that_cannot_hold_scales_are_refused(kind: str) -> None:
    if not hasattr(torch.optim, kind):
        pytest.skip("this torch has no such optimizer")
    model, handle = connect_vit("optimizer")
    matrices = [parameter for parameter in model.parameters() if parameter.dim() == 2]
    with refused(kind, "live", kind=PathwayError):
        handle.attach(getattr(torch.optim, kind)(matrices, lr=0.1))


@pytest.mark.parametrize("engine", ENGINES)
def test_connecting_in_inference_mode_is_refused(engine: Engine) -> None:
    with torch.inference_mode(), refused("connect", "inference_mode", kind=PathwayError):
        crosspath.connect(vit(0), vit(1), engine=engine)


def test_a_target_made_in_inference_mode_is_refused() -> None:
    with torch.inference_mode():
        target = vit(0)
    with refused("connect", "blocks.0.attn.proj.weight", "inference_mode", kind=PathwayError):
        crosspath.connect(target, vit(1), shrink=0.5)


def test_a_target_made_in_inference_mode_is_not_filled(tmp_path: Path) -> None:
    crosspath.save_pathway(connect_vit("live")[0], tmp_path)
    with torch.inference_mode():
        target = vit(0)
    with refused("cls_token", "inference_mode", kind=PathwayError):
        crosspath.load_pathway(target, tmp_path)
    assert Pathways(target).engine is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_model_that_was_loaded_in_inference_mode_trains(engine: Engine, device: str, tmp_path: Path) -> None:
    crosspath.save_pathway(connect_vit("live")[0], tmp_path)
    model = vit(0).to(device)
    with torch.inference_mode():
        handle = crosspath.load_pathway(model, tmp_path, engine=engine)
        model(batches()[0][0])
    step(model, sgd(model, handle), batches()[0])
    assert handle.scales()[QKV, "audio"] != 0.1


def test_an_optimizer_of_another_model_steps_beside_a_weight_that_other_code_took() -> None:
    model, _ = connect_vit("optimizer")
    nn.utils.parametrizations.weight_norm(model.blocks[0].attn.qkv)
    other = vit(3)
    before = copy.deepcopy(other.state_dict())
    step(other, torch.optim.SGD(other.parameters(), lr=0.1), batches()[0])
    assert not torch.equal(other.state_dict()[QKV], before[QKV])


# Modules around the model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect_outside", [False, True])
@pytest.mark.parametrize("end", [crosspath.merge, crosspath.disconnect])
def test_a_model_in_another_module_ends_plain(end: Callable[[nn.Module], Any], connect_outside: bool) -> None:
    model = vit(0)
    outer = nn.Sequential(model)
    connect_to, end_at = (outer, model) if connect_outside else (model, outer)
    crosspath.connect(connect_to, nn.Sequential(vit(1)) if connect_outside else vit(1), engine="optimizer")
    end(end_at)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)  # a plain weight belongs to whoever writes it
    images = torch.zeros(1, 3, 16, 16)
    assert torch.equal(outer(images), copy.deepcopy(outer)(images))
