"""`connect(start=...)`: a start's settings, those given beside it, and what they leave behind."""

import copy

import pytest
import torch

import crosspath
from crosspath.starts import STARTS
from tests.errors import refused
from tests.pathway.small_models import Body, randomise
from tests.pathway.test_groups import rate_of


@pytest.mark.parametrize("name", STARTS)
def test_a_start_is_its_settings_spelled_out(name: str) -> None:
    start, target, auxiliary = STARTS[name], randomise(Body()), randomise(Body())
    other = copy.deepcopy(target)
    handle = crosspath.connect(target, auxiliary, start=name)
    by_hand = crosspath.connect(
        other, auxiliary, scale_init=start.scale_init, shrink=start.shrink, train_auxiliary=start.train_auxiliary
    )
    for key, value in target.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    trains = {values.requires_grad for values in handle.auxiliaries().values()}
    assert trains == {start.train_auxiliary} == {values.requires_grad for values in by_hand.auxiliaries().values()}
    assert f"start {name}" in str(handle.status())
    assert "start" not in str(by_hand.status()).replace("starts", "")


def test_what_is_given_beside_a_start_counts_and_is_shown() -> None:
    handle = crosspath.connect(Body(), Body(), start="whole-body", shrink=1.0, train_auxiliary=False)
    assert all(float(scale.detach()) == 1.0 for scale in handle.scales().values())
    assert "shrink=1, train_auxiliary=false" in str(handle.status())
    assert not any(values.requires_grad for values in handle.auxiliaries().values())


def test_only_the_rows_that_get_a_pathway_shrink() -> None:
    target = randomise(Body())
    before = copy.deepcopy(target.state_dict())
    crosspath.connect(target, {"a": Body(), "b": Body()}, roles={"query", "mlp_in"}, shrink=0.5, bias=True)
    crosspath.disconnect(target)
    width = target.blocks[0].attn.qkv.weight.shape[1]
    for name, value in target.state_dict().items():
        expected = before[name].clone()
        if name.endswith("qkv.weight"):
            expected[:width] *= 0.5
        elif name.endswith("fc1.weight"):
            expected *= 0.5
        assert torch.equal(value, expected), name


def test_a_connected_weight_is_not_shrunk() -> None:
    target = Body()
    crosspath.connect(target, Body())
    before = copy.deepcopy(target.state_dict())
    with refused("", "blocks.0.attn.qkv.weight"):
        crosspath.connect(target, Body(), start="whole-body")
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    crosspath.connect(target, Body(), start="gentle")


def test_groups_take_the_rate_of_each_start() -> None:
    target = Body()
    handle = crosspath.connect(target, {"slow": Body()}, start="gentle")
    crosspath.connect(target, {"usual": Body()})
    groups = crosspath.param_groups(target, lr=1e-3)
    for (_, name), values in handle.auxiliaries().items():
        assert rate_of(groups, values)[0] == (1e-4 if name == "slow" else 1e-3)
    groups = crosspath.param_groups(target, lr=1e-3, auxiliary_lr=1e-2)
    assert {rate_of(groups, values)[0] for values in handle.auxiliaries().values()} == {1e-2}


def test_a_saved_pathway_keeps_its_start(tmp_path: object) -> None:
    target = Body()
    crosspath.connect(target, Body(), start="whole-body", shrink=0.5)
    crosspath.save_pathway(target, tmp_path / "saved")
    assert "shrink=0.5" in str(crosspath.load_pathway(Body(), tmp_path / "saved").status())
