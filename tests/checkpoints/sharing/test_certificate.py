"""The certificate of a merge: what it states, against values computed here by other means."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crosspath.checkpoints import load_checkpoint, merge_checkpoint
from crosspath.checkpoints.sharing.certificate import with_digest
from crosspath.checkpoints.sources import relative_path
from crosspath.files import sha256_of_file
from tests.checkpoints.small import connected_digits, saved_audio, saved_connected
from tests.errors import refused


def digits_batch(ids: list[str]) -> torch.Tensor:
    """Prepared digits by their names, from scikit-learn directly."""
    from sklearn.datasets import load_digits

    grey = load_digits().images[[int(name.removeprefix("digits-")) for name in ids]]
    levels = np.rint(grey * (255 / 16)).astype(np.float32)
    return torch.from_numpy(levels)[:, None].expand(-1, 3, -1, -1) / 255 * 2 - 1


def test_a_certificate_states_what_is_there(tmp_path: Path) -> None:
    model = connected_digits(tmp_path)
    receipt = merge_checkpoint(tmp_path / "image", tmp_path / "plain", verify=True)
    certificate = json.loads((tmp_path / "plain" / "certificate.json").read_text())
    assert certificate["dataset"] == "digits"
    assert certificate["part"] == "test"
    assert certificate["samples"] == 32 == len(set(certificate["batch"]["ids"]))
    assert certificate["outputs"] == receipt["certificate"]["outputs"]
    assert certificate["outputs"]["float32"] == {"bitwise": True, "max_difference": 0.0, "same_class": 1.0}

    stored = load_file(tmp_path / "plain" / "certificate.safetensors")
    assert set(stored) == {f"{when}.{name}" for when in ("before", "after") for name in ("float32", "bfloat16")}
    batch = digits_batch(certificate["batch"]["ids"])
    merged = load_checkpoint(tmp_path / "plain").model
    with torch.no_grad():
        torch.testing.assert_close(stored["before.float32"], model(batch), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(stored["after.float32"], merged(batch), rtol=1e-5, atol=1e-6)

    for entry in certificate["target"]:
        file = tmp_path / "image" / entry["file"]
        assert entry["path"] == f"../image/{entry['file']}"
        assert entry["sha256"] == sha256_of_file(file)
    assert certificate["auxiliaries"]["audio"]["path"] == "../audio/model.safetensors"
    assert certificate["auxiliaries"]["audio"]["sha256"] == sha256_of_file(tmp_path / "audio" / "model.safetensors")
    assert certificate["result"]["sha256"] == sha256_of_file(tmp_path / "plain" / "model.safetensors")
    assert certificate["scales"]["encoder.blocks.0.attn.qkv.weight"]["audio"] == pytest.approx([0.1])
    assert certificate["recipe"]["pathway"]["scale_init"] == 0.1
    assert certificate["weight_drift"] < 1e-6
    assert certificate["environment"]["versions"]["torch"] == str(torch.__version__)
    assert certificate["environment"]["threads"] == torch.get_num_threads()
    assert str(tmp_path) not in (tmp_path / "plain" / "certificate.json").read_text()
    assert "On 32 samples of the test part of digits" in (tmp_path / "plain" / "README.md").read_text()


def test_without_verify_there_is_no_certificate(tmp_path: Path) -> None:
    connected_digits(tmp_path)
    assert "certificate" not in merge_checkpoint(tmp_path / "image", tmp_path / "plain")
    assert not (tmp_path / "plain" / "certificate.json").exists()


def test_an_output_that_changes_is_certified_as_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crosspath.checkpoints import merge as module
    from crosspath.pathway import merge

    def spoiled(model: torch.nn.Module) -> object:
        receipt = merge(model)
        with torch.no_grad():
            model.get_parameter("head.linear.bias")[0] += 0.5
        return receipt

    connected_digits(tmp_path)
    monkeypatch.setattr(module, "merge", spoiled)
    receipt = merge_checkpoint(tmp_path / "image", tmp_path / "plain", verify=True)
    difference = receipt["certificate"]["outputs"]["float32"]
    assert difference["bitwise"] is False
    assert difference["max_difference"] == pytest.approx(0.5, abs=1e-6)
    assert difference["same_class"] < 1.0


def test_missing_data_write_nothing(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")  # a cifar10 recipe
    with refused("cifar10"):
        merge_checkpoint(tmp_path / "image", tmp_path / "plain", verify=True, data=tmp_path / "nothing")
    assert not (tmp_path / "plain").exists()


def test_paths_are_relative_or_not_at_all(tmp_path: Path) -> None:
    assert relative_path(tmp_path / "a" / "model.safetensors", tmp_path / "b") == "../a/model.safetensors"
    assert relative_path(tmp_path / "b" / "model.safetensors", tmp_path / "b") == "model.safetensors"
    assert relative_path(Path("/elsewhere/model.safetensors"), tmp_path) is None


def test_a_digest_of_itself_heeds_every_value_and_no_order() -> None:
    values = {"a": 1, "b": {"c": [1.5, None]}}
    whole = with_digest(values)
    assert with_digest(dict(reversed(list(whole.items())))) == whole
    assert with_digest({**whole, "b": {"c": [1.5, 0]}}) != {**whole, "b": {"c": [1.5, 0]}}
