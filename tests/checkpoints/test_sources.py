"""Auxiliaries of other libraries: a model of timm or a repository of the hub, and the files of a folder."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from crosspath.checkpoints import auxiliary_source
from tests.checkpoints.hub import Hub, use
from tests.errors import refused


def test_a_timm_model_is_rebuilt_with_the_weights_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    state = timm.create_model("vit_tiny_patch16_224").state_dict()
    state["head.weight"] = torch.zeros(7, 192)
    save_file(state, tmp_path / "model.safetensors")
    hub = use(monkeypatch, Hub(tmp_path))
    source = auxiliary_source("timm:vit_tiny_patch16_224")
    assert hub.asked == [("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "model.safetensors")]
    assert isinstance(source.weights, torch.nn.Module)
    weights = source.weights.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in state.items() if name.startswith("blocks."))
    assert source.origin == "timm:vit_tiny_patch16_224"


def test_blocks_that_do_not_fit_are_given_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"blocks.0.attn.qkv.weight": torch.zeros(3, 1)}, tmp_path / "model.safetensors")
    use(monkeypatch, Hub(tmp_path))
    assert list(auxiliary_source("timm:vit_tiny_patch16_224").weights) == ["blocks.0.attn.qkv.weight"]  # type: ignore[call-overload]


def test_weights_under_other_names_are_never_random_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = timm.create_model("convnext_atto").state_dict()
    save_file({f"backbone.{name}": value for name, value in state.items()}, tmp_path / "model.safetensors")
    use(monkeypatch, Hub(tmp_path))
    weights = auxiliary_source("timm:convnext_atto").weights
    assert isinstance(weights, dict)
    assert set(weights) == {f"backbone.{name}" for name in state}
    save_file(state, tmp_path / "model.safetensors")
    assert isinstance(auxiliary_source("timm:convnext_atto").weights, torch.nn.Module)
    # Norms and biases of blocks too: a canonical pathway reads them.
    norm = next(name for name in state if name.startswith("stages.1.blocks.0.norm"))
    save_file({name: value for name, value in state.items() if name != norm}, tmp_path / "model.safetensors")
    assert isinstance(auxiliary_source("timm:convnext_atto").weights, dict)


def test_a_hub_repository_gives_its_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    hub = use(monkeypatch, Hub(tmp_path))
    assert list(auxiliary_source("hf:someone/model").weights) == ["a"]  # type: ignore[call-overload]
    assert hub.asked == [
        ("someone/model", "model.safetensors"),
        ("someone/model", "config.json"),
        ("someone/model", "open_clip_config.json"),
    ]


def test_unknown_timm_names_are_told() -> None:
    with refused("--auxiliary timm:vit_tiny_patch16_999"):
        auxiliary_source("timm:vit_tiny_patch16_999")
    with refused("--auxiliary timm:qqqqq", "timm.list_models"):
        auxiliary_source("timm:qqqqq")


def test_an_adapter_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2, 2)}, tmp_path / "adapter_model.safetensors")
    with refused(tmp_path.name, "adapter_model.safetensors", "merge_and_unload"):
        auxiliary_source(tmp_path)


def test_a_folder_holds_the_files_that_connect_reads(tmp_path: Path) -> None:
    save_file({"blocks.0.weight": torch.ones(2, 2)}, tmp_path / "open_clip_model.safetensors")
    auxiliary = auxiliary_source(tmp_path)
    assert isinstance(auxiliary.weights, dict)
    assert auxiliary.weights.keys() == {"blocks.0.weight"}
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part.safetensors"}}')
    save_file({"a": torch.ones(2, 2)}, tmp_path / "part.safetensors")
    weights = auxiliary_source(tmp_path).weights
    assert isinstance(weights, dict)
    assert weights.keys() == {"a"}
