"""`fit="learned"`: P·W'·Q, computed at every read, trained, saved, resumed and folded to the bit."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import crosspath
from crosspath.integrations.restore import restore
from tests.errors import refused
from tests.pathway.small_models import Body, Decoder, HeadMajorBlock, TransposedBlock, randomise

WIDE, NARROW = 24, 12


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def body(width: int = NARROW, heads: int = 3, depth: int = 2) -> Body:
    model = Body(depth, width, heads)
    randomise(model)
    return model


def connect_body(target: nn.Module | None = None, auxiliary: nn.Module | None = None, **options: object) -> nn.Module:
    target = body() if target is None else target
    auxiliary = body(WIDE, 4) if auxiliary is None else auxiliary
    crosspath.connect(target, {"a": auxiliary}, fit="learned", **{"scale_init": 0.5, **options})  # type: ignore[arg-type]
    return target


def tokens(width: int = NARROW) -> Tensor:
    return torch.randn(2, 5, width)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        model(tokens()).square().mean().backward()
        optimizer.step()


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(crosspath.param_groups(model, lr=1e-2, weight_decay=0.1))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_starts_where_spectra_are() -> None:
    target, auxiliary = body(), body(WIDE, 4)
    reference = copy.deepcopy(target)
    crosspath.connect(reference, {"a": auxiliary}, fit="spectra", scale_init=0.5)
    model, inputs = connect_body(target, auxiliary), tokens()
    assert torch.allclose(model(inputs), reference(inputs), atol=1e-5)
    with crosspath.pathways(model).disabled(), crosspath.pathways(reference).disabled():
        assert torch.equal(model(inputs), reference(inputs))


def test_gradients_are_those_of_the_product() -> None:
    target = connect_body(body().double(), body(WIDE, 4).double())
    weight = target.blocks[0].mlp.fc1
    pathway = crosspath.pathways(target)
    key = ("blocks.0.mlp.fc1.weight", "a")
    pair, auxiliary, scale = pathway.learned_pairs()[key], pathway.auxiliaries()[key], pathway.scales()[key]
    gradient = torch.randn(4 * NARROW, NARROW, dtype=torch.float64)
    weight.weight.backward(gradient)
    left, right = pair["left.0"], pair["right.0"]
    assert torch.allclose(auxiliary.grad, scale * left.T @ gradient @ right.T)  # type: ignore[arg-type]
    assert torch.allclose(left.grad, scale * gradient @ right.T @ auxiliary.T)  # type: ignore[arg-type]
    assert torch.allclose(right.grad, scale * auxiliary.T @ left.T @ gradient)  # type: ignore[arg-type]
    assert torch.allclose(scale.grad, (gradient * (left @ auxiliary @ right)).sum())  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [HeadMajorBlock, TransposedBlock])
def test_other_orders_of_storage(block: type[nn.Module]) -> None:
    target = randomise(Decoder(block))
    auxiliary = body(WIDE, 4)
    reference = copy.deepcopy(target)
    crosspath.connect(reference, {"a": auxiliary}, fit="spectra", scale_init=0.5)
    inputs = tokens(8)
    output = connect_body(target, auxiliary)(inputs)
    assert torch.allclose(output, reference(inputs), atol=1e-4)
    crosspath.merge(target)
    assert torch.equal(target(inputs), output)


@pytest.mark.parametrize("autocast", [False, True])
def test_merged_equals_connected_to_the_bit_after_training(autocast: bool) -> None:
    model = connect_body()
    before = state(model)
    train(model, optimizer_of(model), 3)
    changes = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    for part in ("left.0", "right.0", "auxiliaries.a", "scales.a"):
        assert any(part in name for name in changes)
    inputs = tokens()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = model(inputs)
    receipt = crosspath.merge(model, keep=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert torch.equal(model(inputs), output)
    assert type(model.blocks[0].mlp.fc1) is nn.Linear
    assert receipt.largest_drift < 1e-6
    crosspath.unmerge(model, receipt)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert torch.equal(model(inputs), output)
    plain = state(body())
    crosspath.disconnect(model)
    assert list(model.state_dict()) == list(plain)


def test_p_and_q_train_at_the_rate_of_w_and_follow_the_switches() -> None:
    model = connect_body(start="whole-body", scale_init=1.0)
    pairs = crosspath.pathways(model).learned_pairs()
    groups = crosspath.param_groups(model, lr=1e-2, weight_decay=0.1)
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert all(rates[id(value)] == 1e-4 for pair in pairs.values() for value in pair.values())
    assert len(rates) == len(list(model.parameters()))
    anchor = crosspath.pathways(connect_body(start="frozen-anchor"))
    assert not any(value.requires_grad for value in anchor.auxiliaries().values())
    assert all(value.requires_grad for pair in anchor.learned_pairs().values() for value in pair.values())
    frozen = crosspath.pathways(connect_body(train_scale=False, train_auxiliary=False))
    assert not any(value.requires_grad for pair in frozen.learned_pairs().values() for value in pair.values())


@pytest.mark.parametrize("train_auxiliary", [True, False])
def test_a_saved_model_loads_and_trains_on_to_the_same_bits(tmp_path: Path, train_auxiliary: bool) -> None:
    model = connect_body(train_auxiliary=train_auxiliary)
    optimizer = optimizer_of(model)
    train(model, optimizer, 2)
    crosspath.save_pathway(model, tmp_path)
    assert json.loads((tmp_path / "pathway.json").read_text())["format_version"] == 3
    fresh = body()
    crosspath.load_pathway(fresh, tmp_path)
    assert equal(state(fresh), state(model))
    assert [row.derived for row in crosspath.status(fresh)] == [row.derived for row in crosspath.status(model)]
    assert {n: p.requires_grad for n, p in fresh.named_parameters()} == {
        n: p.requires_grad for n, p in model.named_parameters()
    }
    fresh_optimizer = optimizer_of(fresh)
    fresh_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, other in ((model, optimizer), (fresh, fresh_optimizer)):
        train(one, other, 2)
    assert equal(state(fresh), state(model))
    again = connect_body(train_auxiliary=train_auxiliary)
    restore(again, tmp_path)
    crosspath.load_pathway(fresh, tmp_path)
    assert equal(state(again), state(fresh))
    with refused("engine", "'live'", "'optimizer'", kind=crosspath.PathwayError):
        crosspath.load_pathway(body(), tmp_path, engine="optimizer")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    model = connect_body()
    crosspath.save_pathway(model, tmp_path)
    description = json.loads((tmp_path / "pathway.json").read_text())
    description["layers"]["blocks.0.mlp.fc1.weight"]["a"]["learned"] = [5]
    (tmp_path / "pathway.json").write_text(json.dumps(description))
    fresh = body()
    before = state(fresh)
    with refused("pathway.json", "damage", kind=crosspath.PathwayError):
        crosspath.load_pathway(fresh, tmp_path)
    assert equal(state(fresh), before)


def test_what_it_cannot_do_is_refused() -> None:
    target = body()
    before = state(target)
    with refused("engine", "'live'", "fit='learned'", kind=crosspath.PathwayError):
        connect_body(target, engine="optimizer")
    with refused("connect", "bias", "learned", kind=crosspath.PathwayError):
        connect_body(target, bias=True)
    with torch.device("meta"):
        nowhere = body()
    with refused("connect", "meta", kind=crosspath.PathwayError):
        connect_body(nowhere, nowhere.__class__(2, WIDE, 4).to("meta"))
    assert equal(state(target), before)
    assert crosspath.connect(target, {"a": body()}, fit="learned", engine="optimizer").learned_pairs() == {}


def test_several_auxiliaries_and_copies() -> None:
    target = connect_body()
    crosspath.connect(target, {"b": body()}, scale_init=0.1)
    crosspath.connect(target, {"c": body(WIDE, 6)}, fit="learned", scale_init=0.2)
    inputs = tokens()
    output = target(inputs)
    twin = copy.deepcopy(target)
    assert torch.equal(twin(inputs), output)
    crosspath.disconnect(twin, "c")
    assert set(crosspath.pathways(twin).learned_pairs()) == {
        key for key in crosspath.pathways(target).learned_pairs() if key[1] == "a"
    }
    crosspath.merge(target)
    assert torch.equal(target(inputs), output)


def test_an_average_of_weights_keeps_p_and_q() -> None:
    model = connect_body()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    before = state(average.module)
    train(model, optimizer_of(model), 1)
    average.update_parameters(model)  # the first one copies
    train(model, optimizer_of(model), 2)
    average.update_parameters(model)
    name = "blocks.0.mlp.fc1.parametrizations.weight.0.learned.a.left.0"
    assert not torch.equal(average.module.state_dict()[name], before[name])
    inputs = tokens()
    output = average.module(inputs)
    crosspath.merge(average.module)
    assert torch.equal(average.module(inputs), output)
