"""Weights of several roles in an order that nothing states: they pair undivided, or the report names them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import crosspath
from tests.layouts.zoo.every import CONFIGURATIONS
from tests.pathway.small_models import HEADS, WIDTH, Body


class KeyAndValue(nn.Module):
    """An attention with one weight for key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = HEADS
        self.to_q = nn.Linear(WIDTH, WIDTH)
        self.to_kv = nn.Linear(WIDTH, 2 * WIDTH)
        self.to_out = nn.Linear(WIDTH, WIDTH)


class OtherOrder(KeyAndValue):
    """Of this class the order may be another."""


def with_attention(name: str, kind: type[nn.Module]) -> Any:
    body = Body()
    for block in body.blocks:
        setattr(block, name, kind())
    return body


NAMES = ["attn", "cross_attn"]
KV = "blocks.0.{}.to_kv.weight"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("roles", ["all", "attention"])
def test_a_fused_weight_pairs_whole_where_all_of_its_roles_are_chosen(name: str, roles: Any) -> None:
    target, auxiliary = (with_attention(name, KeyAndValue) for _ in range(2))
    for other in (auxiliary, auxiliary.state_dict()):
        report = crosspath.match(target, other, roles=roles)
        assert report.ok
        assert KV.format(name) in {pair.target.weight for pair in report.pairs}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("roles", ["all", "attention"])
def test_a_fused_weight_of_another_class_is_named(name: str, roles: Any) -> None:
    target, auxiliary = with_attention(name, KeyAndValue), with_attention(name, OtherOrder)
    report = crosspath.match(target, auxiliary, roles=roles)
    assert not report.ok
    assert all("order that nothing states" in mismatch.reason for mismatch in report.mismatches)
    assert all(f"{name}.to_kv.weight" in mismatch.reason for mismatch in report.mismatches)


def test_the_rest_pairs_where_a_second_attention_is_accepted_as_it_is() -> None:
    target, auxiliary = with_attention("cross_attn", KeyAndValue), with_attention("cross_attn", OtherOrder)
    report = crosspath.match(target, auxiliary, accept={"partial"})
    assert report.ok
    assert report.coverage < 1


def test_one_role_of_a_fused_weight_is_not_left_out_in_silence() -> None:
    target, auxiliary = (with_attention("attn", KeyAndValue) for _ in range(2))
    report = crosspath.match(target, auxiliary, roles={"query", "key"})
    assert [mismatch.what for mismatch in report.mismatches] == ["order"] * len(target.blocks)


@pytest.mark.parametrize("form", ["module", "state dict", "file"])
def test_halves_of_a_gated_mlp_stand_as_the_class_of_the_other_side_shows(form: str, tmp_path: Path) -> None:
    """Phi-4's audio encoder has `gate_up_proj` with the gate last; a file of it cannot say so."""
    build = next(one for one in CONFIGURATIONS if one.name == "transformers Phi4MultimodalAudioModel").build
    torch.manual_seed(0)
    auxiliary, target = build(), build()
    auxiliary.save_pretrained(tmp_path)
    forms = {"module": auxiliary, "state dict": auxiliary.state_dict(), "file": str(tmp_path)}
    crosspath.connect(target, {"audio": forms[form]})
    own = dict(auxiliary.named_parameters())
    for (weight, _), value in crosspath.pathways(target).auxiliaries().items():
        assert torch.equal(value, own[weight]), weight
