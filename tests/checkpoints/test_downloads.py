"""Weights from the hub: safetensors only, in one file or in several, and one line for whatever goes wrong."""

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError
from safetensors.torch import save_file

from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.downloads import download_weights
from crosspath.checkpoints.sources import hub_folder
from crosspath.errors import InputError
from crosspath.pathway.sources.source import State
from tests.checkpoints.hub import Hub, use
from tests.errors import refused


def test_a_hub_repository_may_hold_its_weights_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"b": torch.ones(3)}, tmp_path / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    hub = use(monkeypatch, Hub(tmp_path))
    auxiliary = auxiliary_source("hf:someone/model")
    assert list(auxiliary.weights) == ["a", "b"]  # type: ignore[call-overload]
    names = ["model.safetensors", "model.safetensors.index.json", "one.safetensors", "two.safetensors", "config.json"]
    assert [name for _, name in hub.asked[:5]] == names
    assert auxiliary.sha256 == auxiliary_source(tmp_path).sha256
    # Without a connection, what was fetched before is found too, and the hub is asked once.
    hub = use(monkeypatch, Hub(tmp_path, LocalEntryNotFoundError("no network")))
    assert auxiliary_source("hf:someone/model").sha256 == auxiliary.sha256
    assert hub.local_files_only[:4] == [False, True, True, True]
    use(monkeypatch, Hub(tmp_path))
    (tmp_path / "two.safetensors").unlink()
    with refused("--auxiliary hf:someone/model", "all files that its index lists"):
        auxiliary_source("hf:someone/model")


def test_a_hub_repository_may_hold_open_clip_s_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"transformer.resblocks.0.attn.in_proj_weight": torch.ones(3)}, tmp_path / "open_clip_model.safetensors")
    settings = {"model_cfg": {"text_cfg": {"width": 64, "heads": 4}, "vision_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    # The same repository has transformers' form of the model, whose names are others.
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"num_attention_heads": 8}}))
    use(monkeypatch, Hub(tmp_path))
    weights = auxiliary_source("hf:someone/model").weights
    assert isinstance(weights, State)
    assert weights.description is not None
    heads = weights.description.heads("transformer.resblocks.0.attn")
    assert heads is not None
    assert heads.query == 4


@pytest.mark.parametrize("entry", [[], "..", "", "other.bin", "../other.safetensors", 3])
def test_an_index_names_safetensors_beside_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: object
) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": entry}}))
    hub = use(monkeypatch, Hub(tmp_path))
    assert download_weights("someone/model", "--auxiliary hf:someone/model").name == "model.safetensors.index.json"
    assert [name for _, name in hub.asked] == ["model.safetensors", "model.safetensors.index.json"]


def test_a_start_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {}}))
    save_file({"a": torch.ones(2)}, tmp_path / "open_clip_model.safetensors")
    use(monkeypatch, Hub(tmp_path))
    with refused("--from hf:someone/model", "expected model.safetensors, found a repository without"):
        hub_folder("hf:someone/model")


class GatedError(GatedRepoError):
    """Without the answer of a server."""

    def __init__(self) -> None:
        Exception.__init__(self, "403 Client Error")


def test_a_configuration_that_the_hub_withholds_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    use(monkeypatch, Hub(tmp_path, GatedError()))
    with refused("--auxiliary hf:someone/model", "a gated repository"):
        auxiliary_source("hf:someone/model")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("no\nnetwork"), "no connection and no local copy"),
        (EntryNotFoundError("only pytorch_model.bin"), "choose one that holds safetensors"),
        (OSError("refused\nby the proxy"), "found refused; check the name and the connection"),
        (HfHubHTTPError.__mro__[1]("refused\nby the proxy"), "found refused; check the name and the connection"),
        (GatedError(), "accept its terms"),
    ],
)
def test_an_unreachable_hub_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    use(monkeypatch, Hub(tmp_path, error))
    for spec in ("hf:someone/model", "timm:vit_tiny_patch16_224"):
        with pytest.raises(InputError, match=message) as raised:
            auxiliary_source(spec)
        assert "\n" not in str(raised.value)
        assert spec in str(raised.value)


def test_a_malformed_repository_is_told() -> None:
    with refused("--auxiliary hf:one/two/three", "OWNER/NAME"):
        auxiliary_source("hf:one/two/three")
