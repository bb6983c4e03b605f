"""Matching: complete, readable, and without a trace on either model."""

import copy
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import crosspath
from tests.errors import refused
from tests.pathway.small_models import BY_ROLE, DEPTH, HEADS, KINDS, WIDTH, Body


@pytest.mark.parametrize("ours", ["timm", "torch encoder", "torchvision"])
@pytest.mark.parametrize("theirs", ["timm", "torch encoder", "torchvision"])
def test_every_two_layouts_of_equal_width_pair_whole(ours: str, theirs: str) -> None:
    target, auxiliary = KINDS[ours].build(), KINDS[theirs].build()
    if "timm" in (ours, theirs) and ours != theirs:  # timm's mlp is four times as wide, theirs twice
        report = crosspath.match(target, auxiliary, roles="attention")
        assert len(report.pairs) == 2 * 4
    else:
        report = crosspath.match(target, auxiliary)
        assert len(report.pairs) == 2 * 6
    assert report.ok


def test_match_touches_nothing() -> None:
    target, auxiliary = Body(), Body()
    before = copy.deepcopy(target.state_dict()), copy.deepcopy(auxiliary.state_dict())
    crosspath.match(target, auxiliary)
    for model, state in zip((target, auxiliary), before, strict=True):
        assert list(model.state_dict()) == list(state)
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_the_heads_of_a_state_dict_are_unverified() -> None:
    report = crosspath.match(Body(), Body().state_dict())
    assert report.ok
    assert "head count of block 0" in report.unverified
    assert "unverified" in str(report)


def test_norm_placement_is_checked() -> None:
    def encoder(first: bool) -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, norm_first=first)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    report = crosspath.match(encoder(True), encoder(False))
    assert not report.ok
    assert report.mismatches[0].what == "norm"
    assert crosspath.match(encoder(True), encoder(False), accept="norm").ok


def test_all_mismatches_come_in_one_message() -> None:
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(Body(depth=3, heads=2), Body(depth=2, heads=4, width=16))
    message = str(error.value)
    assert all(part in message for part in ("depth", "width", "8 wide", "16"))


def test_what_is_not_chosen_is_listed() -> None:
    report = crosspath.match(Body(), Body(), roles="mlp")
    assert len(report.pairs) == 4
    # A fused weight holds three roles; what pairs is not listed.
    names = [name for entry in report.not_chosen for name in re.findall(r"[\w.]+weight", entry)]
    assert sorted(names) == sorted(
        [f"blocks.{block}.attn.{name}.weight" for block in range(2) for name in ("qkv", "qkv", "qkv", "proj")]
    )
    assert crosspath.match(Body(), Body()).not_chosen == ()


def test_two_bodies_in_one_model_are_ambiguous() -> None:
    both = nn.ModuleDict({"encoder": Body(), "decoder": Body()})
    with refused("ModuleDict", "'decoder.blocks'", "'encoder.blocks'", kind=crosspath.PathwayError):
        crosspath.match(both, Body())
    assert crosspath.match(both["encoder"], Body()).ok


def tower() -> nn.Module:
    return nn.ModuleDict({"patches": nn.Conv2d(3, WIDTH, 2), "blocks": Body().blocks, "head": nn.Linear(WIDTH, 3)})


def test_numbered_towers_are_ambiguous_as_named_ones_are() -> None:
    both = nn.ModuleDict({"towers": nn.ModuleList([tower(), tower()])})
    with refused("ModuleDict", "'towers.0.blocks'", "'towers.1.blocks'", kind=crosspath.PathwayError):
        crosspath.match(both, Body(depth=4))
    report = crosspath.match(nn.ModuleList([tower(), tower()]), nn.ModuleList([tower(), tower()]))
    assert report.ok
    assert {re.sub(r"\d", "#", pair.target.weight.partition("blocks")[0]) for pair in report.pairs} == {"#."}
    assert report.coverage == 1.0


def test_an_attention_outside_of_the_blocks_is_listed() -> None:
    target = nn.ModuleDict({"more": Body(depth=1).blocks, "middle": Body(depth=1).blocks[0]})
    report = crosspath.match(target, Body(depth=1))
    assert report.ok
    assert report.not_chosen == ("middle.attn (an attention outside of the blocks)",)
    assert "middle.attn" in str(report)


def test_a_weight_that_a_hook_computes_is_no_other_depth() -> None:
    def split() -> nn.Module:
        linear = {name: nn.Linear(WIDTH, WIDTH) for name in ("q", "k", "v", "proj")}
        return nn.ModuleDict({"attn": nn.ModuleDict(linear), "mlp": Body().blocks[0].mlp})

    target, auxiliary = (nn.ModuleList([split(), split()]) for _ in range(2))
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(target[0]["attn"]["q"])
    report = crosspath.match(target, auxiliary)
    assert "depth" not in {mismatch.what for mismatch in report.mismatches}
    assert any("attn.q.weight_v" in str(mismatch) for mismatch in report.mismatches)


def test_a_decoder_of_a_masked_autoencoder_is_not_taken_for_blocks() -> None:
    model = nn.ModuleDict({"blocks": Body().blocks, "decoder_blocks": Body(depth=1).blocks})
    assert crosspath.match(model, Body()).ok


def test_no_known_layout_says_so() -> None:
    with refused("target (Linear)", "blocks", "layout", kind=crosspath.PathwayError):
        crosspath.match(nn.Linear(4, 4), Body())


def test_a_file_is_matched_by_its_header(tmp_path: Path) -> None:
    save_file(Body().state_dict(), tmp_path / "model.safetensors")
    for source in (tmp_path, tmp_path / "model.safetensors", str(tmp_path / "model.safetensors")):
        assert crosspath.match(Body(), source).ok


@pytest.mark.parametrize("name", ["weights.pth", "weights.bin", "weights.ckpt"])
def test_pickled_files_are_refused_unread(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with refused("", "pickle", kind=crosspath.PathwayError):
        crosspath.match(Body(), tmp_path / name)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with refused("nothing.safetensors", "found none", kind=crosspath.PathwayError):
        crosspath.match(Body(), tmp_path / "nothing.safetensors")
    (tmp_path / "half.safetensors").write_bytes(b"\x10\x00\x00")
    with refused("half.safetensors", "damage", kind=crosspath.PathwayError):
        crosspath.match(Body(), tmp_path / "half.safetensors")


def test_block_ten_follows_block_nine() -> None:
    weights = [pair.target.weight for pair in crosspath.match(Body(depth=11), Body(depth=11), roles={"mlp_in"}).pairs]
    assert weights == [f"blocks.{index}.mlp.fc1.weight" for index in range(11)]


@pytest.mark.parametrize("name", BY_ROLE)
def test_every_kind_by_role_finds_itself(name: str) -> None:
    report = crosspath.match(KINDS[name].build(), KINDS[name].build())
    assert report.ok
    assert report.unverified in ((), ("norm placement",))


def test_a_printed_report_begins_with_what_stops_connect() -> None:
    report = crosspath.match(Body(heads=2), Body(heads=4))
    assert str(report).splitlines()[1] == f"  does not pair     {report.mismatches[0]}"


def test_a_printed_report_says_nothing_of_biases_where_neither_model_has_one() -> None:
    report = crosspath.match(Body(qkv_bias=False), Body(qkv_bias=False))
    assert any("qkv" in weight for weight in report.without_bias)
    assert "no pair of biases" not in str(report)


def test_the_lists_of_a_model_are_named_with_the_numbers_of_their_blocks() -> None:
    whole = nn.Transformer(16, 2, 2, 3, 32, batch_first=True)
    with pytest.raises(crosspath.PathwayError, match=r"'decoder.layers': blocks 0-2, 'encoder.layers': blocks 3-4"):
        crosspath.match(whole, Body())


@pytest.mark.parametrize("as_state", [False, True])
def test_weights_stored_as_inputs_by_outputs_are_turned_whatever_pairs_them(as_state: bool) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    sizes = {"n_embd": WIDTH, "n_head": HEADS, "n_layer": DEPTH, "vocab_size": 10, "n_positions": 8}
    options = {**sizes, "add_cross_attention": True, "bos_token_id": 0, "eos_token_id": 0}
    model = transformers.GPT2Model(transformers.GPT2Config(**options))
    auxiliary = dict(model.state_dict()) if as_state else model
    target = Body()
    names = {"blocks.0.attn.proj.weight": "h.0.attn.c_proj.weight", "blocks.0.mlp.fc1.weight": "h.0.mlp.c_fc.weight"}
    handle = crosspath.connect(target, auxiliary, names=names)
    for (name, _), value in handle.auxiliaries().items():
        if name in names:
            assert torch.equal(value, model.get_parameter(names[name]).T)
    report = crosspath.match(Body(), auxiliary)
    pieces = {str(pair.target): str(pair.auxiliary) for pair in report.pairs}
    assert pieces["blocks.0.mlp.fc1.weight[0:32]"] == "h.0.mlp.c_fc.weight[:, 0:32]"
    assert pieces["blocks.1.attn.proj.weight[0:8]"] == "h.1.attn.c_proj.weight[:, 0:8]"


@pytest.mark.parametrize("canonical", [False, True])
def test_a_file_without_biases_pairs_with_a_target_that_has_them(canonical: bool) -> None:
    def vit(bias: bool) -> VisionTransformer:
        torch.manual_seed(0)
        return VisionTransformer(
            img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=5, qkv_bias=bias
        )

    targets = [vit(True), vit(True)]
    for target, auxiliary in zip(targets, (vit(False), vit(False).state_dict()), strict=True):
        crosspath.connect(target, {"audio": auxiliary}, scale_init=1.0, bias=True, canonical=canonical)
    images_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(*(target.eval()(images_BCHW) for target in targets))
