"""`inspect` and `convert` as a user runs them, and what `train --auxiliary` does with the result."""

import json
import shlex
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from crosspath.checkpoints import load_weights_from
from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.models.build import build_model
from crosspath.recipes import recipe_named
from tests.checkpoints.foreign import published

FILES = {
    "zoo": (published.zoo(128, 6), ()),
    "m2pt": (published.swapped(published.zoo(128, 6)), ()),
    "mae": (published.mae(128, 6), ()),
    "audio_mae": (published.audio_mae(128, 6), ()),
    "ast": (published.ast(128, 6), ()),
    "video_mae": (published.video_mae(128, 6), ()),
    "video_mae_pretraining": (published.video_mae_pretraining(128, 6), ()),
    "point_mae": (published.point_mae(128, 6), ("--set", "model.heads=4")),
    "point_bert": (published.point_bert(128, 6), ("--set", "model.heads=4")),
}
WHISPER = (*(f"self_attn.{role}_proj.weight" for role in ("q", "k", "v", "out")), "fc1.weight", "fc2.weight")


@pytest.mark.parametrize("kind", FILES)
def test_every_format_converts_and_then_serves_as_an_auxiliary(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes, more = FILES[kind]
    file, out = tmp_path / "checkpoint-99.pth", tmp_path / "converted"
    torch.save({"model": published.filled(shapes)}, file)
    assert main(["inspect", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["convert", str(file), str(out), *more, "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert told["format"] == receipt["format"]
    assert told["used"] == receipt["used"]
    assert told["dropped"] == receipt["dropped"]
    quick = ("--set", "train.epochs=1", "--set", "data.labels_per_class=2", "--set", "train.batch_size=10")
    command = ["train", "image/digits", "--out", str(tmp_path / "run"), "--auxiliary", f"theirs={out}", *quick]
    assert main(command) == 0
    assert main(["status", str(tmp_path / "run"), "--json"]) == 0
    assert "theirs" in capsys.readouterr().out


def test_inspect_shows_blocks_in_one_row_and_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    torch.save({"model": published.filled(published.mae(128, 6)), "epoch": 799}, tmp_path / "mae.pth")
    assert main(["inspect", str(tmp_path / "mae.pth")]) == 0
    message = capsys.readouterr().out
    assert "torch zip (pickle), MAE" in message
    assert "pickle: weights only" in message
    assert "model.blocks.{0-5}.attn.qkv.weight" in message
    assert f"next: crosspath convert {tmp_path / 'mae.pth'} OUT" in message
    assert message.count(".norm1.weight") == 2  # its name and ours, in one row
    assert "and 103 more (decoder of pretraining)" in message


@pytest.mark.parametrize(
    ("numbers", "shown"), [(range(12), "{0-11}"), ((0, 2, 10), "{0,2,10}"), ((3,), "3")], ids=["all", "some", "one"]
)
def test_the_blocks_of_a_row_are_named_by_their_numbers(
    numbers: Iterable[int], shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"encoder.layers.{number}.{part}" for number in numbers for part in WHISPER]
    save_file({name: torch.zeros(4, 4) for name in names}, tmp_path / "a.safetensors")
    assert main(["inspect", str(tmp_path / "a.safetensors")]) == 0
    table = capsys.readouterr().out
    assert table.count("4 x 4") == len(WHISPER)
    assert f"encoder.layers.{shown}.fc1.weight" in table


def test_what_comes_next_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "of a friend.pth"
    torch.save({"other": published.filled(published.zoo(128, 6))}, file)
    assert main(["inspect", str(file), "--key", "other", "--json"]) == 0
    command = shlex.split(json.loads(capsys.readouterr().out)["next"])
    assert command == ["crosspath", "convert", str(file), "OUT", "--key", "other"]
    assert main(["convert", str(file), str(tmp_path / "out"), "--key", "other"]) == 0
    _, _, _, recipe, *options = shlex.split(capsys.readouterr().err)
    settings = [value for option, value in pairwise(options) if option == "--set"]
    model = build_model(apply_overrides(recipe_named(recipe), settings), 10)
    assert options[-2:] == ["--from", str(tmp_path / "out")]
    load_weights_from(model, options[-1])


def test_inspect_of_an_unknown_file_ends_with_0_and_offers_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "a.pt")
    assert main(["inspect", str(tmp_path / "a.pt")]) == 0
    message = capsys.readouterr().out
    assert "unknown format" in message
    assert "next:" not in message
    assert main(["convert", str(tmp_path / "a.pt"), str(tmp_path / "out")]) == 2
    assert "known format" in capsys.readouterr().err


def test_convert_says_what_it_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": published.filled(published.zoo(128, 6))}, tmp_path / "zoo.pth")
    assert main(["convert", str(tmp_path / "zoo.pth"), str(tmp_path / "out")]) == 0
    message = capsys.readouterr().out
    assert "dropped: model.head.weight and 1 more (head)" in message
    assert ": head.linear" in message
