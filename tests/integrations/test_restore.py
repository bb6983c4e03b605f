"""Filling a connected model in place from saved files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import crosspath
from crosspath.integrations.restore import accept_plain_state, restore
from tests.errors import refused
from tests.pathway.small_models import Body, randomise


def body(seed: int, **options: Any) -> Any:
    torch.manual_seed(seed)
    return randomise(Body(**options))


def connected(seed: int, auxiliary: int = 9, **options: Any) -> Any:
    model = body(seed)
    crosspath.connect(model, {"audio": body(auxiliary)}, scale_init=0.2, **options)
    with torch.no_grad():
        for scale in crosspath.pathways(model).scales().values():
            scale.add_(torch.randn_like(scale))
    return model


def values(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("options", [{}, {"scale_per": "head"}, {"bias": True}, {"roles": {"query", "mlp_in"}}])
def test_every_value_comes_back_into_the_same_parameters(tmp_path: Path, options: dict[str, Any]) -> None:
    saved, model = connected(0, **options), connected(1, auxiliary=8, **options)
    crosspath.save_pathway(saved, tmp_path)
    before = dict(model.named_parameters())
    restore(model, tmp_path)
    assert same(values(model), values(saved))
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


def test_a_frozen_auxiliary_saved_by_reference_is_checked_not_read(tmp_path: Path) -> None:
    saved = connected(0, train_auxiliary=False)
    crosspath.save_pathway(saved, tmp_path)
    model = connected(1, train_auxiliary=False)
    restore(model, tmp_path)
    assert same(values(model), values(saved))
    other = connected(1, auxiliary=8, train_auxiliary=False)
    before = values(other)
    with refused("", "frozen", "auxiliary", kind=crosspath.PathwayError):
        restore(other, tmp_path)
    assert same(values(other), before)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"roles": {"key"}}, "attn.qkv.weight"), ({"scale_per": "head"}, "attn.qkv.weight"), ({"roles": "mlp"}, "attn")],
)
def test_a_model_connected_otherwise_is_refused_and_untouched(
    tmp_path: Path, options: dict[str, Any], where: str
) -> None:
    crosspath.save_pathway(connected(0, roles={"query"}), tmp_path)
    model = connected(1, **options)
    before = values(model)
    with pytest.raises(crosspath.PathwayError, match=f"connected as they were saved.*{where}"):
        restore(model, tmp_path)
    assert same(values(model), before)


def test_a_model_of_another_width_is_refused(tmp_path: Path) -> None:
    crosspath.save_pathway(connected(0, names=["blocks.0.attn.proj.weight"]), tmp_path)
    model = body(1, depth=3)
    crosspath.connect(model, {"audio": body(9, depth=3)}, names=["blocks.0.attn.proj.weight"])
    with refused("model.safetensors", "blocks.2.norm1.weight", kind=crosspath.PathwayError):
        restore(model, tmp_path)


@pytest.mark.parametrize("file", ["model.safetensors", "pathway.safetensors"])
def test_files_of_two_saves_are_not_mixed(tmp_path: Path, file: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    crosspath.save_pathway(connected(0), first)
    crosspath.save_pathway(connected(3, auxiliary=8), second)
    save_file(load_file(second / file), first / file)
    model = connected(1)
    before = values(model)
    with pytest.raises(crosspath.PathwayError, match=f"{file}: expected the values saved beside"):
        restore(model, first)
    assert same(values(model), before)


def test_a_damaged_stored_auxiliary_is_refused(tmp_path: Path) -> None:
    crosspath.save_pathway(connected(0), tmp_path)
    file = tmp_path / "pathway.safetensors"
    tensors = load_file(file)
    tensors["blocks.0.attn.proj.weight.audio.auxiliary"][0, 0] += 1
    save_file(tensors, file)
    with refused("pathway.safetensors", "auxiliary", "audio", kind=crosspath.PathwayError):
        restore(connected(1), tmp_path)


@pytest.mark.parametrize("entries", [{"layers": []}, {"layers": {"a": {"b": 3}}}, {"auxiliaries": {"audio": {}}}])
def test_a_damaged_description_is_refused(entries: dict[str, Any], tmp_path: Path) -> None:
    crosspath.save_pathway(connected(0), tmp_path)
    file = tmp_path / "pathway.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))
    with refused("pathway.json", "damage", kind=crosspath.PathwayError):
        restore(connected(1), tmp_path)


@pytest.mark.parametrize("bias", [False, True])
def test_a_connected_model_loads_the_plain_targets_state_until_the_handle_is_removed(bias: bool) -> None:
    model, other = connected(0, bias=bias), body(4)
    before = values(model)
    handle = accept_plain_state(model)
    model.load_state_dict(other.state_dict())
    after = values(model)
    inside = [name for name in before if ".0." in name.partition("parametrizations")[2]]
    assert inside
    assert all(torch.equal(after[name], before[name]) for name in inside)
    model.load_state_dict(before)  # its own state dict is taken as ever
    assert same(values(model), before)
    model.load_state_dict(other.state_dict())
    handle.remove()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.load_state_dict(other.state_dict())
    crosspath.disconnect(model)
    assert same(values(model), values(other))


def test_a_plain_model_and_a_plain_folder_are_refused(tmp_path: Path) -> None:
    crosspath.save_pathway(connected(0), tmp_path)
    with pytest.raises(crosspath.PathwayError, match="connect it first"):
        restore(body(1), tmp_path)
    description = json.loads((tmp_path / "pathway.json").read_text())
    (tmp_path / "pathway.json").write_text(json.dumps(description | {"format_version": 99}))
    with refused("pathway.json", "format_version", kind=crosspath.PathwayError):
        restore(connected(1), tmp_path)
