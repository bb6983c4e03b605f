"""Auxiliaries from the hub: safetensors only, and one line when it cannot be reached."""

import json
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file

from crosspath.checkpoints import auxiliary_source
from crosspath.errors import InputError
from crosspath.pathway.sources.source import State
from tests.errors import refused


class Hub:
    """Stands in for the hub and its cache: the files of one local folder, and the error for all others."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        self.folder, self.error = folder, error or EntryNotFoundError("404")
        self.asked: list[tuple[str, str]] = []
        self.local_files_only: list[bool] = []

    def __call__(self, repository: str, name: str, *, local_files_only: bool = False) -> str:
        self.asked.append((repository, name))
        self.local_files_only.append(local_files_only)
        if not (self.folder / name).is_file():
            raise self.error
        return str(self.folder / name)


def _use(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    return hub


def test_a_timm_model_is_rebuilt_with_the_weights_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    state = timm.create_model("vit_tiny_patch16_224").state_dict()
    state["head.weight"] = torch.zeros(7, 192)
    save_file(state, tmp_path / "model.safetensors")
    hub = _use(monkeypatch, Hub(tmp_path))
    source = auxiliary_source("timm:vit_tiny_patch16_224")
    assert hub.asked == [("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "model.safetensors")]
    assert isinstance(source.weights, torch.nn.Module)
    weights = source.weights.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in state.items() if name.startswith("blocks."))
    assert source.origin == "timm:vit_tiny_patch16_224"


def test_blocks_that_do_not_fit_are_given_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"blocks.0.attn.qkv.weight": torch.zeros(3, 1)}, tmp_path / "model.safetensors")
    _use(monkeypatch, Hub(tmp_path))
    assert list(auxiliary_source("timm:vit_tiny_patch16_224").weights) == ["blocks.0.attn.qkv.weight"]  # type: ignore[call-overload]


def test_weights_under_other_names_are_never_random_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = timm.create_model("convnext_atto").state_dict()
    save_file({f"backbone.{name}": value for name, value in state.items()}, tmp_path / "model.safetensors")
    _use(monkeypatch, Hub(tmp_path))
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
    hub = _use(monkeypatch, Hub(tmp_path))
    assert list(auxiliary_source("hf:someone/model").weights) == ["a"]  # type: ignore[call-overload]
    assert hub.asked == [("someone/model", "model.safetensors"), ("someone/model", "config.json")]


def test_a_hub_repository_may_hold_its_weights_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"b": torch.ones(3)}, tmp_path / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    hub = _use(monkeypatch, Hub(tmp_path))
    auxiliary = auxiliary_source("hf:someone/model")
    assert list(auxiliary.weights) == ["a", "b"]  # type: ignore[call-overload]
    names = ["model.safetensors", "model.safetensors.index.json", "one.safetensors", "two.safetensors", "config.json"]
    assert [name for _, name in hub.asked] == names
    assert auxiliary.sha256 == auxiliary_source(tmp_path).sha256
    # Without a connection, what was fetched before is found too, and the hub is asked once.
    hub = _use(monkeypatch, Hub(tmp_path, LocalEntryNotFoundError("no network")))
    assert auxiliary_source("hf:someone/model").sha256 == auxiliary.sha256
    assert hub.local_files_only[:4] == [False, True, True, True]
    _use(monkeypatch, Hub(tmp_path))
    (tmp_path / "two.safetensors").unlink()
    with refused("--auxiliary hf:someone/model", "all files that its index lists"):
        auxiliary_source("hf:someone/model")


def test_a_hub_repository_may_hold_open_clip_s_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"transformer.resblocks.0.attn.in_proj_weight": torch.ones(3)}, tmp_path / "open_clip_model.safetensors")
    settings = {"model_cfg": {"text_cfg": {"width": 64, "heads": 4}, "vision_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    # The same repository has transformers' form of the model, whose names are others.
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"num_attention_heads": 8}}))
    _use(monkeypatch, Hub(tmp_path))
    weights = auxiliary_source("hf:someone/model").weights
    assert isinstance(weights, State)
    assert weights.description is not None
    heads = weights.description.heads("transformer.resblocks.0.attn")
    assert heads is not None
    assert heads.query == 4


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("no\nnetwork"), "no connection and no local copy"),
        (EntryNotFoundError("only pytorch_model.bin"), "choose one that holds safetensors"),
        (OSError("refused\nby the proxy"), "found refused; check the name and the connection"),
    ],
)
def test_an_unreachable_hub_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    _use(monkeypatch, Hub(tmp_path, error))
    for spec in ("hf:someone/model", "timm:vit_tiny_patch16_224"):
        with pytest.raises(InputError, match=message) as raised:
            auxiliary_source(spec)
        assert "\n" not in str(raised.value)
        assert spec in str(raised.value)


def test_unknown_timm_names_are_told() -> None:
    with refused("--auxiliary timm:vit_tiny_patch16_999"):
        auxiliary_source("timm:vit_tiny_patch16_999")
    with refused("--auxiliary timm:qqqqq", "timm.list_models"):
        auxiliary_source("timm:qqqqq")


def test_a_malformed_repository_is_told() -> None:
    with refused("--auxiliary hf:one/two/three", "OWNER/NAME"):
        auxiliary_source("hf:one/two/three")


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
