"""One line and exit code 2, whatever is typed or written into a file; never a traceback."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import auxiliary_source
from crosspath.cli.main import main
from crosspath.config.overrides import apply_overrides
from crosspath.config.yaml_text import LONGEST, parse_yaml
from crosspath.errors import PathwayError
from crosspath.evaluation import evaluate, predict
from crosspath.files import read_tensors, write_tensors
from crosspath.pathway import connect
from crosspath.recipes import recipe_named
from crosspath.study.definition import read_study
from tests.checkpoints.small import IMAGE_CLASSES, fresh, image_recipe, saved_audio, saved_image
from tests.data.files import write_image
from tests.errors import refused

LONG = "x" * 300
"""More letters than a name may have."""


@pytest.fixture
def one_line(capsys: pytest.CaptureFixture[str]) -> object:
    """Runs a command that must fail in one line; returns the line."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1
        return err

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", LONG),
        ("evaluate", LONG),
        ("merge", LONG, "out"),
        ("convert", LONG, "out"),
        ("verify", LONG),
        ("report", LONG),
        ("data", "check", LONG),
        ("study", f"{LONG}.yaml", "--out", "out"),
        ("train", "image/digits", "--out", LONG),
        ("train", "image/digits", "--from", LONG, "--out", "out"),
        ("train", "image/digits", "--auxiliary", f"a={LONG}", "--out", "out"),
        ("train", "image/folder", "--data", LONG, "--out", "out"),
        ("train", "audio/folder", "--data", ".", "--set", f"data.csv={LONG}", "--out", "out"),
    ],
)
def test_a_name_that_is_too_long(
    arguments: tuple[str, ...], one_line: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert callable(one_line)
    assert LONG[:100] in one_line(*arguments)


@pytest.mark.parametrize("field", ["data.folder", "data.cache_folder", "name"])
def test_a_name_with_a_nul(field: str) -> None:
    with refused(field, "NUL"):
        apply_overrides(recipe_named("image/folder"), (f'{field}="a\\0b"',))


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 8)}]\n" for n in range(12)
)


@pytest.mark.parametrize(
    "text",
    [
        "name: " + "[" * 3000 + "]" * 3000,
        "name: " + "[" * 60 + "]" * 60,
        "name: " + "9" * 5000,
        "name: 2001-99-99",
        "name: !!python/object:os.system x",
        "name: [",
        ALIASES,
        "#" * (LONGEST + 1),
    ],
)
def test_yaml_of_no_recipe(text: str, tmp_path: Path, one_line: object) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with refused("file.yaml"):
        parse_yaml(text, path)
    with refused("file.yaml"):
        read_study(path)
    assert callable(one_line)
    assert "file.yaml" in one_line("train", str(path), "--out", str(tmp_path / "out"))


def test_deep_json_beside_a_checkpoint(tmp_path: Path, one_line: object) -> None:
    saved_image(tmp_path / "run")
    assert callable(one_line)
    (tmp_path / "run" / "manifest.json").write_text('{"files": ' + "[" * 100_000)
    assert "manifest.json" in one_line("merge", str(tmp_path / "run"), str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["../x", "/x", "local-dir:/tmp", "hf_hub:../x", "hf-hub:a/b", "", "\0", LONG])
def test_timm_names_lead_to_timm_models_only(name: str) -> None:
    with refused(f"--auxiliary timm:{name}"):
        auxiliary_source(f"timm:{name}")


@pytest.mark.parametrize("value", [1e300, -1e39, 1e5])
def test_a_scale_that_the_weights_cannot_hold(value: float, tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = fresh(image_recipe(), len(IMAGE_CLASSES))
    if value == 1e5:
        model = model.half()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with refused("scale_init", value, kind=PathwayError):
        connect(model, {"audio": auxiliary_source(tmp_path / "audio").weights}, scale_init=value)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_model_of_nan_is_refused_and_gives_no_class(tmp_path: Path, one_line: object) -> None:
    run = tmp_path / "run"
    saved_image(run)
    tensors, metadata = read_tensors(run / "model.safetensors")
    tensors["encoder.blocks.0.mlp.fc1.weight"][0] = float("nan")
    write_tensors(run / "model.safetensors", tensors, metadata)
    (run / "manifest.json").unlink()
    write_image(tmp_path / "cat.png", 1)
    assert callable(one_line)
    for more in ((), ("--json",)):
        assert "NaN" in one_line("predict", str(run), str(tmp_path / "cat.png"), *more)
    with refused("run", "NaN"):
        predict(run, [tmp_path / "cat.png"])


def test_no_metrics_of_nan(tmp_path: Path) -> None:
    from tests.checkpoints.small import connected_digits

    connected_digits(tmp_path)
    shutil.rmtree(tmp_path / "audio")
    from crosspath.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(tmp_path / "image")
    checkpoint.model.head.linear.bias.data[0] = float("inf")
    with refused("image", "infinity"):
        evaluate(checkpoint)


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    from crosspath.cli.output import print_json

    print_json({"a": float("nan"), "b": [1.5, float("inf")]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("verb", ["study", "convert", "inspect", "evaluate", "verify", "train"])
def test_a_command_waits_for_no_pipe(verb: str, tmp_path: Path, one_line: object) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert callable(one_line)
    more = {"study": ("--out", str(tmp_path / "o")), "convert": (str(tmp_path / "o"),)}.get(verb, ())
    assert "pipe.yaml" in one_line(verb, str(pipe), *more)


@pytest.mark.parametrize(
    ("recipe", "setting"),
    [
        ("image/digits", "data.image_size=1000000"),
        ("audio/sounds", "data.frames=1000000000"),
        ("audio/sounds", "data.mels=1000000000"),
        ("point/solids", "data.points=1000000000"),
        ("point/solids", "data.stored_points=1000000000"),
        ("text/sentences", "data.length=1000000000"),
        ("video/folder", "data.frames=1000000000"),
        ("series/folder", "data.length=1000000000"),
    ],
)
def test_a_sample_that_no_memory_holds_is_refused_by_the_recipe(recipe: str, setting: str, one_line: object) -> None:
    line = one_line("train", recipe, "--set", setting)
    assert setting in line
    assert "CROSSPATH_MAX_BYTES" in line


def test_the_limit_of_a_sample_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_named("image/folder")
    with refused("data", "data.image_size=8192"):
        apply_overrides(recipe, ("data.image_size=8192",))
    monkeypatch.setenv("CROSSPATH_MAX_BYTES", "1000000000")
    assert apply_overrides(recipe, ("data.image_size=8192",)).data.image_size == 8192


@pytest.mark.parametrize(
    ("arguments", "todo"),
    [
        (
            ("train", "image/digits", "--start", "gentle"),
            "--auxiliary NAME=RUN (auxiliaries= in Python), or leave --start out",
        ),
        (("train", "image/digits", "--set", "pathway.scale_init=1"), "--auxiliary NAME=RUN"),
        (("train", "image/digits", "--set", "optimizer.scale_lr=0.1", "--dry-run"), "--auxiliary NAME=RUN"),
        (("pretrain", "image/digits", "--set", "pathway.scale_init=1"), "none; leave pathway.scale_init out"),
    ],
)
def test_settings_of_a_pathway_without_an_auxiliary(
    arguments: tuple[str, ...], todo: str, one_line: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten `--auxiliary` would train a plain model without a word."""
    monkeypatch.chdir(tmp_path)
    assert callable(one_line)
    assert todo in one_line(*arguments)
    assert not list(tmp_path.iterdir())
