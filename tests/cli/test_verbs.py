"""The verbs, run in this process on data in memory: what they print, and that it is one JSON object where asked."""

import json
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crosspath.cli.main import main
from crosspath.config import write_recipe
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.training.synthetic import in_memory
from tests.training.test_run import InMemory, short

__all__ = ["in_memory"]


@pytest.fixture
def recipes(tmp_path: Path, in_memory: InMemory) -> Path:
    """A folder with two small recipes whose data are in memory."""
    for name, recipe in (("audio", short(audio_recipe)), ("image", short(image_recipe))):
        in_memory(recipe)
        write_recipe(recipe, tmp_path / f"{name}.yaml")
    return tmp_path


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON object that a command prints on stdout."""
    assert main([*arguments, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def test_the_main_job(recipes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(recipes)
    answered(["train", f"{folder}/audio.yaml", "--out", f"{folder}/audio"], capsys)
    arguments = ["train", f"{folder}/image.yaml", "--out", f"{folder}/image", "--auxiliary", f"audio={folder}/audio"]
    result = answered([*arguments, "--set", "pathway.scale_init=0.1", "--epochs", "1"], capsys)
    assert result["steps"] == 3
    assert result["auxiliaries"]["audio"]["origin"] == f"{folder}/audio"

    found = answered(["evaluate", f"{folder}/image"], capsys)
    assert found["metrics"] == result["metrics"]["test"]
    status = answered(["status", f"{folder}/image"], capsys)
    assert len(status["rows"]) == 24
    receipt = answered(["merge", f"{folder}/image", f"{folder}/plain"], capsys)
    assert receipt["equality"]["bitwise"] is True
    card = (recipes / "plain" / "README.md").read_text(encoding="utf-8")
    accuracies = [f"{result['metrics'][part]['accuracy']:.4f}" for part in ("validation", "test")]
    assert f"| accuracy | {' | '.join(accuracies)} |" in card
    merged = answered(["evaluate", f"{folder}/plain"], capsys)
    assert {name: value for name, value in merged.items() if name != "checkpoint"} == {
        name: value for name, value in found.items() if name != "checkpoint"
    }

    (recipes / "a.png").touch()
    read = import_module("crosspath.evaluation.predict")
    monkeypatch.setattr(read, "read_whole", lambda section, path: (np.zeros((3, 8, 8), np.uint8), ()))
    named = answered(["predict", f"{folder}/plain", f"{folder}/a.png", "--top", "2"], capsys)
    assert [len(entry["predictions"]) for entry in named["files"]] == [2]


def last(capsys: pytest.CaptureFixture[str]) -> str:
    """The last line on stderr: what to do next."""
    return capsys.readouterr().err.splitlines()[-1]


def test_the_main_job_for_people(
    recipes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(recipes)
    assert main(["train", f"{folder}/audio.yaml", "--out", f"{folder}/audio"]) == 0
    output = capsys.readouterr()
    assert "accuracy" in output.out
    assert f"written to {folder}/audio" in output.out
    assert "epoch 2/2" in output.err
    arguments = ["--out", f"{folder}/image", "--auxiliary", f"audio={folder}/audio"]
    assert main(["train", f"{folder}/image.yaml", *arguments]) == 0
    assert last(capsys) == f"next: crosspath merge {folder}/image {folder}/image-plain"
    for verb, message in (
        (["evaluate", f"{folder}/image", "--split", "validation"], "18 validation samples"),
        (["status", f"{folder}/image"], "encoder.blocks.5.mlp.fc2.weight"),
        (["merge", f"{folder}/image", f"{folder}/plain"], "merged output equals connected output: bitwise"),
    ):
        assert main(verb) == 0
        output = capsys.readouterr()
        assert message in output.out
        assert output.err.splitlines()[-1].startswith("next: crosspath ")
    (recipes / "a.png").touch()
    read = import_module("crosspath.evaluation.predict")
    monkeypatch.setattr(read, "read_whole", lambda section, path: (np.zeros((3, 8, 8), np.uint8), ()))
    assert main(["predict", f"{folder}/plain", f"{folder}/a.png"]) == 0
    assert "probability" in capsys.readouterr().out


def test_every_verb_reads_a_run_whose_frozen_auxiliary_has_moved(
    recipes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(recipes)
    answered(["train", f"{folder}/audio.yaml", "--out", f"{folder}/audio"], capsys)
    frozen = ["--set", "pathway.train_auxiliary=false", "--set", "pathway.scale_init=0.1"]
    arguments = ["train", f"{folder}/image.yaml", "--out", f"{folder}/image", "--auxiliary", f"audio={folder}/audio"]
    result = answered([*arguments, *frozen], capsys)
    (recipes / "audio").rename(recipes / "moved")
    (recipes / "a.png").touch()
    read = import_module("crosspath.evaluation.predict")
    monkeypatch.setattr(read, "read_whole", lambda section, path: (np.zeros((3, 8, 8), np.uint8), ()))
    for verb in (
        ["evaluate", f"{folder}/image"],
        ["status", f"{folder}/image"],
        ["merge", f"{folder}/image", f"{folder}/plain"],
        ["predict", f"{folder}/image", f"{folder}/a.png"],
    ):
        assert main(verb) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("name it with --auxiliary audio=CHECKPOINT")
        found = answered([*verb, "--auxiliary", f"audio={folder}/moved"], capsys)
        assert verb[0] != "evaluate" or found["metrics"] == result["metrics"]["test"]
    assert main(["status", f"{folder}/image", "--auxiliary", f"sound={folder}/moved"]) == 2
    assert "expected one of audio, found 'sound'; leave it out" in capsys.readouterr().err


def test_a_finished_run_gives_its_result_again(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", str(recipes / "audio.yaml"), "--out", str(recipes / "audio")]
    assert answered(arguments, capsys) == answered([*arguments, "--resume"], capsys)


def test_a_run_s_own_recipe_runs_again(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = answered(["train", str(recipes / "audio.yaml"), "--out", str(recipes / "first")], capsys)
    again = answered(["train", str(recipes / "first" / "recipe.yaml"), "--out", str(recipes / "second")], capsys)
    assert first["metrics"] == again["metrics"]


def test_an_auxiliary_of_another_width_is_one_line(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = ["--set", "model.size=tiny", "--set", "train.epochs=1"]
    answered(["train", str(recipes / "audio.yaml"), "--out", str(recipes / "wide"), *wide], capsys)
    out = ["--out", str(recipes / "image")]
    for option in (["--auxiliary", f"audio={recipes / 'wide'}"], ["--from", str(recipes / "wide")]):
        assert main(["train", str(recipes / "image.yaml"), *out, *option]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "192" in line
        assert "128" in line
    assert not (recipes / "image").exists()


def test_a_dry_run_needs_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    planned = answered(["train", "point/modelnet10", "--dry-run", "--set", "train.epochs=2"], capsys)
    assert planned["recipe"]["train"]["epochs"] == 2
    assert planned["tokens"] == 64
    assert main(["train", "point/modelnet10", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "name: point/modelnet10" in shown
    assert "parameters" in shown
    assert main(["train", "image/folder", "--dry-run"]) == 0
    assert "from the data" in capsys.readouterr().out


def test_a_dry_run_says_what_it_does_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry_run = ["train", "image/digits", "--dry-run", "--json"]
    assert main([*dry_run, "--from", str(tmp_path / "gone")]) == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err
    assert main([*dry_run, "--auxiliary", "audio=nowhere", "--from", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "--auxiliary is ignored" in captured.err
    assert "from --from it reads" in captured.err
    assert captured.out.startswith("{")


def test_the_next_command_reads_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "mine.csv"
    texts.write_text("says,kind\n" + "".join(f"{word} {row},{word}\n" for row in range(12) for word in ("yes", "no")))
    named = ["--set", "data.text_column=says", "--set", "data.label_column=kind", "--set", "model.depth=1"]
    given = ["--data", str(texts), *named]
    run = str(tmp_path / "run")
    own = ["--set", "train.seed=3", "--set", "data.unlabelled=true"]
    assert main(["pretrain", "text/folder", *given, "--epochs", "1", *own, "--out", run]) == 0
    words = shlex.split(last(capsys).removeprefix("next: crosspath "))
    assert words == ["train", "text/folder", *given, "--from", run]
    assert main(["evaluate", run]) == 0
    assert sorted(shlex.split(last(capsys).removeprefix("next: crosspath "))) == sorted(words)
    assert main([*words, "--epochs", "1", "--out", f"{run}-2"]) == 0


def test_match_refuses_what_train_would(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"{recipes}/audio.yaml", "--out", f"{recipes}/audio", "--epochs", "1"]) == 0
    weights = load_file(recipes / "audio" / "model.safetensors")
    weights["encoder.blocks.0.attn.proj.weight"][0, 0] = torch.nan
    save_file(weights, recipes / "nan.safetensors")
    audio, match = f"{recipes}/audio", ["match", f"{recipes}/image.yaml", "--auxiliary"]
    heads = ["--set", 'pathway.accept=["heads"]', "--set", "pathway.scale_per=head"]
    capsys.readouterr()
    assert main([*match, f"audio={audio}"]) == 0
    assert capsys.readouterr().err.startswith("next: ")
    for command, words in (
        ([*match, f"a b={audio}"], "'a b'"),
        ([*match, f"audio={recipes}/nan.safetensors", *heads[:2]], "not finite"),
        ([*match, f"audio={audio}", *heads, "--set", "pathway.names=attn.proj"], "needs roles"),
    ):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert words in error
