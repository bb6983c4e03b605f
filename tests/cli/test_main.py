"""How every command ends: its code, one line for what the user can mend, a traceback for what nobody foresaw."""

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

import crosspath
from crosspath.checkpoints import save_checkpoint
from crosspath.cli import main as cli
from crosspath.cli.main import VERBS, main
from crosspath.errors import PathwayError
from tests.checkpoints.small import audio_recipe, saved_audio, saved_connected, saved_image


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that ends with 2 and prints nothing else."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.endswith("\n")
    assert output.err.count("\n") == 1
    return output.err


def test_help_lists_every_verb_and_each_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert {"train", "evaluate", "predict", "merge", "status"} <= set(VERBS)
    for verb in VERBS:
        assert verb in listed
        assert main([verb, "--help"]) == 0
        assert f"Example: crosspath {verb} " in capsys.readouterr().out


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == version("crosspath")


IMPORTS = """
import contextlib, io, sys
from crosspath.cli.main import main

heavy = {"numpy", "torch", "pydantic", "yaml"}
compilers = {"timm", "torchvision", "sympy", "torch._dynamo", "torch.distributed.tensor"}  # each slower than torch
media = {"sklearn", "scipy", "matplotlib", "av", "h5py", "trimesh", "accelerate", "tensorboard"}
checkpoint, picture, digits = sys.argv[1:]
for arguments, absent in (
    (["--help"], heavy),
    (["train", "--help"], heavy),
    (["data", "list"], {"torch"}),
    (["data", "show", "esc50"], {"torch"}),
    (["train", "image/cifar10", "--set", "train.epoch=3"], {"torch"}),
    (["status", checkpoint], compilers | media),
    (["predict", checkpoint, picture], compilers | media),
    (["match", "image/cifar10", "--auxiliary", "other=" + checkpoint], compilers | media),
    (["inspect", checkpoint + "/model.safetensors"], compilers | media),
    (["train", "image/digits", "--dry-run"], compilers | media),
    (["evaluate", digits], compilers | media),
):
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        main(arguments)
    loaded = absent & set(sys.modules)
    if loaded:
        sys.exit(f"{arguments} imports {', '.join(sorted(loaded))}")
"""


def test_a_verb_imports_what_it_needs_and_no_more(tmp_path: Path) -> None:
    saved_image(tmp_path / "image")
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(picture)
    recipe = crosspath.recipe_named("image/digits")
    model = crosspath.build_model(recipe, 10)
    save_checkpoint(model, tmp_path / "digits", recipe=recipe, classes=tuple(map(str, range(10))))
    command = [sys.executable, "-c", IMPORTS, str(tmp_path / "image"), str(picture), str(tmp_path / "digits")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_command_of_its_own_ends_with_its_code() -> None:
    command = [sys.executable, "-m", "crosspath", "train", "image/cifar10", "--set", "train.epoch=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("train.epoch: ")
    assert line.endswith("did you mean train.epochs?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "image/cifar11"], "did you mean image/cifar10?"),
        (["train", "image/cifar10", "--auxiliary", "audio"], "--auxiliary: expected NAME=CHECKPOINT, found 'audio'"),
        (["train", "image/cifar10", "--auxiliary", "a=x", "--auxiliary", "a=y"], "expected each name once"),
        (["train", "image/cifar10", "--set", "train.epochs"], "--set: expected section.field=value"),
        (["train", "image/cifar10", "--set", "train.epochs=some"], "train.epochs: expected a valid integer"),
        (["train", "image/cifar10", "--epochs", "0"], "train.epochs: expected"),
        (["train", "image/cifar10", "--epochs", "many"], "--epochs"),
        (["train", "image/cifar10", "--lr", "1e-3", "--set", "optimizer.lr=1e-4"], "optimizer.lr: expected one value"),
        (["train", "image/cifar10", "--learning-rate", "3e-4"], "Did you mean --lr?"),
        (["train", "image/cifar10", "--learning_rate=3e-4"], "Did you mean --lr?"),
        (["train", "image/cifar10", "--weight-decay", "0.1"], "Did you mean --set optimizer.weight_decay=VALUE?"),
        (["compare", "image/cifar10", "--layer-decy", "0.1"], "Did you mean --set optimizer.layer_decay=VALUE?"),
        (["pretrain", "image/cifar10", "--epoch", "3"], "Did you mean --epochs?"),
        (["try", "image/digits", "--lr", "3e-4"], "searches the learning rate itself"),
        (["try", "image/digits", "--learning-rate", "3e-4"], "--set optimizer.lr=VALUE moves the middle"),
        (["try", "image/digits", "--epochs", "30"], "--budget 20m"),
        (["try", "image/digits", "--batch-size", "8"], "--set train.batch_size=VALUE?"),
        (["evaluate", "x", "--weight-decay", "0.1"], "Unknown option: --weight-decay"),
        (["train", "--recipe", "image/digits"], "RECIPE is written without an option: crosspath train RECIPE"),
        (["merge", "--checkpoint=a", "out"], "CHECKPOINT is written without an option: crosspath merge CHECKPOINT OUT"),
        (
            ["predict", "--model", "x", "y"],
            "CHECKPOINT is written without an option: crosspath predict CHECKPOINT FILE",
        ),
        (["train"], "RECIPE"),
        (["train", "image/folder", "photos"], "crosspath train: expected no further argument, found 'photos'"),
        (["trian", "image/cifar10"], 'Did you mean "train"?'),
        (["evaluate", "x", "--split", "tests"], '"train", "validation", "test"'),
        (["predict", "x"], "FILE"),
        (["merge", "nothing", "out"], "nothing: expected a run folder"),
        (["status", "nothing"], "nothing: expected a run folder"),
        (["evaluate", "model.pth"], "model.pth: expected a run folder"),
        (["evaluate", "x", "--recipe", "image/cifar"], "did you mean image/cifar10?"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(arguments, capsys)


def test_a_folder_in_the_place_of_a_recipe_is_told_where_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few").mkdir()
    line = refused(["train", "few"], capsys)
    assert "image/folder --data few" in line
    assert "image/cifar10" not in line
    saved_audio(tmp_path / "run")
    line = refused(["train", "run"], capsys)
    assert str(Path("run") / "recipe.yaml") in line
    assert "--from run" in line


def test_a_checkpoint_of_ones_own_is_named_with_the_verbs_that_take_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved_audio(tmp_path / "plain")
    saved_connected(tmp_path / "connected", tmp_path / "plain")
    for name, verbs in (("plain", "evaluate|predict|export"), ("connected", "evaluate|predict|export|status|merge")):
        file = tmp_path / name / "model.safetensors"
        lines = {tmp_path / name: refused(["inspect", str(tmp_path / name)], capsys)}
        assert main(["inspect", str(file)]) == 0  # its tensors, and the line
        lines[file] = capsys.readouterr().out
        assert refused(["convert", str(file), str(tmp_path / "out")], capsys) in lines[file]
        for place, line in lines.items():
            assert f"crosspath {verbs} {place}, or" in line
            assert "--auxiliary" in line
            assert "--from" in line


def test_a_missing_data_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    line = refused(["train", "image/cifar10", "--data", str(tmp_path / "none"), "--out", out], capsys)
    assert str(tmp_path / "none") in line
    assert not (tmp_path / "run").exists()


def test_a_full_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").touch()
    line = refused(["train", "image/cifar10", "--out", str(tmp_path)], capsys)
    assert "expected a new or empty folder" in line
    assert "--resume" in line


def test_a_pickle_is_one_line_and_stays_shut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pth")
    for arguments in (["evaluate", str(tmp_path / "model.pth")], ["merge", str(tmp_path), str(tmp_path / "out")]):
        assert "pickle" in refused(arguments, capsys)


def test_a_checkpoint_of_another_recipe_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_audio(tmp_path / "audio")
    (tmp_path / "wide.yaml").write_text(
        (tmp_path / "audio" / "recipe.yaml").read_text().replace("size: micro", "size: tiny")
    )
    assert audio_recipe().model.size == "micro"
    recipe = ["--recipe", str(tmp_path / "wide.yaml")]
    line = refused(["evaluate", str(tmp_path / "audio"), *recipe], capsys)
    assert "(128,) instead of (192,)" in line


def test_merging_a_plain_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_image(tmp_path / "image")
    assert "found a plain one" in refused(["merge", str(tmp_path / "image"), str(tmp_path / "out")], capsys)
    assert "found a plain one" in refused(["status", str(tmp_path / "image")], capsys)


def test_several_lines_become_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: list[str]) -> None:
        raise PathwayError.of("connect", ["first", "  second", "", "third"])

    monkeypatch.setattr(cli, "build_app", lambda: fail)
    assert main([]) == 2
    assert capsys.readouterr().err == "first; second; third\n"


@pytest.mark.parametrize("rank", ["1", "of-another-tool"])
def test_a_process_that_fails_alone_says_so_after_a_while(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr("time.sleep", waited.append)
    assert main(["status", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith(f"process {rank}: nowhere: expected")
    assert len(waited) == 1
    assert waited[0] > 0


def test_of_several_processes_the_first_alone_prints_what_comes_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank, said in (("1", ""), ("0", "next: crosspath data show NAME\n")):
        monkeypatch.setenv("RANK", rank)
        assert main(["data", "list"]) == 0
        output = capsys.readouterr()
        assert output.err == said
        assert bool(output.out) == bool(said)


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_app", lambda: interrupt)
    assert main([]) == 130


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(cli, "build_app", lambda: fail)
    with pytest.raises(ValueError, match="a bug"):
        main([])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_one_line_whoever_writes(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(arguments: list[str]) -> None:
        raise OSError(number, "nothing more fits")

    monkeypatch.setattr(cli, "build_app", lambda: write)
    assert "nothing more fits" in refused([], capsys)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_meets_a_full_disk_prints_nothing_and_others_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_in_threads(arguments: list[str]) -> None:
        for error in (OSError(errno.ENOSPC, "full"), ValueError("a bug")):

            def fail(error: Exception = error) -> None:
                raise error

            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()

    monkeypatch.setattr(cli, "build_app", lambda: fail_in_threads)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    assert main([]) == 0
    said = capsys.readouterr().err
    assert "a bug" in said
    assert "full" not in said
