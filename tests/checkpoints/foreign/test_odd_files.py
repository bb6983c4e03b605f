"""Files that are almost a format: one line names the tensor, from `inspect` and `convert` alike; nothing is written."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.foreign import convert_checkpoint, inspect_checkpoint
from crosspath.cli.main import main
from crosspath.errors import InputError
from tests.checkpoints.foreign import published
from tests.errors import refused


def first_blocks(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes without the decoder's further blocks, which no conversion reads and which are most of the file."""
    return {name: shape for name, shape in shapes.items() if not re.match(r"decoder_blocks\.[1-9]", name)}


KINDS = {
    "timm ViT": published.zoo(128, 6, 10),
    "MAE": first_blocks(published.mae(128, 6)),
    "AudioMAE": first_blocks(published.audio_mae(128, 6)),
    "AST": published.ast(128, 6),
    "VideoMAE": published.video_mae(128, 6, 10),
    "Point-MAE": published.point_classifier(192, 12, 10),
}
ODD: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda _: None,
    "flat": lambda tensor: tensor.flatten(),
    "scalar": lambda _: torch.zeros(()),
    "empty": lambda _: torch.zeros(0),
    "wider": lambda tensor: torch.zeros([length + 1 for length in tensor.shape]),
    "deeper": lambda tensor: tensor[None],
    "whole numbers": lambda tensor: tensor.long(),
    "complex": lambda tensor: tensor.to(torch.complex64),
}
TENSORS = ("patch_embed.proj.weight", "cls_token", "pos_embed", "blocks.0.attn.proj.weight", "blocks.1.attn.qkv.weight")
ALLOWED = {
    ("missing", "cls_token"),  # such models exist, and so do point files without one
    ("missing", "patch_embed.proj.weight"),  # blocks alone still serve as an auxiliary
}


def odd(kind: str, name: str, change: str) -> dict[str, Tensor] | None:
    """The tensors of a format, one of them changed; None where it has no such tensor."""
    tensors = published.filled(KINDS[kind])
    full = next((full for full in tensors if full.endswith(name) and "decoder" not in full), None)
    if full is None:
        return None
    changed = ODD[change](tensors.pop(full))
    return tensors if changed is None else tensors | {full: changed}


@pytest.mark.parametrize("change", ODD)
@pytest.mark.parametrize("kind", KINDS)
def test_one_tensor_is_odd(kind: str, change: str, tmp_path: Path) -> None:
    file, out = tmp_path / "a.safetensors", tmp_path / "out"
    save_file(published.filled(KINDS[kind]), file)
    assert inspect_checkpoint(file)["problem"] is None
    for name in TENSORS:
        tensors = odd(kind, name, change)
        if tensors is None or (change, name) in ALLOWED:
            continue
        save_file(tensors, file)
        problem = inspect_checkpoint(file)["problem"]
        assert problem, name
        assert "\n" not in problem
        with pytest.raises(InputError) as error:
            convert_checkpoint(file, out)
        assert str(error.value) == problem
        assert not out.exists()


def test_a_file_with_a_fault_keeps_its_name(tmp_path: Path) -> None:
    tensors = odd("AudioMAE", "blocks.0.norm1.weight", "missing")
    assert tensors is not None
    save_file(tensors, tmp_path / "a.safetensors")
    report = inspect_checkpoint(tmp_path / "a.safetensors")
    assert report["format"] == "AudioMAE"
    assert "blocks.0.norm1.weight" in report["problem"]
    assert report["next"] is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in published.filled(KINDS["timm ViT"]).items()}
    torch.save(tensors, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "out")
    model = auxiliary_source(tmp_path / "out").weights
    assert isinstance(model, torch.nn.Module)
    weight = model.state_dict()["encoder.blocks.0.mlp.fc1.weight"]
    assert torch.equal(weight, tensors["blocks.0.mlp.fc1.weight"].float())


def test_a_value_that_is_not_finite_is_named(tmp_path: Path) -> None:
    tensors = published.filled(KINDS["MAE"])
    tensors["blocks.2.mlp.fc1.weight"][3, 4] = torch.nan
    save_file(tensors, tmp_path / "a.safetensors")
    with refused("a.safetensors", "encoder.blocks.2.mlp.fc1.weight"):
        convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


FILES: dict[str, tuple[str, bytes, str]] = {
    "nothing in it": ("a.pth", b"", "empty"),
    "safetensors of nothing": ("a.safetensors", b"", "empty"),
    "text": ("a.pth", b"<!DOCTYPE html><html>Not found</html>", "neither"),
    "pointer": ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "zip cut short": ("a.pth", b"PK\x03\x04" + b"\0" * 60, "damage"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_something_else_is_one_line(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, data, reason = FILES[kind]
    (tmp_path / name).write_bytes(data)
    for arguments in (["inspect", str(tmp_path / name)], ["convert", str(tmp_path / name), str(tmp_path / "out")]):
        assert main(arguments) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert reason in line
    assert not (tmp_path / "out").exists()


def test_folders_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path)]) == 2
    assert "a folder with model.safetensors or pytorch_model.bin, found neither" in capsys.readouterr().err
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert main(["convert", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "parts" in capsys.readouterr().err
    (tmp_path / "model.safetensors.index.json").unlink()
    save_file(published.filled(KINDS["timm ViT"]), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("not JSON")
    assert main(["convert", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "config.json: expected JSON" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"model_type": "vit", "num_attention_heads": "many", "layer_norm_eps": []}')
    assert main(["convert", str(tmp_path), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_rebuilt_serves_as_an_auxiliary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = published.filled(published.zoo(128, 6) | {"blocks.0.ls1.gamma": (128,)})
    torch.save({"model": tensors}, tmp_path / "a.pth")
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "out")]) == 2
    assert "--bare" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "out"), "--bare"]) == 0
    weights = auxiliary_source(tmp_path / "out").weights
    assert isinstance(weights, dict)
    assert torch.equal(weights["blocks.0.ls1.gamma"], tensors["blocks.0.ls1.gamma"])


def test_a_type_that_torch_does_not_have_is_never_shown_as_another(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F8_E8M0", "shape": [4, 4], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with refused("a.safetensors", "F8_E8M0"):
        inspect_checkpoint(tmp_path / "a.safetensors")


def test_positions_that_fill_no_whole_frames_are_told_with_their_number(tmp_path: Path) -> None:
    tensors = published.filled(KINDS["VideoMAE"]) | {"pos_embed": torch.zeros(1, 1570, 128)}
    save_file(tensors, tmp_path / "a.safetensors")
    with refused("", "1570 positions"):
        convert_checkpoint(tmp_path / "a.safetensors", tmp_path / "out")
