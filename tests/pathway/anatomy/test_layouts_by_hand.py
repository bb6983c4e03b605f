"""Layouts that a user names or builds, and orders that nothing tells."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import crosspath
from tests.errors import refused
from tests.pathway.small_models import BY_ROLE, DEPTH, HEADS, KINDS, WIDTH, Body, Decoder, HeadMajorBlock, randomise

MINE = crosspath.Layout(
    name="mine",
    block="tower.step_",
    roles={
        "query": crosspath.Place(weight="look.q.weight", bias="look.q.bias"),
        "mlp_in": crosspath.Place(weight="think.weight"),
    },
    heads="look.count",
    norm="pre",
)


class Step(nn.Module):
    """A block whose names no known layout has."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.ModuleDict({"q": nn.Linear(WIDTH, WIDTH)})
        self.look.count = HEADS
        self.think = nn.Linear(WIDTH, 4 * WIDTH)
        self.back = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(torch.tanh(self.think(self.look["q"](x))))


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential()
        for index in range(DEPTH):
            self.tower.add_module(f"step_{index}", Step())

    def forward(self, x: Tensor) -> Tensor:
        return self.tower(x)


def megatron(seed: int = 0) -> dict[str, Tensor]:
    """A state dict under Megatron's names, which do not tell the order of query, key and value."""
    torch.manual_seed(seed)
    state = randomise(Decoder(HeadMajorBlock)).state_dict()
    return {f"language_model.encoder.{name.replace('h.', 'layers.', 1)}": value for name, value in state.items()}


def test_a_layout_of_ones_own_serves_both_sides_and_the_rates() -> None:
    target, auxiliary = randomise(Mine()), randomise(Body())
    with refused("connect", "look.q.weight", "target_layout=crosspath.Layout", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary)
    report = crosspath.match(target, auxiliary, roles={"query", "mlp_in"}, target_layout=MINE)
    assert report.ok
    assert report.layouts == ("mine", "timm blocks")
    assert not report.unverified
    plain = target(torch.ones(1, WIDTH))
    handle = crosspath.connect(
        target, {"audio": auxiliary}, roles={"query", "mlp_in"}, target_layout=MINE, bias=True, scale_per="role"
    )
    assert torch.equal(target(torch.ones(1, WIDTH)), plain)
    values = handle.auxiliaries()["tower.step_1.look.q.weight", "audio"]
    assert torch.equal(values, auxiliary.blocks[1].attn.qkv.weight[:WIDTH])
    assert handle.reports["audio"].without_bias == tuple(f"tower.step_{i}.think.weight[0:32]" for i in range(DEPTH))
    groups = crosspath.param_groups(target, lr=1.0, layer_decay=0.5, layout=MINE)
    assert {group["lr"] for group in groups if group["name"].startswith("layer")} == {0.5, 0.25}
    with refused("layer_decay", "found none", "'timm blocks'", kind=crosspath.PathwayError):
        crosspath.param_groups(target, lr=1.0, layer_decay=0.5, layout="timm blocks")
    crosspath.merge(target)
    back = crosspath.connect(Body(), target, roles={"query"}, auxiliary_layout=MINE)
    assert len(back.scales()) == DEPTH


def test_each_of_several_auxiliaries_may_have_its_own_layout() -> None:
    target = Body()
    handle = crosspath.connect(
        target,
        {"mine": Mine(), "plain": Body(), "text": megatron()},
        roles={"query"},
        auxiliary_layout={"mine": MINE, "text": crosspath.layout_named("Megatron", heads=HEADS, order="head-major")},
    )
    assert handle.names == ("mine", "plain", "text")
    with refused("auxiliary_layout", "'texts'", kind=crosspath.PathwayError):
        crosspath.connect(Body(), {"text": megatron()}, auxiliary_layout={"texts": MINE})


@pytest.mark.parametrize("kind", BY_ROLE)
def test_a_layout_by_name_is_the_one_recognised_automatically(kind: str) -> None:
    model = KINDS[kind].build()
    report = crosspath.match(model, model)
    name = report.layouts[0]
    assert crosspath.match(model, model, target_layout=name, auxiliary_layout=name) == report


def test_an_order_that_names_do_not_tell_has_to_be_stated() -> None:
    target = randomise(Body())
    report = crosspath.match(target, megatron(), roles="attention")
    assert [mismatch.what for mismatch in report.mismatches] == ["order"] * 3
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(target, megatron(), roles="attention")
    hint = "auxiliary_layout=crosspath.layout_named('Megatron', order=..., heads=...), the order being three-major"
    assert hint in str(error.value)
    assert not any(parametrize.is_parametrized(module) for module in target.modules())
    state = megatron()
    fused = state["language_model.encoder.layers.0.self_attention.query_key_value.weight"]
    keys = {
        "three-major": fused[WIDTH : 2 * WIDTH],
        "head-major": fused.reshape(HEADS, 3, -1, WIDTH)[:, 1].reshape(WIDTH, WIDTH),
        "interleaved": fused[1::3],
    }
    for order, expected in keys.items():
        layout = crosspath.layout_named("Megatron", heads=HEADS, order=order)
        handle = crosspath.connect(Body(), state, roles={"key"}, auxiliary_layout=layout)
        assert torch.equal(handle.auxiliaries()["blocks.0.attn.qkv.weight", "auxiliary"], expected), order


def test_rows_by_head_need_the_head_count() -> None:
    source = randomise(Decoder(HeadMajorBlock))
    for target in (Body(), Decoder(HeadMajorBlock)):
        with refused("connect", "head", "auxiliary", kind=crosspath.PathwayError):
            crosspath.connect(target, source.state_dict(), roles="attention")
        crosspath.connect(target, source.state_dict(), roles={"attention_output"})  # which needs no order
        layout = crosspath.layout_named("transformers BLOOM", heads=HEADS)
        handle = crosspath.connect(target, {"b": source.state_dict()}, roles="attention", auxiliary_layout=layout)
        assert not handle.reports["b"].unverified
    wrong = crosspath.layout_named("transformers BLOOM", heads=3)
    with refused("connect", "3", "heads", kind=crosspath.PathwayError):
        crosspath.connect(Body(), source.state_dict(), roles="attention", auxiliary_layout=wrong)
    # A stated count that differs from the target's is a difference of meaning, as between two modules.
    other = crosspath.layout_named("transformers BLOOM", heads=4)
    with refused("connect", "2", "4", "heads", "auxiliary", kind=crosspath.PathwayError):
        crosspath.connect(Body(), source.state_dict(), roles="attention", auxiliary_layout=other)


def test_what_neither_side_states_is_listed_of_both() -> None:
    """Two weights that are there and unclear are not two that are missing."""
    model = Decoder(HeadMajorBlock)
    silent = replace(crosspath.layout_named("transformers BLOOM"), heads=None)
    report = crosspath.match(model, model.state_dict(), target_layout=silent)
    assert [mismatch.where for mismatch in report.mismatches] == [
        f"{role} of block 0-1" for role in ("query", "key", "value")
    ]
    for side in ("target", "auxiliary"):
        assert all(f"{side}_layout=" in mismatch.remedy for mismatch in report.mismatches)


def test_grouped_keys_are_not_taken_for_shares_of_equal_size() -> None:
    """As many rows as fit three shares, but fewer keys than queries: the attention output tells."""
    state = megatron()
    for layer in range(DEPTH):
        name = f"language_model.encoder.layers.{layer}.self_attention.query_key_value.weight"
        state[name] = state[name][: WIDTH + 4]
    layout = crosspath.layout_named("Megatron", heads=HEADS, order="head-major")
    with refused("connect", "3", "size", "wide", kind=crosspath.PathwayError):
        crosspath.connect(Body(), state, roles="attention", auxiliary_layout=layout)


PLACE = crosspath.Place(weight="a")
THIRDS = {role: crosspath.Place(weight="a", part=i, parts=3) for i, role in enumerate(("query", "key", "value"))}


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("timm block", "did you mean 'timm blocks'"),
        (7, "expected a layout's name or a crosspath.Layout, found int"),
        (replace(MINE, roles={}), "at least one role"),
        (replace(MINE, roles={"querry": PLACE}), "found 'querry'"),
        (replace(MINE, block=None, stage="layers."), "expected a block beside the stage"),
        (replace(MINE, heads=0), "head count of 1 or more"),
        (replace(MINE, roles={"query": replace(PLACE, part=1)}), "a part from 0 to 0, found 1"),
        (replace(MINE, roles={"query": replace(PLACE, order="mixed")}), "found 'mixed'"),
        (replace(MINE, roles={**THIRDS, "key": THIRDS["query"]}), "one part given twice"),
        (replace(MINE, roles={**THIRDS, "key": replace(THIRDS["key"], order="interleaved")}), "agree on parts, order"),
        (replace(MINE, roles={"query": "look.q.weight"}), "roles={role: Place}"),
        (replace(MINE, roles={"query": replace(PLACE, weight=3)}), "query: expected the name of its weight, found 3"),
        (replace(MINE, roles={"query": replace(PLACE, bias=4)}), "query: expected the name of its bias, found 4"),
        (
            replace(MINE, roles={"query": replace(PLACE, parts="5")}),
            "whole numbers for part and parts, found 0 and '5'",
        ),
        (replace(MINE, block=6), "expected text for the block, found 6"),
        (replace(MINE, absent={"gates": "it has none"}), "found 'gates'"),
        (replace(MINE, block="tower.step"), "did you mean 'tower.step_'"),
        (MINE, r"mlp_out of block 0-1: target no such weight.*target_layout="),
    ],
)
def test_a_layout_that_cannot_be_is_refused(layout: object, message: str) -> None:
    target = Mine()
    with pytest.raises(crosspath.PathwayError, match=message):
        crosspath.connect(target, Body(), target_layout=layout)
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


def with_change(role: str, **changes: object) -> crosspath.Layout:
    """MINE with one of its places changed."""
    return replace(MINE, roles={**MINE.roles, role: replace(MINE.roles[role], **changes)})  # type: ignore[index, arg-type]


@pytest.mark.parametrize(
    ("layout", "wrong", "near"),
    [
        (with_change("query", weight="look.k.weight"), "look.k.weight", "look.q.weight"),
        (with_change("query", bias="look.q.bais"), "look.q.bais", "look.q.bias"),
        (with_change("mlp_in", weight="thinks.weight"), "thinks.weight", "think.weight"),
        (with_change("mlp_in", bias="think.biases"), "think.biases", "think.bias"),
        (replace(MINE, mark="lok.q.weight"), "lok.q.weight", "look.q.weight"),
        (replace(MINE, heads="look.counts"), "look.counts", "look.count"),
        (replace(MINE, heads="look.q"), "look.q", "look.count"),
        (replace(MINE, norm="norm_frist"), "norm_frist", "norm_first"),
        (replace(MINE, norm="prenorm"), "prenorm", "pre"),
        (replace(MINE, block="tower.steps_"), "tower.steps_", "tower.step_"),
        (replace(MINE, block="step_", stage="towers."), "towers.", "tower.step_"),
    ],
)
def test_every_name_of_a_layout_by_hand_leads_somewhere(layout: crosspath.Layout, wrong: str, near: str) -> None:
    """A typo is named with what stands near it, by both sides and by the rates; a state dict has no attributes."""
    target = Mine()
    for block in target.tower:
        block.norm_first = True
    hint = (f"'{wrong}'", f"did you mean '{near}'?")
    for call in (
        lambda: crosspath.connect(target, Body(), roles={"query"}, target_layout=layout),
        lambda: crosspath.match(Body(), target, roles={"query"}, auxiliary_layout=layout),
        lambda: crosspath.param_groups(target, lr=1.0, layer_decay=0.5, layout=layout),
    ):
        with pytest.raises(crosspath.PathwayError) as error:
            call()
        assert all(part in str(error.value) for part in hint), error.value
    assert not any(parametrize.is_parametrized(module) for module in target.modules())
    if layout.heads == MINE.heads and layout.norm == MINE.norm:
        with pytest.raises(crosspath.PathwayError) as error:
            crosspath.match(Body(), target.state_dict(), roles={"query"}, auxiliary_layout=layout)
        assert all(part in str(error.value) for part in hint)


def test_all_faults_of_a_layout_come_at_once() -> None:
    layout = replace(with_change("mlp_in", weight="thin.weight"), heads="count")
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.match(Mine(), Body(), target_layout=layout)
    assert len(str(error.value).splitlines()) == 2
    assert "did you mean 'look.count'?" in str(error.value)


def test_a_place_in_some_blocks_is_enough() -> None:
    target = Mine()
    target.tower.step_1.think = nn.Identity()
    report = crosspath.match(target, Body(), roles={"query"}, target_layout=MINE)
    assert report.ok
    assert len(report.pairs) == DEPTH


def test_a_stem_that_no_weight_has_is_refused_by_the_rates() -> None:
    for stem, fits in (("tower.step_0.look", True), ("embedding", False)):
        layout = replace(MINE, stem=(stem,))
        assert crosspath.match(Mine(), Body(), roles={"query"}, target_layout=layout).ok
        if fits:
            crosspath.param_groups(Mine(), lr=1.0, layer_decay=0.5, layout=layout)
        else:
            with refused("layout 'mine'", "embedding", kind=crosspath.PathwayError):
                crosspath.param_groups(Mine(), lr=1.0, layer_decay=0.5, layout=layout)


def test_names_and_layouts_exclude_each_other() -> None:
    with refused("names", "roles", "blocks", kind=crosspath.PathwayError):
        crosspath.match(Mine(), Mine(), names="think", target_layout=MINE)


def test_a_head_count_that_does_not_divide_is_refused_before_anything_is_connected() -> None:
    target = Mine()
    with refused("connect", "3", "8", "heads", "size", kind=crosspath.PathwayError):
        crosspath.connect(
            target,
            Mine(),
            roles={"query"},
            scale_per="head",
            target_layout=replace(MINE, heads=3),
            auxiliary_layout=replace(MINE, heads=3),
        )
    assert not any(parametrize.is_parametrized(module) for module in target.modules())
