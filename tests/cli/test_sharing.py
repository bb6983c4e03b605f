"""merge --verify, verify and export as commands: what they print, and the one line of what went wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from crosspath.cli.main import main
from tests.checkpoints.small import connected_digits, saved_audio, saved_connected


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON object that a command prints on stdout."""
    assert main([*arguments, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that ends with 2 and prints nothing else."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


def test_a_merge_is_certified_and_the_certificate_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connected_digits(tmp_path)
    image, plain = str(tmp_path / "image"), str(tmp_path / "plain")
    receipt = answered(["merge", image, plain, "--verify"], capsys)
    assert receipt["certificate"]["outputs"]["bfloat16"]["bitwise"] is True
    result = answered(["verify", f"{plain}/certificate.json"], capsys)
    assert result["notes"] == []
    assert result["outputs"]["float32"]["same_class"] == 1.0

    assert main(["verify", plain]) == 0
    assert "as certified: the merged weights" in capsys.readouterr().out

    weights = tmp_path / "plain" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    assert "the merged weights changed (model.safetensors: other bytes)" in refused(["verify", plain], capsys)
    weights.unlink()
    assert "the merged weights missing" in refused(["verify", plain, "--json"], capsys)
    assert "expected a JSON file" in refused(["verify", image], capsys)


def test_the_data_root_follows_the_option_in_any_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connected_digits(tmp_path)
    for name, options in (
        ("first", ["--verify", str(tmp_path)]),
        ("second", [f"--verify={tmp_path}"]),
    ):
        assert main(["merge", str(tmp_path / "image"), str(tmp_path / name), *options]) == 0
        message = capsys.readouterr().out
        assert "32 test samples, float32: bitwise equal, same class for 100.0%" in message
        assert f"certificate: {tmp_path / name / 'certificate.json'}" in message
    saved_connected(tmp_path / "cifar", tmp_path / "audio")
    merge = ["merge", str(tmp_path / "cifar"), str(tmp_path / "third"), "--verify", str(tmp_path / "nothing")]
    assert "cifar10" in refused(merge, capsys)
    assert not (tmp_path / "third").exists()


def test_a_model_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    result = answered(["export", str(tmp_path / "image"), str(tmp_path / "out"), "--format", "torch"], capsys)
    assert result["file"] == str(tmp_path / "out" / "model.pt2")
    assert result["merged"] == ["audio"]
    assert result["classes"] == ["cat", "dog", "bird"]
    assert max(result["max_difference"].values()) == 0.0

    assert main(["export", str(tmp_path / "image"), str(tmp_path / "model.pt2")]) == 0
    message = capsys.readouterr().out
    assert "merged in memory first: audio" in message
    assert "(x / 255 - [0.5, 0.5, 0.5]) / [0.5, 0.5, 0.5], by colour channel" in message
    assert "largest difference from eager, batch of 5: 0" in message
    assert "expected a new file" in refused(["export", str(tmp_path / "image"), str(tmp_path / "model.pt2")], capsys)
    assert "expected a run folder" in refused(["export", str(tmp_path / "none"), str(tmp_path / "new")], capsys)


@pytest.mark.slow
def test_an_onnx_export_prints_one_object_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    saved_audio(tmp_path / "audio")
    result = answered(["export", str(tmp_path / "audio"), str(tmp_path / "model.onnx")], capfd)
    assert max(result["max_difference"].values()) < 1e-5
