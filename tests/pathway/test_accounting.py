"""Every matrix of a block is paired, not chosen, or named as what has no counterpart."""

import copy
from collections.abc import Callable

import pytest
import torch
from timm.layers import GluMlp
from torch import Tensor, nn

import crosspath
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.sources.source import ModuleSource
from tests.errors import refused
from tests.pathway.small_models import DEPTH, WIDTH, Body, randomise


class GatedMlp(nn.Module):
    """A gated mlp whose three matrices have the shapes of a plain one's."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(WIDTH, 4 * WIDTH)
        self.down_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.down_proj(self.gate_proj(x).sigmoid() * self.up_proj(x))
        return result


def body(change: Callable[[nn.Module], object], depth: int = DEPTH) -> Body:
    """timm blocks, each of them changed."""
    model = randomise(Body(depth=depth))
    for block in model.blocks:
        change(block)
    return model


def mixing(block: nn.Module) -> None:
    block.mixing = nn.Linear(WIDTH, WIDTH, bias=False)  # a matrix of no known word


def gating(block: nn.Module) -> None:
    block.mlp = GatedMlp()


def crossing(block: nn.Module) -> None:
    block.cross_attn = copy.deepcopy(block.attn)


def looking_up(block: nn.Module) -> None:
    block.attn.relative_position_bias_table = nn.Parameter(torch.randn(9, 2))


def widening(block: nn.Module) -> None:
    block.conv_dw = nn.Conv2d(WIDTH, WIDTH, 3, groups=WIDTH)


def test_a_matrix_without_a_counterpart_stops_connect_until_it_is_accepted() -> None:
    target = body(mixing)
    report = crosspath.match(target, Body())
    assert not report.ok
    (mismatch,) = report.mismatches
    assert mismatch.what == "partial"
    assert mismatch.where == "block 0-1"
    assert f"mixing.weight ({WIDTH}, {WIDTH})" in str(mismatch)
    assert report.coverage == pytest.approx(12 / 13)  # 12 squares of the block's 13 pair
    with refused("connect", "mixing.weight", 'accept={"partial"}', kind=crosspath.PathwayError):
        crosspath.connect(target, Body())
    weight = target.blocks[0].mixing.weight
    handle = crosspath.connect(target, Body(), accept={"partial"})
    assert len(handle.scales()) == 4 * DEPTH
    assert target.blocks[0].mixing.weight is weight
    assert [mismatch.what for mismatch in handle.reports["auxiliary"].accepted] == ["partial"]


def test_it_is_named_where_the_auxiliary_has_it_too() -> None:
    report = crosspath.match(Body(), body(mixing))
    assert [mismatch.what for mismatch in report.mismatches] == ["partial"]
    assert "auxiliary's mixing.weight" in str(report)
    assert crosspath.match(Body(), body(mixing), accept="partial").ok


def test_one_architecture_pairs_whole() -> None:
    target = body(mixing)
    report = crosspath.match(target, body(mixing).state_dict())
    assert report.ok
    assert report.coverage == 1.0
    assert [pair.role for pair in report.pairs].count("mixing") == DEPTH
    assert crosspath.match(target, body(mixing), roles={"mixing"}).ok
    assert crosspath.match(target, Body(), roles="attention").ok


def test_a_gated_mlp_never_pairs_with_a_plain_one() -> None:
    for target, auxiliary in ((body(gating), Body()), (Body(), body(gating))):
        report = crosspath.match(target, auxiliary, accept={"heads", "norm", "partial"})
        assert {mismatch.what for mismatch in report.mismatches} == {"gate"}
        assert not any((pair.role or "").startswith("mlp") for pair in report.pairs)
        assert crosspath.match(target, auxiliary, roles="attention").ok
    assert crosspath.match(body(gating), body(gating)).coverage == 1.0


def test_a_second_attention_pairs_with_its_like_and_is_accounted_for() -> None:
    decoder = body(crossing)
    assert crosspath.match(decoder, body(crossing)).coverage == 1.0
    report = crosspath.match(decoder, Body())
    assert [mismatch.what for mismatch in report.mismatches] == ["partial"]
    assert "cross_attn.qkv.weight" in str(report)
    handle = crosspath.connect(decoder, Body(), accept={"partial"})
    assert not any("cross" in name for name, _ in handle.scales())


def test_tables_of_positions_and_depthwise_kernels_are_left_out_with_the_reason() -> None:
    for change, weight, reason in (
        (looking_up, "blocks.0.attn.relative_position_bias_table", "positions"),
        (widening, "blocks.1.conv_dw.weight", "a depthwise convolution"),
    ):
        report = crosspath.match(body(change), Body())
        assert report.ok
        assert f"{weight} ({reason})" in report.not_chosen


def test_a_role_that_no_block_has_is_refused_by_name() -> None:
    with refused("roles", "'mixin'", "mixing", kind=crosspath.PathwayError):
        crosspath.match(body(mixing), body(mixing), roles={"mixin"})


def test_two_lists_of_blocks_pair_with_the_same_two() -> None:
    def both() -> nn.Module:
        return nn.ModuleDict({"encoder": Body(), "decoder": Body(depth=1)})

    report = crosspath.match(both(), nn.ModuleDict({"model": both()}))
    assert report.ok
    assert report.coverage == 1.0
    assert len(report.pairs) == 6 * 3
    with refused("auxiliary (ModuleDict)", "'decoder.blocks'", "blocks=", kind=crosspath.PathwayError):
        crosspath.match(Body(), both())
    # The advice works: blocks are numbered through all lists in the natural order of their names.
    report = crosspath.match(Body(), both(), blocks={0: 1, 1: 2})
    assert report.ok
    assert {pair.auxiliary.weight.partition(".")[0] for pair in report.pairs} == {"encoder"}


def test_a_model_without_blocks_is_refused_with_its_weights_and_the_line_to_write() -> None:
    with refused(
        "target (Sequential)", "0.weight (4, 4)", "target_layout=crosspath.Layout", kind=crosspath.PathwayError
    ):
        crosspath.match(nn.Sequential(nn.Linear(4, 4)), Body())


def test_bare_lists_of_blocks_pair_and_train() -> None:
    target, auxiliary = randomise(Body()), randomise(Body())
    handle = crosspath.connect(target.blocks, auxiliary.blocks, scale_init=0.5)
    assert len(handle.scales()) == 4 * DEPTH
    expected = {name: value.detach().clone() for name, value in target.blocks.named_parameters()}
    assert expected
    tokens = torch.randn(1, 3, WIDTH)
    output = target(tokens)
    crosspath.merge(target.blocks)
    assert torch.equal(target(tokens), output)


class SealedAttention(nn.Module):
    """An attention that cannot be run, so that the order of its rows is seen nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 2
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError


class OtherAttention(SealedAttention):
    """Another class with the same names and shapes, which may hold its rows in another order."""


def test_fused_rows_of_two_unknown_classes_are_asked_for() -> None:
    def sealing(kind: type[SealedAttention]) -> Body:
        return body(lambda block: (setattr(block, "attn", kind()), mixing(block)))

    assert crosspath.match(sealing(SealedAttention), sealing(SealedAttention)).coverage == 1.0
    report = crosspath.match(sealing(SealedAttention), sealing(OtherAttention))
    assert not report.ok
    assert "order" in {mismatch.what for mismatch in report.mismatches}


@pytest.mark.parametrize("last", [True, False])
def test_the_half_of_a_gated_mlp_that_is_activated_is_its_gate(last: bool) -> None:
    model = body(lambda block: setattr(block, "mlp", GluMlp(WIDTH, 8 * WIDTH, gate_last=last)))
    anatomy = locate(ModuleSource(model))
    assert anatomy is not None
    assert anatomy.slots[0, "mlp_gate"].start == (4 * WIDTH if last else 0)
    assert anatomy.slots[0, "mlp_in"].start == (0 if last else 4 * WIDTH)


def test_a_table_that_fits_a_part_does_not_hide_an_attention_elsewhere() -> None:
    layers = nn.ModuleList(nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH) for _ in range(3))
    anatomy = locate(ModuleSource(nn.ModuleDict({"blocks": Body().blocks, "layers": layers})))
    assert anatomy is not None
    assert len(anatomy.blocks) == DEPTH + 3


def test_stages_of_convolutions_on_one_side_leave_the_blocks_with_attentions_to_pair() -> None:
    stages = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)) for _ in range(2))
    target = nn.ModuleDict({"stages": stages, "blocks": body(mixing).blocks})
    report = crosspath.match(target, body(mixing))
    assert report.ok
    assert len(report.pairs) == 7 * DEPTH


class GateBefore(nn.Module):
    """Both inputs of a gated mlp in one weight; the class, which no table knows, tells which half the gate is."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 8 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.fc1(x).chunk(2, -1)
        result: Tensor = self.fc2(gate.sigmoid() * value)
        return result


class GateAfter(GateBefore):
    """The same names, the other way round."""

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.fc1(x).chunk(2, -1)
        result: Tensor = self.fc2(gate.sigmoid() * value)
        return result


def test_undivided_halves_of_two_unknown_classes_do_not_pair() -> None:
    def before(block: nn.Module) -> None:
        block.mlp = GateBefore()

    def after(block: nn.Module) -> None:
        block.mlp = GateAfter()

    assert crosspath.match(body(before), body(before)).ok
    assert crosspath.match(body(before), body(after).state_dict()).ok  # of which no class is known
    report = crosspath.match(body(before), body(after))
    assert not report.ok
    assert {mismatch.what for mismatch in report.mismatches} == {"order"}
    assert "mlp_in" in str(report.mismatches[0])


def test_weights_without_entries_stay_out_and_are_named() -> None:
    def empty() -> nn.Module:
        return body(
            lambda block: setattr(block, "mlp", nn.ModuleDict({"fc1": nn.Linear(8, 0), "fc2": nn.Linear(0, 8)}))
        )

    for target, auxiliary in ((empty(), empty()), (empty(), empty().state_dict())):
        report = crosspath.match(target, auxiliary)
        assert report.ok
        assert report.coverage == 1.0
        assert "blocks.0.mlp.fc1.weight (no entries)" in report.not_chosen
        assert {pair.role for pair in report.pairs} == {"query", "key", "value", "attention_output"}
        crosspath.connect(target, auxiliary, scale_per="channel")
        crosspath.status(target)
        crosspath.merge(target)
    report = crosspath.match(empty(), empty(), names=r"(fc1|proj)\.weight")
    assert [pair.target.weight for pair in report.pairs] == [f"blocks.{i}.attn.proj.weight" for i in range(DEPTH)]
    assert report.not_chosen == tuple(f"blocks.{i}.mlp.fc1.weight (no entries)" for i in range(DEPTH))
    with refused("connect", kind=crosspath.PathwayError):
        crosspath.connect(empty(), empty(), names=r"fc1\.weight")
