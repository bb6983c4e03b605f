"""`connect(..., fit=)`: auxiliaries of other widths, depths, heads and mlps, from match to a merged model."""

import copy
from functools import partial
from pathlib import Path

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

import crosspath
from crosspath.pathway.fitting.fit import FITS, Fit
from crosspath.pathway.fitting.maps import times
from crosspath.pathway.fitting.stream import stream_map
from tests.errors import refused
from tests.pathway.small_models import Body, randomise

WIDE, NARROW = 24, 12


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def body(depth: int = 2, width: int = NARROW, heads: int = 3) -> Body:
    model = Body(depth, width, heads)
    randomise(model)
    return model


def llama() -> nn.Module:
    """Grouped-query attention, gated mlps, RMSNorm and rotary positions."""
    config = LlamaConfig(
        hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=7,
    )  # fmt: skip
    return LlamaModel(config)


def bert() -> nn.Module:
    """As MiniLM: post-norm, 12 heads."""
    config = BertConfig(
        hidden_size=24, intermediate_size=96, num_hidden_layers=2, num_attention_heads=12, vocab_size=7,
        max_position_embeddings=8,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


def connect_body(fit: Fit, auxiliary: nn.Module, target: Body | None = None, **options: object) -> Body:
    target = body() if target is None else target
    crosspath.connect(target, {"a": auxiliary}, fit=fit, scale_init=0.5, **options)  # type: ignore[arg-type]
    return target


def values(model: nn.Module) -> dict[str, Tensor]:
    return {weight: value.detach() for (weight, _), value in crosspath.pathways(model).auxiliaries().items()}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("depth", "width", "heads"), [(1, WIDE, 4), (2, WIDE, 3), (4, 6, 2)])
def test_every_shape_connects_and_merges_to_the_bit(fit: Fit, depth: int, width: int, heads: int) -> None:
    target, auxiliary = body(), body(depth, width, heads)
    before = copy.deepcopy(auxiliary.state_dict())
    report = crosspath.match(target, auxiliary, fit=fit)
    assert report.ok
    assert report.coverage == 1.0
    connect_body(fit, auxiliary, target)
    tokens = torch.randn(2, 5, NARROW)
    output = target(tokens)
    with crosspath.pathways(target).disabled():
        assert not torch.equal(target(tokens), output)
    crosspath.merge(target)
    assert torch.equal(target(tokens), output)
    assert all(torch.equal(value, before[name]) for name, value in auxiliary.state_dict().items())


@pytest.mark.parametrize("fit", FITS)
def test_an_auxiliary_of_equal_shape_passes_unchanged(fit: Fit) -> None:
    for auxiliary in (body(), body(heads=2)):  # other heads of as many channels too
        target = connect_body(fit, auxiliary, accept={"norm"})
        assert crosspath.pathways(target).engine == "live"
        own = auxiliary.state_dict()
        assert all(torch.equal(value, own[weight]) for weight, value in values(target).items())
        assert not any(row.derived for row in crosspath.status(target))


def test_slices_are_the_first_channels_and_heads() -> None:
    auxiliary = body(width=WIDE, heads=6)  # heads of 4, as the target's
    target, own = connect_body("slice", auxiliary, bias=True), auxiliary.state_dict()
    part = values(target)
    qkv = own["blocks.0.attn.qkv.weight"].unflatten(0, (3, WIDE))[:, :NARROW, :NARROW].flatten(0, 1)
    assert torch.equal(part["blocks.0.attn.qkv.weight"], qkv)
    assert torch.equal(part["blocks.1.mlp.fc2.weight"], own["blocks.1.mlp.fc2.weight"][:NARROW, : 4 * NARROW])
    assert torch.equal(part["blocks.1.mlp.fc1.bias"], own["blocks.1.mlp.fc1.bias"][: 4 * NARROW])


def test_one_projection_reads_and_writes_the_stream() -> None:
    """Spectra: with as many mlp channels, P follows from fc2 and Pᵀ from fc1 of every block."""
    target, auxiliary = body(), body(width=WIDE)
    for model in (target, auxiliary):
        for block in model.blocks:
            block.mlp.fc1, block.mlp.fc2 = nn.Linear(model.blocks[0].attn.qkv.in_features, 30), nn.Linear(30, 24)
    for block in target.blocks:
        block.mlp.fc2 = nn.Linear(30, NARROW)
    connect_body("spectra", auxiliary, target, roles="mlp")
    part, own, maps = values(target), auxiliary.state_dict(), []
    for block in range(2):
        for name, transposed in (("fc1", True), ("fc2", False)):
            key = f"blocks.{block}.mlp.{name}.weight"
            fitted, whole = (part[key].T, own[key].T) if transposed else (part[key], own[key])
            maps.append(torch.linalg.lstsq(whole.double().T, fitted.double().T).solution.T)
    assert all(torch.allclose(matrix, maps[0], atol=1e-5) for matrix in maps)
    assert torch.allclose(maps[0] @ maps[0].T, torch.eye(NARROW, dtype=torch.float64), atol=1e-5)


def test_other_depths_pair_by_relative_depth() -> None:
    target = body(depth=6)
    report = crosspath.match(target, body(depth=3), fit="slice")
    pairs = {(pair.target.weight[7], pair.auxiliary.weight[7]) for pair in report.pairs}
    assert pairs == {("0", "0"), ("1", "0"), ("2", "1"), ("3", "1"), ("4", "2"), ("5", "2")}
    assert any("3 blocks for 6" in line for line in report.fitted)
    report = crosspath.match(target, body(depth=3), fit="slice", blocks="repeat")
    assert {(pair.target.weight[7], pair.auxiliary.weight[7]) for pair in report.pairs} != pairs


@pytest.mark.parametrize("fit", FITS)
def test_a_decoder_of_another_family_fits_a_vit(fit: Fit) -> None:
    """Its mlp_gate goes where a plain mlp has its input; what is left out is said."""
    auxiliary, target = llama(), body()
    report = crosspath.match(target, auxiliary, fit=fit)
    assert report.ok
    lines = "\n".join(report.fitted)
    for words in ("rotary", "RMSNorm", "2 keys and values", "mlp_gate", "stream: 16 channels to 12"):
        assert words in lines
    gates = [pair for pair in report.pairs if pair.role == "mlp_in"]
    assert all("gate_proj" in pair.auxiliary.weight for pair in gates)
    connect_body(fit, auxiliary, target)
    tokens = torch.randn(1, 4, NARROW)
    output = target(tokens)
    crosspath.merge(target)
    assert torch.equal(target(tokens), output)


def test_keys_and_values_of_grouped_query_attention_are_repeated() -> None:
    auxiliary, target = llama(), body(width=16, heads=4)
    connect_body("slice", auxiliary, target, roles="attention")
    key = auxiliary.layers[0].self_attn.k_proj.weight
    repeats = key.unflatten(0, (2, 4)).repeat_interleave(2, 0).flatten(0, 1)
    assert torch.equal(values(target)["blocks.0.attn.qkv.weight"][16:32], repeats)


def test_a_post_norm_model_of_other_heads() -> None:
    """As MiniLM on a pre-norm target: matrices stay to the bit, the report says what the heads mean."""
    target, auxiliary = body(width=24, heads=6), bert()
    with refused("connect", "norm", 'accept={"norm"}', kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary, fit="slice")
    report = crosspath.match(target, auxiliary, fit="slice", accept={"norm"})
    assert any("12 in the place of 6" in line and "exact" in line for line in report.fitted)
    connect_body("slice", auxiliary, target, accept={"norm"})
    query = auxiliary.encoder.layer[0].attention.self.query.weight
    assert torch.equal(values(target)["blocks.0.attn.qkv.weight"][:24], query)


def test_without_it_other_shapes_are_refused_and_the_advice_works() -> None:
    target, auxiliary = body(), llama()
    with refused("connect", 'fit="slice"', "average", "spectra", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary)
    for mismatch in crosspath.match(target, auxiliary).mismatches:
        assert mismatch.what in ("heads", "width", "shape", "gate")
        assert mismatch.what == "heads" or 'fit="slice"' in mismatch.remedy
    crosspath.connect(target, auxiliary, fit="slice")


def test_what_cannot_be_fitted_is_refused_without_that_advice() -> None:
    target, auxiliary = body(), body(width=WIDE).state_dict()  # which states no heads
    report = crosspath.match(target, auxiliary, fit="slice")
    assert not report.ok
    assert "head count" in str(report.mismatches[0])
    assert "auxiliary_layout=crosspath.layout_named('timm blocks', heads=NUMBER)" in report.mismatches[0].remedy
    layout = crosspath.layout_named("timm blocks", heads=4)
    assert crosspath.match(target, auxiliary, fit="slice", auxiliary_layout=layout).ok
    assert not any('fit="slice"' in mismatch.remedy for mismatch in crosspath.match(target, auxiliary).mismatches)
    with refused("fit", "slice", "'half'", kind=crosspath.PathwayError):
        crosspath.match(target, body(), fit="half")  # type: ignore[arg-type]
    by_name = crosspath.match(target, auxiliary, names="qkv", fit="slice")
    assert not by_name.ok
    assert not any("fit=" in fault.remedy for fault in by_name.mismatches)
    auxiliary = body(width=WIDE)
    nn.init.constant_(auxiliary.blocks[0].attn.qkv.weight, torch.nan)
    with refused("", "blocks.0.attn.qkv.weight", "finite", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary, fit="spectra")


def test_status_and_report_say_how_and_how_much() -> None:
    auxiliary = body(width=WIDE, heads=6)
    target = connect_body("slice", auxiliary)
    own, part = auxiliary.state_dict(), values(target)
    rows = {row.weight: row for row in crosspath.status(target)}
    (piece,) = rows["blocks.0.mlp.fc1.weight"].derived
    assert [record.step for record in piece] == ["fit"]
    energy = part["blocks.0.mlp.fc1.weight"].square().sum() / own["blocks.0.mlp.fc1.weight"].square().sum()
    assert piece[0].numbers["energy"] == pytest.approx(float(energy))
    assert "slice" in str(crosspath.status(target))
    both = [f"blocks.{block}.mlp.fc1.weight" for block in range(2)]
    share = sum(part[name].square().sum() for name in both) / sum(own[name].square().sum() for name in both)
    lines = [line for line in crosspath.match(body(), auxiliary, fit="slice").fitted if line.startswith("mlp_in")]
    assert lines == [line for line in lines if f"{share:.1%}" in line]
    assert len(lines) == 1


@pytest.mark.parametrize("train_auxiliary", [True, False])
def test_fitted_values_are_saved_by_value(tmp_path: Path, train_auxiliary: bool) -> None:
    target = connect_body("spectra", body(width=WIDE), train_auxiliary=train_auxiliary)
    crosspath.save_pathway(target, tmp_path)
    fresh = body()
    crosspath.load_pathway(fresh, tmp_path)
    assert all(torch.equal(value, values(target)[weight]) for weight, value in values(fresh).items())
    assert [row.derived for row in crosspath.status(fresh)] == [row.derived for row in crosspath.status(target)]


@pytest.mark.parametrize(("fit", "norm"), [("average", "layer"), ("slice", "rms"), ("spectra", "rms")])
@pytest.mark.parametrize(("heads", "hidden"), [(4, 128), (3, 96)])
def test_canonical_a_wider_target_computes_what_the_auxiliary_does(
    fit: Fit, norm: str, heads: int, hidden: int
) -> None:
    """With W = 0 and λ = 1, on the auxiliary's stream laid into the target's: norms of more channels and wider heads
    are made up for.
    """
    kind = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}[norm]

    def model(width: int, heads: int, hidden: int) -> nn.Module:
        blocks = (
            Block(width, heads, qkv_bias=True, mlp_ratio=hidden / width, norm_layer=partial(kind, eps=0.0))
            for _ in range(2)
        )
        return nn.ModuleDict({"blocks": nn.Sequential(*blocks)}).double().eval()

    target, auxiliary = model(48, heads, hidden), randomise(model(16, 2, 64))
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            parameter.fill_(1.0 if name.endswith(("norm1.weight", "norm2.weight")) else 0.0)
    crosspath.connect(target, auxiliary, fit=fit, canonical=True, bias=True, scale_init=1.0)
    widen = stream_map(fit, 48, 16, [])
    assert widen is not None
    tokens = torch.randn(5, 16, dtype=torch.float64)
    expected = times(widen, auxiliary["blocks"](tokens[None])[0].T).T
    output = target["blocks"](times(widen, tokens.T).T[None])[0]
    assert torch.allclose(output, expected, atol=1e-10)
    pieces = [piece for row in crosspath.status(target) for piece in row.derived]
    fits = [record for piece in pieces for record in piece if record.step == "fit"]
    assert fits
    assert all("gain" in record.numbers for record in fits)


@pytest.mark.parametrize("options", [{"fit": "spectra"}, {"fit": "average"}, {"canonical": True}])
def test_a_block_of_the_meta_device_around_connect_changes_nothing(options: dict[str, object]) -> None:
    found = []
    for device in ("cpu", "meta"):
        torch.manual_seed(0)
        target, auxiliary = body(), body(width=WIDE if "fit" in options else NARROW)
        with torch.device(device):
            handle = crosspath.connect(target, auxiliary, **options)
        found.append((str(handle.reports["auxiliary"]), handle.auxiliaries()))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(value, found[1][1][name]) for name, value in found[0][1].items())
