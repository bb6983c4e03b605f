"""Blocks of models of unlike depth: every rule's pairs, and advice that works when it is followed to the letter."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import crosspath
from crosspath.pathway.pairing.block_pairs import repeat, spread
from tests.errors import refused
from tests.pathway.small_models import WIDTH, Body, randomise

PAIRS = {
    (6, 3): ([0, 0, 1, 1, 2, 2], [0, 1, 2, 0, 1, 2]),
    (4, 2): ([0, 0, 1, 1], [0, 1, 0, 1]),
    (3, 6): ([0, 2, 5], [0, 1, 2]),
    (3, 2): ([0, 0, 1], [0, 1, 0]),
    (12, 8): ([0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]),
    (4, 1): ([0, 0, 0, 0], [0, 0, 0, 0]),
    (1, 4): ([0], [0]),
    (5, 5): ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
}
"""{(target's depth, auxiliary's): (blocks with `spread`, with `repeat`)}, written by hand."""


class StagedModel(nn.Module):
    """timm's names of Swin: blocks numbered from 0 in every stage, each stage of its own width."""

    def __init__(self, *depths: int) -> None:
        super().__init__()
        stages = []
        for index, depth in enumerate(depths):
            stage = nn.Module()
            stage.blocks = Body(depth, WIDTH << index).blocks
            stages.append(stage)
        self.layers = nn.Sequential(*stages)


def theirs(report: crosspath.MatchReport, name: str = "blocks.", role: str = "mlp_in") -> list[str]:
    """The auxiliary's block of each pair of a role, in the target's order."""
    return [pair.auxiliary.weight.partition(name)[2][0] for pair in report.pairs if pair.role == role]


@pytest.mark.parametrize("depths", PAIRS)
def test_every_depth_pairs_as_written(depths: tuple[int, int]) -> None:
    by_spread, by_repeat = PAIRS[depths]
    target, auxiliary = Body(depths[0]), Body(depths[1])
    for rule, expected in (("spread", by_spread), ("repeat", by_repeat)):
        report = crosspath.match(target, auxiliary, blocks=rule)
        assert report.ok
        assert theirs(report) == [str(block) for block in expected], rule


def test_spread_is_monotone_takes_both_ends_and_the_nearest_block() -> None:
    for depth in range(2, 30):
        for auxiliary_depth in range(1, 30):
            blocks = spread(depth, auxiliary_depth)
            assert (blocks[0], blocks[-1]) == (0, auxiliary_depth - 1)
            assert all(before <= after for before, after in pairwise(blocks))
            for index, block in enumerate(blocks):
                distances = [
                    abs(other * (depth - 1) - index * (auxiliary_depth - 1)) for other in range(auxiliary_depth)
                ]
                assert block == distances.index(min(distances))
            assert repeat(depth, auxiliary_depth) == [index % auxiliary_depth for index in range(depth)]


def test_stages_are_spread_one_by_one() -> None:
    target, auxiliary = StagedModel(2, 4), StagedModel(1, 2)
    for rule, expected in (("spread", ["0.0", "0.0", "1.0", "1.0", "1.1", "1.1"]), ("repeat", ["0.0"] * 2)):
        report = crosspath.match(target, auxiliary, blocks=rule)
        assert report.ok
        weights = [re.findall(r"\d+", pair.auxiliary.weight)[:2] for pair in report.pairs if pair.role == "mlp_in"]
        assert [".".join(numbers) for numbers in weights][: len(expected)] == expected
    with refused("blocks='spread'", "2", "3", "blocks={target block: auxiliary block}", kind=crosspath.PathwayError):
        crosspath.match(StagedModel(1, 1, 1), auxiliary, blocks="spread")
    with refused("blocks='repeat'", "2", "1", kind=crosspath.PathwayError):
        crosspath.match(target, Body(3), blocks="repeat")


def test_blocks_used_twice_are_copies_and_survive_saving_and_merging(tmp_path: Path) -> None:
    torch.manual_seed(0)
    target, auxiliary, tokens = randomise(Body(4)), randomise(Body(2)), torch.randn(2, 5, WIDTH)
    handle = crosspath.connect(target, {"other": auxiliary}, blocks="spread", scale_init=0.5, train_auxiliary=False)
    values = handle.auxiliaries()
    first, second = (values[f"blocks.{block}.mlp.fc1.weight", "other"] for block in (0, 1))
    assert torch.equal(first, second)
    assert first.data_ptr() != second.data_ptr()
    sources = {row.weight: row.source for row in crosspath.status(target)}
    assert (
        sources["blocks.2.mlp.fc1.weight"] == sources["blocks.3.mlp.fc1.weight"] == ("blocks.1.mlp.fc1.weight[0:32]",)
    )
    expected = target(tokens)
    crosspath.save_pathway(target, tmp_path)
    layers = json.loads((tmp_path / "pathway.json").read_text())["layers"]
    assert [layers[f"blocks.{block}.mlp.fc1.weight"]["other"]["from"] for block in range(4)] == [
        [f"blocks.{block}.mlp.fc1.weight[0:32]"] for block in (0, 0, 1, 1)
    ]
    again = Body(4)
    crosspath.load_pathway(again, tmp_path, auxiliary)
    assert torch.equal(again(tokens), expected)
    receipt = crosspath.merge(again)
    assert torch.equal(again(tokens), expected)
    assert receipt.scales["blocks.3.mlp.fc2.weight"] == {"other": [0.5]}


def advice(error: pytest.ExceptionInfo[crosspath.InputError], argument: str) -> list[str]:
    """What the message proposes for an argument, in the order in which it does."""
    return re.findall(rf"{argument}=(\{{\"[^}}]*\}}|\"\w+\")", str(error.value))


@pytest.mark.parametrize(("depth", "words"), [(4, ['"spread"', '"repeat"']), (2, ['"spread"'])])
def test_the_advice_on_unlike_depths_works(depth: int, words: list[str]) -> None:
    with refused("connect", depth, 3, "blocks={target block: auxiliary block}", kind=crosspath.PathwayError) as error:
        crosspath.connect(Body(depth), Body(3))
    assert advice(error, "blocks") == words
    for word in words:
        crosspath.connect(Body(depth), Body(3), blocks=word.strip('"'))
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(StagedModel(2, 2), Body(3))
    assert not advice(error, "blocks")


def grouped_state(keys: int, inner: int = 4 * WIDTH) -> dict[str, Tensor]:
    """A state dict of two blocks whose keys and values have fewer rows than their queries."""
    shapes = {
        "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": (keys, WIDTH),
        "self_attn.v_proj": (keys, WIDTH),
        "self_attn.out_proj": (WIDTH, WIDTH),
        "mlp.fc1": (inner, WIDTH),
        "mlp.fc2": (WIDTH, inner),
    }
    return {
        f"encoder.layers.{block}.{name}.weight": torch.randn(shape)
        for block in range(2)
        for name, shape in shapes.items()
    }


def test_the_advice_on_grouped_keys_works() -> None:
    """An auxiliary of another width would not help: the widths are equal."""
    with refused("connect", "key", "(4, 8)", kind=crosspath.PathwayError) as error:
        crosspath.connect(Body(), grouped_state(4))
    proposals = advice(error, "roles")
    assert set(proposals) == {'{"query", "attention_output", "mlp_in", "mlp_out"}'}
    assert "width" not in str(error.value)
    target = Body()
    roles = set(re.findall(r"\w+", proposals[0]))
    handle = crosspath.connect(target, {"text": grouped_state(4)}, roles=roles)
    assert len(handle.scales()) == 2 * 4
    assert {pair.role for pair in handle.reports["text"].pairs} == roles


def test_where_no_role_pairs_the_advice_names_the_width() -> None:
    with refused("connect", "auxiliary", "width", kind=crosspath.PathwayError) as error:
        crosspath.connect(Body(heads=2), Body(width=16, heads=2))
    assert not advice(error, "roles")
    assert len(str(error.value).splitlines()) == 1  # of two widths, not of every role
    for words in ("8 wide", "16", 'fit="slice"'):
        assert words in str(error.value)
    crosspath.connect(Body(heads=2), Body(heads=2))
    crosspath.connect(Body(heads=2), Body(width=16, heads=2), fit="slice")


def test_two_widths_are_one_line_beside_what_else_differs() -> None:
    report = crosspath.match(Body(heads=2), Body(width=16, heads=4, depth=3))
    assert [mismatch.what for mismatch in report.mismatches] == ["depth", "width"]
    same_width = crosspath.match(Body(heads=2), Body(heads=4))
    assert [mismatch.what for mismatch in same_width.mismatches] == ["heads"]


def test_where_another_block_fits_the_advice_says_so_and_works() -> None:
    target, auxiliary = StagedModel(1, 1), StagedModel(1, 1)
    with refused("connect", "blocks={target block: auxiliary block}", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary, blocks="reversed")
    crosspath.connect(target, auxiliary, blocks={0: 0, 1: 1})


@pytest.mark.parametrize("blocks", ["spreads", 3, None, ["spread"], {0: 7}, {9: 0}, {True: 0}, {0: False}, {"0": 0}])
def test_what_pairs_no_blocks_is_refused(blocks: object) -> None:
    with refused("blocks", kind=crosspath.PathwayError):
        crosspath.match(Body(), Body(), blocks=blocks)  # type: ignore[arg-type]


def test_two_towers_pair_tower_by_tower() -> None:
    def towers(image: int, text: int) -> nn.Module:
        def tower(depth: int) -> nn.TransformerEncoder:
            return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), depth, enable_nested_tensor=False)

        return nn.ModuleDict({"image": tower(image), "text": tower(text)})

    assert crosspath.match(towers(2, 2), towers(2, 2)).ok
    for auxiliary, blocks in ((towers(1, 3), "same"), (towers(2, 2), "reversed"), (towers(2, 4), "spread")):
        report = crosspath.match(towers(2, 2), auxiliary, blocks=blocks)  # type: ignore[arg-type]
        assert [fault.where for fault in report.mismatches] == ["lists"]


class Stages(nn.Module):
    """A residual network under timm's names: stages in lists of their own, whose first block also has a shortcut."""

    def __init__(self, *depths: int) -> None:
        super().__init__()
        for stage, depth in enumerate(depths):
            blocks = []
            for index in range(depth):
                block = nn.Module()
                wide, before = 4 << stage, (4 << stage) // (2 if stage and not index else 1)
                block.conv1, block.bn1 = nn.Conv2d(before, wide, 3), nn.BatchNorm2d(wide)
                block.conv2, block.bn2 = nn.Conv2d(wide, wide, 3), nn.BatchNorm2d(wide)
                if before != wide:
                    block.downsample = nn.Sequential(nn.Conv2d(before, wide, 1), nn.BatchNorm2d(wide))
                blocks.append(block)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))


@pytest.mark.parametrize(
    ("rule", "first", "second"), [("spread", [0, 0, 1], [0, 1, 1, 2, 2]), ("repeat", [0, 1, 0], [0, 1, 2, 1, 2])]
)
def test_stages_that_only_names_show_pair_by_stage_and_a_first_block_with_a_shortcut_with_its_like(
    rule: str, first: list[int], second: list[int]
) -> None:
    report = crosspath.match(Stages(3, 5), Stages(2, 3), blocks=rule)  # type: ignore[arg-type]
    assert report.ok
    assert report.coverage == 1.0
    pairs = [(pair.target.weight[:8], pair.auxiliary.weight[:8]) for pair in report.pairs if pair.role == "conv1"]
    expected = [(1, *pair) for pair in enumerate(first)] + [(2, *pair) for pair in enumerate(second)]
    assert pairs == [(f"layer{stage}.{ours}", f"layer{stage}.{its}") for stage, ours, its in expected]
    assert crosspath.match(Stages(2, 1), Stages(2, 3), blocks=rule).ok  # type: ignore[arg-type]
    with refused("blocks", kind=crosspath.PathwayError):
        crosspath.match(Stages(2, 2, 2), Stages(2, 3), blocks=rule)  # type: ignore[arg-type]


def test_a_file_with_missing_blocks_is_refused_and_pairs_by_hand() -> None:
    state = Body(6).state_dict()
    for missing in ("blocks.2.", "blocks.0.", "blocks.3.attn.qkv.weight"):
        damaged = {name: tensor for name, tensor in state.items() if not name.startswith(missing)}
        for rule in ("same", "reversed", "spread", "repeat"):
            with refused("auxiliary", missing[:8], kind=crosspath.PathwayError):
                crosspath.match(Body(5), damaged, blocks=rule)  # type: ignore[arg-type]
    damaged = {name: tensor for name, tensor in state.items() if not name.startswith("blocks.2.")}
    assert crosspath.match(Body(2), damaged, blocks={0: 1, 1: 3}).ok
    assert crosspath.match(Body(5), Body(5).state_dict()).ok


def test_a_layer_without_weights_between_blocks_is_no_missing_block() -> None:
    def spaced(depth: int) -> nn.Module:
        blocks = Body(depth).blocks
        return nn.Sequential(*(layer for block in blocks for layer in (block, nn.Dropout())))

    assert crosspath.match(spaced(3), spaced(3).state_dict()).ok
    assert crosspath.match(Body(3), spaced(3)).ok


def test_lists_of_several_kinds_of_layers_may_skip_some() -> None:
    class Stages(nn.Module):
        """Blocks among layers without weights, and a first one with fewer, as in MobileNets."""

        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(
                nn.ModuleList([nn.Conv2d(8, 8, 1), nn.ELU(), *Body(depth).blocks]) for depth in (1, 2, 2)
            )

    state = Stages().state_dict()
    assert crosspath.match(Stages(), state, blocks="spread").pairs
