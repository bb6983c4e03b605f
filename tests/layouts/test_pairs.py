"""Every ordered pair of families, on the meta device: a role pairs, or the report says why it does not."""

import re

import pytest
import torch

import crosspath
from crosspath.layouts import ROLES
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.pairing.differences import ranges_of
from crosspath.pathway.sources.source import ModuleSource
from tests.layouts.families import FAMILIES, PLAIN, WIDTH, shape_of

with torch.device("meta"):
    MODELS = {name: build()[0] for name, build in FAMILIES.items()}
EQUAL = [name for name in FAMILIES if shape_of(name).widths == (WIDTH, WIDTH) and shape_of(name).roles == PLAIN]
"""Two blocks of one width with every role, none of them gated: any two of these pair wholly."""


def named_blocks(where: str) -> set[int]:
    """The blocks of `query of block 0-1, 3`."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", where.partition(" of block ")[2]):
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def shapes(anatomy: Anatomy, block: int) -> dict[str, tuple[int, ...]]:
    return {role: slot.shape for (index, role), slot in anatomy.slots.items() if index == block}


@pytest.mark.parametrize("ours", FAMILIES)
def test_every_role_pairs_or_is_listed_with_its_reason(ours: str) -> None:
    target = locate(ModuleSource(MODELS[ours]))
    assert target is not None
    for theirs in FAMILIES:
        auxiliary = locate(ModuleSource(MODELS[theirs]))
        assert auxiliary is not None
        report = crosspath.match(MODELS[ours], MODELS[theirs], accept={"norm", "heads"})
        where = (ours, theirs)
        keys = {(pair.target.weight, pair.role) for pair in report.pairs}
        reasons = {
            (role, block)
            for mismatch in report.mismatches
            for role in ROLES
            if mismatch.where.startswith(f"{role} of block ") and mismatch.reason and mismatch.remedy
            for block in named_blocks(mismatch.where)
        }
        for block, other in zip(target.blocks, auxiliary.blocks, strict=False):
            mine, its = shapes(target, block), shapes(auxiliary, other)
            for role in ROLES:
                gates_differ = role.startswith("mlp_") and ("mlp_gate" in mine) != ("mlp_gate" in its)
                fits = role in mine and mine[role] == its.get(role) and not gates_differ
                slot = target.slots.get((block, role))
                assert ((slot.weight if slot else "", role) in keys) == fits, (*where, role, block)
                missing = not fits and (role in mine or role in its)
                assert ((role, block) in reasons) == missing, (*where, role, block)
        depth = [mismatch for mismatch in report.mismatches if mismatch.what == "depth"]
        assert bool(depth) == (len(target.blocks) != len(auxiliary.blocks)), where
        text = str(report)
        assert all(str(mismatch) in text for mismatch in report.mismatches)
        assert all(f"{pair.role} " in text and str(pair.target) in text for pair in report.pairs)
        if ours in EQUAL and theirs in EQUAL:
            assert len(report.pairs) == 2 * len(PLAIN), where
            assert report.ok, where


def test_ranges_are_short() -> None:
    assert ranges_of([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert named_blocks("query of block 0-2, 5, 7-8") == {0, 1, 2, 5, 7, 8}


def test_most_families_are_of_one_width() -> None:
    assert len(EQUAL) >= 24


def test_a_swin_takes_a_vit_where_one_fits() -> None:
    swin, vit = FAMILIES["timm swin"]()[0], FAMILIES["timm vit"]()[0]
    report = crosspath.match(swin, vit)
    assert {mismatch.what for mismatch in report.mismatches} == {"depth", "shape", "heads"}
    (line,) = (str(one) for one in report.mismatches if one.where == "query of block 1")
    assert "target (64, 64), auxiliary (32, 32);" in line
    assert "use an auxiliary whose query" in line
    handle = crosspath.connect(swin, vit, blocks={0: 1}, scale_init=0.5)
    assert {weight for weight, _ in handle.scales()} == {
        f"layers.0.blocks.0.{layer}.weight" for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    }
    assert torch.equal(
        handle.auxiliaries()["layers.0.blocks.0.mlp.fc1.weight", "auxiliary"], vit.blocks[1].mlp.fc1.weight
    )


def test_convnext_takes_the_mlp_of_others_and_says_why_no_more() -> None:
    target, vit = FAMILIES["timm convnext with 1x1 kernels"]()[0], FAMILIES["timm vit"]()[0]
    report = crosspath.match(target, vit, blocks={1: 0, 2: 1})
    assert len(report.pairs) == 4
    assert {mismatch.where for mismatch in report.mismatches} == {f"{role} of block 1-2" for role in ROLES[:4]}
    assert all("ConvNeXt has convolutions" in mismatch.reason for mismatch in report.mismatches)
    handle = crosspath.connect(target, vit, blocks={1: 0, 2: 1}, roles="mlp", scale_init=1.0)
    values = handle.auxiliaries()["stages.1.blocks.0.mlp.fc1.weight", "auxiliary"]
    assert values.shape == (4 * WIDTH, WIDTH, 1, 1)
    assert torch.equal(values[:, :, 0, 0], vit.blocks[0].mlp.fc1.weight)
