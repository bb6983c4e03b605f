"""Status, as data and as a table."""

import json

import pytest
import torch
from torch import nn

import crosspath
from benchmarks.memory import LiveBytes
from crosspath.pathway.engines import combine
from tests.errors import refused
from tests.pathway.small_models import Body, randomise


def test_ratio_and_scale_are_those_of_the_weights() -> None:
    torch.manual_seed(0)
    target, auxiliary = randomise(Body()), randomise(Body())
    handle = crosspath.connect(target, {"audio": auxiliary}, scale_init=-0.25, train_auxiliary=False)
    rows = {row.weight: row for row in handle.status()}
    assert len(rows) == 8
    own = target.blocks[1].mlp.fc2.parametrizations.weight.original
    row = rows["blocks.1.mlp.fc2.weight"]
    expected = float(0.25 * auxiliary.blocks[1].mlp.fc2.weight.detach().norm() / own.detach().norm())
    assert row.ratio == pytest.approx(expected, rel=1e-5)
    assert row.scale == [-0.25]
    assert (row.trains_weight, row.trains_auxiliary, row.trains_scale) == (True, False, True)
    assert row.source == ("blocks.1.mlp.fc2.weight[0:8]",)


def test_ratio_counts_covered_rows_only() -> None:
    torch.manual_seed(0)
    target, auxiliary = randomise(Body()), randomise(Body())
    handle = crosspath.connect(target, auxiliary, roles={"value"}, scale_init=1.0)
    own = target.blocks[0].attn.qkv.parametrizations.weight.original[16:]
    expected = float(auxiliary.blocks[0].attn.qkv.weight[16:].detach().norm() / own.detach().norm())
    assert next(iter(handle.status())).ratio == pytest.approx(expected, rel=1e-5)


def test_table_and_json() -> None:
    target = Body()
    handle = crosspath.connect(target, {"audio": Body()}, scale_per="head", scale_init=0.5)
    table = str(handle.status())
    assert len(table.splitlines()) == 1 + 8 + 1
    assert table.splitlines()[-1] == "audio comes from Body"
    assert "audio" in table
    assert "+0.5000..+0.5000 (2)" in table
    assert len(json.loads(json.dumps(handle.status().to_json()))["rows"]) == 8


def test_one_of_something_is_singular() -> None:
    status = crosspath.connect(Body().bfloat16(), Body(), blocks={0: 0}, roles={"mlp_in"}, accept={"partial"}).status()
    assert repr(status).startswith("<Status: 1 pathway from ")
    assert "1 warning>" in repr(status)
    assert status.warnings[0].startswith("1 weight in half precision")


def test_zero_weights_have_a_null_ratio_in_json() -> None:
    target = Body()
    torch.nn.init.zeros_(target.blocks[0].mlp.fc1.weight)
    status = crosspath.connect(target, Body(), scale_init=0.5).status()
    assert "Infinity" not in json.dumps(status.to_json())


def test_a_pure_half_precision_target_gets_one_warning() -> None:
    status = crosspath.connect(Body().bfloat16(), Body()).status()
    assert len(status.warnings) == 1
    assert "float32 weights with autocast" in str(status)
    assert not crosspath.connect(Body(), Body()).status().warnings


def test_status_without_pathways_is_an_error() -> None:
    with refused("Body", "found none", kind=crosspath.PathwayError):
        crosspath.status(Body())


def test_a_ratio_takes_the_memory_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combine, "BLOCK_ELEMENTS", 1 << 10)
    target, auxiliary = nn.Linear(256, 256), nn.Linear(256, 256)
    handle = crosspath.connect(target, auxiliary, names={"weight": "weight"}, scale_init=0.5)
    own, values = target.parametrizations.weight.original, target.parametrizations.weight[0].auxiliary("auxiliary")
    counter = LiveBytes()
    for parameter in target.parameters():
        counter.count(parameter.detach())
    before = counter.now
    with counter:
        (row,) = handle.status()
    assert counter.peak - before < 8 * 8 * (1 << 10)
    assert row.ratio == pytest.approx(float((0.5 * values.double().norm() / own.double().norm()).detach()), rel=1e-12)
