"""The seam at which W' is made from the auxiliary's weight: steps in their order, told and saved with the pathway."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import crosspath
from crosspath.pathway import Pathways, match
from crosspath.pathway.assemble import attach_all, build, origin_of
from crosspath.pathway.derivation import Derivation, Entries, Sides
from crosspath.pathway.engines.engine import ENGINES, Engine
from crosspath.pathway.options import options_of
from crosspath.pathway.plan import Plan, make_plan
from crosspath.pathway.records import StepRecord
from crosspath.pathway.sources.source import open_source
from tests.errors import refused
from tests.pathway.small_models import Body, randomise

FC1, FC1_BIAS = "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.bias"


@dataclass(frozen=True)
class Affine:
    """A step that multiplies, and gives a bias where there was none."""

    step: str
    factor: float
    gives_bias: bool = False

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        bias = entries.bias if not self.gives_bias else entries.weight.sum(1)
        record = StepRecord(self.step, "multiplied", {"mean of W": float(sides.own.mean())})
        return Entries(entries.weight * self.factor + 1, None if bias is None else bias + self.factor), record


def plan(target: nn.Module, auxiliary: nn.Module, derivation: Derivation, *, train: bool = False) -> Plan:
    report = match(target, auxiliary)
    report = replace(report, pairs=tuple(replace(pair, derivation=derivation) for pair in report.pairs))
    options = options_of(
        None, scale_init=0.5, shrink=None, train_auxiliary=train, scale_per="role", train_scale=True, bias=True
    )
    return make_plan("audio", open_source(auxiliary), target, report, options)


def connect_with(target: nn.Module, auxiliary: nn.Module, derivation: Derivation, engine: Engine = "live") -> Pathways:
    own = plan(target, auxiliary, derivation)
    attachments = build(own)
    attach_all(attachments, engine)
    handle = Pathways(target)
    handle.record("audio", origin_of(own, attachments), own.report)
    return handle


def bodies() -> tuple[Body, Body]:
    torch.manual_seed(0)
    return randomise(Body()), randomise(Body(qkv_bias=False))  # type: ignore[return-value]


def test_steps_run_in_their_order_whatever_order_they_are_given_in() -> None:
    target, auxiliary = bodies()
    derivation = Derivation(normalise=Affine("normalise", 7), unfold=Affine("unfold", 5), fold=Affine("fold", 2))
    handle = connect_with(target, auxiliary, derivation)
    values = handle.auxiliaries()
    expected = ((auxiliary.blocks[0].mlp.fc1.weight * 2 + 1) * 5 + 1) * 7 + 1
    assert torch.equal(values[FC1, "audio"], expected)
    assert torch.equal(values[FC1_BIAS, "audio"], auxiliary.blocks[0].mlp.fc1.bias + 2 + 5 + 7)
    row = next(row for row in handle.status() if row.weight == FC1)
    assert [record.step for record in row.derived[0]] == ["fold", "unfold", "normalise"]


def test_a_bias_may_come_from_a_weight_without_one() -> None:
    target, auxiliary = bodies()
    assert ("blocks.0.attn.qkv.bias", "audio") not in crosspath.connect(bodies()[0], auxiliary, bias=True).auxiliaries()
    handle = connect_with(target, auxiliary, Derivation(fold=Affine("fold", 3, gives_bias=True)))
    qkv = auxiliary.blocks[0].attn.qkv.weight
    assert torch.allclose(handle.auxiliaries()["blocks.0.attn.qkv.bias", "audio"], qkv.sum(1) + 3)
    assert handle.auxiliaries()["blocks.0.attn.qkv.weight", "audio"].shape == (24, 8)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_saved_by_value_told_and_loaded(tmp_path: Path, engine: Engine) -> None:
    target, auxiliary = bodies()
    handle = connect_with(target, auxiliary, Derivation(fit=Affine("fit", 3)), engine)
    crosspath.save_pathway(target, tmp_path)
    description = json.loads((tmp_path / "pathway.json").read_text())
    assert description["format_version"] == 1
    assert description["auxiliaries"]["audio"]["stored"] is True  # though it is frozen
    assert description["layers"][FC1]["audio"]["derived"][0][0]["how"] == "multiplied"
    assert f"{FC1}.audio.auxiliary" in load_file(tmp_path / "pathway.safetensors")
    again = crosspath.load_pathway(Body(), tmp_path, engine=engine)  # without the auxiliary
    assert all(torch.equal(again.auxiliaries()[key], value) for key, value in handle.auxiliaries().items())
    assert str(again.status()) == str(handle.status())
    assert "fit: multiplied (12 weights); mean of W" in str(again.status())  # 8 weights; qkv is of three pieces
    crosspath.save_pathway(again.target, tmp_path / "again")
    assert (tmp_path / "again" / "pathway.json").read_text() == (tmp_path / "pathway.json").read_text()
    receipt = crosspath.merge(target)
    assert receipt.derived[FC1]["audio"][0][0].step == "fit"
    json.dumps(receipt.to_json()["derived"])


def test_a_damaged_description_is_refused(tmp_path: Path) -> None:
    target, auxiliary = bodies()
    connect_with(target, auxiliary, Derivation(fit=Affine("fit", 3)))
    crosspath.save_pathway(target, tmp_path)
    text = (tmp_path / "pathway.json").read_text()
    (tmp_path / "pathway.json").write_text(text.replace('"how"', '"who"'))
    with refused("pathway.json", "KeyError"):
        crosspath.load_pathway(Body(), tmp_path)


@pytest.mark.parametrize("options", [{}, {"fit": "slice"}, {"canonical": True}])
def test_values_beyond_the_targets_type_are_refused_before_it_is_touched(options: dict[str, Any]) -> None:
    target, auxiliary = Body().half(), Body()
    with torch.no_grad():
        auxiliary.blocks[0].attn.qkv.weight[0, 0] = 1e6
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with refused("blocks.0.attn.qkv.weight", "float16", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary, scale_init=0.0, shrink=0.5, **options)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_values_that_are_not_finite_are_refused_before_the_target_is_touched() -> None:
    target, auxiliary = bodies()
    with refused("blocks.0.attn.proj.weight", "infinity or NaN"):
        connect_with(target, auxiliary, Derivation(fit=Affine("fit", float("inf"))))
    assert "blocks.0.attn.qkv.weight" in target.state_dict()


def test_nothing_is_told_without_a_derivation() -> None:
    target, auxiliary = bodies()
    handle = crosspath.connect(target, auxiliary)
    assert "derived" not in handle.status().to_json()["rows"][0]
    assert "derived" not in crosspath.merge(target).to_json()
