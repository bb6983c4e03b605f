"""Transposed weights and other orders of rows: what W' holds, what stays the target's, what a saved folder says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import crosspath
from crosspath.layouts import Layout
from crosspath.pathway.anatomy.slot import Slot, read_entries, write_entries, write_parts
from tests.errors import refused
from tests.pathway.small_models import HEADS, WIDTH, Body, Decoder, HeadMajorBlock, TransposedBlock, randomise

INTERLEAVED = crosspath.layout_named("timm blocks", order="interleaved")
BUILDS: dict[str, tuple[Callable[[], nn.Module], Layout | None]] = {
    "plain": (lambda: Body(), None),
    "transposed": (lambda: Decoder(TransposedBlock), None),
    "head-major": (lambda: Decoder(HeadMajorBlock), None),
    "interleaved": (lambda: Body(), INTERLEAVED),
}
FUSED = {
    "plain": "blocks.0.attn.qkv",
    "transposed": "h.0.attn.c_attn",
    "head-major": "h.0.self_attention.query_key_value",
    "interleaved": "blocks.0.attn.qkv",
}


def build(kind: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return randomise(BUILDS[kind][0]())


def tokens() -> Tensor:
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(3))


def three_major(kind: str, weight: Tensor) -> Tensor:
    """(3, outputs, ...) of a fused weight or bias: each kind's own way of taking it apart, written out."""
    if kind == "transposed" and weight.dim() == 2:
        weight = weight.T
    if kind == "head-major":
        return torch.stack(
            [weight.reshape(HEADS, 3, WIDTH // HEADS, *weight.shape[1:])[:, part] for part in range(3)]
        ).flatten(1, 2)
    if kind == "interleaved":
        return torch.stack([weight[part::3] for part in range(3)])
    return torch.stack(weight.chunk(3))


def connect(ours: str, theirs: str, **options: object) -> tuple[nn.Module, nn.Module, crosspath.Pathways]:
    target, auxiliary = build(ours), build(theirs, seed=1)
    handle = crosspath.connect(
        target,
        {"audio": auxiliary},
        target_layout=BUILDS[ours][1],
        auxiliary_layout=BUILDS[theirs][1],
        roles=options.pop("roles", "attention"),
        **options,
    )
    return target, auxiliary, handle


@pytest.mark.parametrize("ours", BUILDS)
@pytest.mark.parametrize("theirs", BUILDS)
@pytest.mark.parametrize("roles", [("query", "key", "value"), ("query", "value"), ("key",)])
def test_each_role_gets_its_own_counterpart_and_nothing_else_changes(
    ours: str, theirs: str, roles: tuple[str, ...]
) -> None:
    target, auxiliary, handle = connect(ours, theirs, roles=roles, bias=True, scale_per="role", scale_init=1.0)
    layer, source = target.get_submodule(FUSED[ours]), auxiliary.get_submodule(FUSED[theirs])
    lam = [0.5, -2.0, 3.0][: len(roles)]
    with torch.no_grad():
        handle.scales()[f"{FUSED[ours]}.weight", "audio"].copy_(torch.tensor(lam))
    for name in ("weight", "bias"):
        own = getattr(layer.parametrizations, name).original
        actual, before = three_major(ours, getattr(layer, name)), three_major(ours, own)
        theirs_in_order = three_major(theirs, getattr(source, name))
        for part, role in enumerate(("query", "key", "value")):
            if role in roles:
                expected = before[part] + lam[roles.index(role)] * theirs_in_order[part]
                torch.testing.assert_close(actual[part], expected, msg=f"{name} {role}")
            else:
                assert torch.equal(actual[part], before[part]), (name, role)
        # The gradient of what holds no pathway is that of the plain weight, bitwise.
        probe = torch.randn(getattr(layer, name).shape)
        getattr(layer, name).backward(probe)
        assert torch.equal(own.grad, probe)


@pytest.mark.parametrize("ours", BUILDS)
@pytest.mark.parametrize("roles", [("query", "key", "value"), ("query", "value")])
def test_a_scale_of_a_head_reaches_its_rows_of_every_role(ours: str, roles: tuple[str, ...]) -> None:
    target, auxiliary, handle = connect(ours, "plain", roles=roles, scale_per="head")
    scale = handle.scales()[f"{FUSED[ours]}.weight", "audio"]
    assert scale.shape == (HEADS,)
    with torch.no_grad():
        scale.copy_(torch.arange(1.0, HEADS + 1))
    layer = target.get_submodule(FUSED[ours])
    actual, before = three_major(ours, layer.weight), three_major(ours, layer.parametrizations.weight.original)
    theirs_in_order = three_major("plain", auxiliary.get_submodule(FUSED["plain"]).weight)
    by_row = scale.detach().repeat_interleave(WIDTH // HEADS)[:, None]
    for part, role in enumerate(("query", "key", "value")):
        torch.testing.assert_close(actual[part], before[part] + (role in roles) * by_row * theirs_in_order[part])


@pytest.mark.parametrize("ours", BUILDS)
@pytest.mark.parametrize("scale_per", ["layer", "role", "head", "channel"])
@pytest.mark.parametrize("roles", ["attention", ("query", "value")])
def test_merged_disabled_disconnected_and_saved(tmp_path: Path, ours: str, scale_per: str, roles: object) -> None:
    target, _, handle = connect(ours, "head-major", roles=roles, scale_per=scale_per)
    plain = build(ours)
    bare = plain(tokens())
    assert torch.equal(target(tokens()), bare)
    with torch.no_grad():
        for scale in handle.scales().values():
            scale.normal_()
        joined = target(tokens())
        assert not torch.allclose(joined, bare)
        with handle.disabled():
            assert torch.equal(target(tokens()), bare)
        crosspath.save_pathway(target, tmp_path)
        again = BUILDS[ours][0]()
        loaded = crosspath.load_pathway(again, tmp_path)
        assert torch.equal(again(tokens()), joined)
        assert str(loaded.status()) == str(handle.status())
        receipt = crosspath.merge(again)
        assert torch.equal(again(tokens()), joined)
        assert receipt.largest_drift < 1e-6
    crosspath.disconnect(target)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize("ours", BUILDS)
@pytest.mark.parametrize("theirs", BUILDS)
def test_a_frozen_auxiliary_is_cut_again_from_where_it_is(tmp_path: Path, ours: str, theirs: str) -> None:
    """A folder that holds no W' tells enough to lay the auxiliary's rows as they were."""
    roles = ("query", "value", "attention_output")
    target, auxiliary, _ = connect(ours, theirs, roles=roles, train_auxiliary=False, scale_init=0.5, bias=True)
    crosspath.save_pathway(target, tmp_path)
    with refused("audio", "reference", kind=crosspath.PathwayError):
        crosspath.load_pathway(BUILDS[ours][0](), tmp_path)
    again = BUILDS[ours][0]()
    crosspath.load_pathway(again, tmp_path, auxiliary)
    assert torch.equal(again(tokens()), target(tokens()))
    other = Decoder(HeadMajorBlock) if theirs != "head-major" else Body()
    with refused("audio", "auxiliary", kind=crosspath.PathwayError):
        crosspath.load_pathway(again, tmp_path, other)
    narrow = {name: value[: value.shape[0] // 2] for name, value in auxiliary.state_dict().items()}
    with refused("", "auxiliary", kind=crosspath.PathwayError):
        crosspath.load_pathway(again, tmp_path, narrow)


def test_a_folder_is_of_the_oldest_version_that_holds_it(tmp_path: Path) -> None:
    """Version 1 knows rows alone; whoever knows nothing newer can load what needs nothing newer."""
    for kind, version in (("plain", 1), ("transposed", 2), ("head-major", 2)):
        target, _, _ = connect(kind, "transposed")
        crosspath.save_pathway(target, tmp_path / kind)
        description = json.loads((tmp_path / kind / "pathway.json").read_text())
        assert description["format_version"] == version, kind
    entry = json.loads((tmp_path / "plain" / "pathway.json").read_text())["layers"]["blocks.0.attn.qkv.weight"]["audio"]
    assert entry["segments"] == [[0, 3 * WIDTH]]
    assert not {"along", "groups", "repeats"} & set(entry)


@pytest.mark.parametrize("fault", [{"along": 2}, {"groups": 5}, {"groups": 0}, {"repeats": 3}, {"from": ["nonsense"]}])
def test_a_faulty_overlay_is_refused(tmp_path: Path, fault: dict[str, object]) -> None:
    target, auxiliary, _ = connect("head-major", "transposed", train_auxiliary=False)
    crosspath.save_pathway(target, tmp_path)
    path = tmp_path / "pathway.json"
    description = json.loads(path.read_text())
    description["layers"][f"{FUSED['head-major']}.weight"]["audio"] |= fault
    path.write_text(json.dumps(description))
    again = build("head-major", seed=5)
    before = {name: value.clone() for name, value in again.state_dict().items()}
    with pytest.raises(crosspath.PathwayError):
        crosspath.load_pathway(again, tmp_path, auxiliary)
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())


def test_a_file_in_another_order_is_read_and_read_again(tmp_path: Path) -> None:
    auxiliary = build("transposed", seed=1)
    save_file(auxiliary.state_dict(), tmp_path / "text.safetensors")
    target = build("head-major")
    crosspath.connect(target, tmp_path / "text.safetensors", train_auxiliary=False, scale_init=1.0)
    direct = build("head-major")
    crosspath.connect(direct, auxiliary, scale_init=1.0)
    assert torch.equal(target(tokens()), direct(tokens()))
    crosspath.save_pathway(target, tmp_path / "run")
    again = Decoder(HeadMajorBlock)
    crosspath.load_pathway(again, tmp_path / "run")
    assert torch.equal(again(tokens()), target(tokens()))


def test_the_same_function_whatever_the_order() -> None:
    """Transposed blocks whose weights are zero compute, with λ = 1, what the head-major auxiliary computes."""
    target, auxiliary = build("transposed"), build("head-major", seed=1)
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.zero_()
    crosspath.connect(target, auxiliary, scale_init=1.0, bias=True)
    torch.testing.assert_close(target(tokens()), auxiliary(tokens()))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_slot_reads_and_writes_the_same_entries(groups: int, transposed: bool) -> None:
    tensor = torch.arange(48.0).reshape(12, 4)
    weight = tensor.T.contiguous() if transposed else tensor.clone()
    slot = Slot("w", 1, 12 // groups - 1, (12 - 2 * groups, 4), None, groups, transposed)
    rows = [row for row in range(12) if 1 <= row % (12 // groups) < 12 // groups - 1]
    assert torch.equal(read_entries(weight, slot), tensor[rows])
    write_entries(weight, slot, -tensor[rows])
    assert torch.equal(
        weight.T if transposed else weight,
        torch.where(torch.isin(torch.arange(12), torch.tensor(rows))[:, None], -tensor, tensor),
    )
    assert Slot.read(str(slot)) == Slot("w", slot.start, slot.stop, (), None, groups, transposed)
    whole = torch.empty(4, 12) if transposed else torch.empty(12, 4)
    write_parts(whole, [tensor[:8], tensor[8:]], int(transposed), groups)
    parts = [tensor[:8].reshape(groups, -1, 4), tensor[8:].reshape(groups, -1, 4)]
    assert torch.equal(whole.T if transposed else whole, torch.cat(parts, 1).reshape(12, 4))
