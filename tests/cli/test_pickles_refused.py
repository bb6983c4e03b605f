"""Every way in of the command line and of the Python API refuses a pickle in one line, and executes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import crosspath
from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.foreign import convert_checkpoint, inspect_checkpoint
from crosspath.cli.main import main
from tests.checkpoints.foreign.malicious import CORPUS
from tests.checkpoints.small import connected_digits, saved_audio, saved_connected

WAYS_IN: dict[str, list[str]] = {
    "convert": ["convert", "FILE", "OUT"],
    "train from": ["train", "image/digits", "--out", "OUT", "--from", "FILE"],
    "train auxiliary": ["train", "image/digits", "--out", "OUT", "--auxiliary", "audio=FILE"],
    "pretrain from": ["pretrain", "image/digits", "--out", "OUT", "--from", "FILE"],
    "evaluate": ["evaluate", "FILE"],
    "predict": ["predict", "FILE", "picture.png"],
    "merge": ["merge", "FILE", "OUT"],
    "status": ["status", "FILE"],
    "export": ["export", "FILE", "OUT.pt2"],
    "compare": ["compare", "image/digits", "--out", "OUT", "--auxiliary", "audio=FILE", "--seeds", "2"],
    "compare from": ["compare", "image/digits", "--out", "OUT", "--from", "FILE", "--auxiliary", "audio=AUDIO"],
    "verify": ["verify", "FILE"],
    "study": ["study", "FILE", "--out", "OUT"],
}
BY_REFERENCE = {
    "evaluate": ["evaluate", "FROZEN", "--auxiliary", "audio=FILE"],
    "predict": ["predict", "FROZEN", "picture.png", "--auxiliary", "audio=FILE"],
    "merge": ["merge", "FROZEN", "OUT", "--auxiliary", "audio=FILE"],
    "status": ["status", "FROZEN", "--auxiliary", "audio=FILE"],
    "export": ["export", "FROZEN", "OUT.pt2", "--auxiliary", "audio=FILE"],
}


def refused(
    arguments: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    expected: str = "pickle",
    **places: Path,
) -> str:
    """The one line that a command ends with; nothing ran, nothing was written."""
    for word, place in {"OUT": folder / "out", **places}.items():
        arguments = [argument.replace(word, str(place)) for argument in arguments]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert expected in message
    assert not (folder / "canary").exists()
    assert not any(folder.glob("out*"))
    return message


@pytest.fixture(params=CORPUS, ids=str)
def malicious(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    CORPUS[request.param](tmp_path / "canary", path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".data"])
def test_a_file_of_every_kind(malicious: Path, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = malicious.rename(malicious.with_suffix(suffix))
    for way in ("evaluate", "convert", "verify"):
        refused(WAYS_IN[way], tmp_path, capsys, FILE=path)


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.yaml", "a.json"])
def test_every_way_in(way: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    CORPUS["torch zip" if name == "a.safetensors" else "behind a number"](tmp_path / "canary", path)
    if "AUDIO" in " ".join(WAYS_IN[way]):
        saved_audio(tmp_path / "audio")
    refused(WAYS_IN[way], tmp_path, capsys, FILE=path, AUDIO=tmp_path / "audio")


@pytest.mark.parametrize("way", [way for way in WAYS_IN if way not in {"study", "verify"}])
def test_the_weights_of_a_folder(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_audio(tmp_path / "audio")
    for kept in (True, False):  # with and without a manifest, which sees that the bytes are others
        saved_audio(tmp_path / f"{kept}")
        if not kept:
            (tmp_path / f"{kept}" / "manifest.json").unlink()
            (tmp_path / f"{kept}" / "recipe.yaml").unlink()
        CORPUS["torch zip"](tmp_path / "canary", tmp_path / f"{kept}" / "model.safetensors")
        if way != "convert" or not kept:
            refused(WAYS_IN[way], tmp_path, capsys, FILE=tmp_path / f"{kept}", AUDIO=tmp_path / "audio")


@pytest.fixture
def connected(tmp_path: Path) -> Path:
    """A checkpoint whose frozen auxiliary is saved by reference, and has gone."""
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "connected", tmp_path / "audio", train_auxiliary=False)
    return tmp_path / "connected"


@pytest.mark.parametrize("way", BY_REFERENCE)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_frozen_auxiliary(
    way: str, suffix: str, connected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"weights{suffix}"
    CORPUS["torch legacy"](tmp_path / "canary", file)
    refused(BY_REFERENCE[way], tmp_path, capsys, FILE=file, FROZEN=connected)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("way", ["evaluate", "merge", "status", "export", "train from", "train auxiliary"])
def test_the_pathways_of_a_folder(
    way: str, kept: bool, connected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CORPUS["reduce"](tmp_path / "canary", connected / "pathway.safetensors")
    arguments = WAYS_IN[way]
    if not kept:
        (connected / "manifest.json").unlink()
        if way in BY_REFERENCE:  # without its manifest it is nobody's own: its auxiliary has to be named
            arguments = [*arguments, "--auxiliary", "audio=AUDIO"]
        else:
            refused(arguments, tmp_path, capsys, expected="auxiliary audio", FILE=connected)
            return
    refused(arguments, tmp_path, capsys, FILE=connected, AUDIO=tmp_path / "audio")


@pytest.mark.parametrize("file", ["model.safetensors", "certificate.safetensors"])
def test_a_certified_folder(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connected_digits(tmp_path)
    crosspath.merge_checkpoint(tmp_path / "image", tmp_path / "merged", verify=True)
    CORPUS["torch zip"](tmp_path / "canary", tmp_path / "merged" / file)
    refused(["verify", "FILE"], tmp_path, capsys, FILE=tmp_path / "merged")


def test_the_checkpoints_that_a_study_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CORPUS["protocol 0"](tmp_path / "canary", tmp_path / "weights.pth")
    text = "targets: {image/digits: {}}\nauxiliaries: {audio: weights.pth}\nseeds: 2\n"
    (tmp_path / "study.yaml").write_text(text)
    refused(["study", "FILE", "--out", "OUT"], tmp_path, capsys, FILE=tmp_path / "study.yaml")
    text = "targets: {image/digits: {from: weights.pth}}\nauxiliaries: {audio: audio}\nseeds: 2\n"
    (tmp_path / "study.yaml").write_text(text)
    saved_audio(tmp_path / "audio")
    refused(["study", "FILE", "--out", "OUT"], tmp_path, capsys, FILE=tmp_path / "study.yaml")


def _body() -> torch.nn.Module:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


def _load_pathway(path: Path) -> object:
    """The file in the place of each that `load_pathway` reads."""
    target = _body()
    crosspath.connect(target, {"other": _body()})
    crosspath.save_pathway(target, path.parent / "saved")
    path.rename(path.parent / "saved" / "pathway.safetensors")
    return crosspath.load_pathway(_body(), path.parent / "saved")


def _load_target(path: Path) -> object:
    target = _body()
    crosspath.connect(target, {"other": _body()})
    crosspath.save_pathway(target, path.parent / "saved")
    path.rename(path.parent / "saved" / "model.safetensors")
    return crosspath.load_pathway(_body(), path.parent / "saved")


def _load_frozen(path: Path) -> object:
    save_file(_body().state_dict(), path.parent / "frozen.safetensors")
    target = _body()
    crosspath.connect(target, {"other": path.parent / "frozen.safetensors"}, train_auxiliary=False)
    crosspath.save_pathway(target, path.parent / "saved")
    return crosspath.load_pathway(_body(), path.parent / "saved", auxiliary=path)


CALLS: dict[str, Callable[[Path], object]] = {
    "connect": lambda path: crosspath.connect(_body(), path),
    "connect by name": lambda path: crosspath.connect(_body(), {"other": str(path)}),
    "match": lambda path: crosspath.match(_body(), path),
    "load_pathway": _load_pathway,
    "load_pathway target": _load_target,
    "load_pathway auxiliary": _load_frozen,
    "load_checkpoint": crosspath.load_checkpoint,
    "from_pretrained": crosspath.ModalityModel.from_pretrained,
    "train": lambda path: crosspath.train(
        crosspath.recipe_named("image/digits"), out=path.parent / "out", start_from=path
    ),
    "convert": lambda path: convert_checkpoint(path, path.parent / "out"),
}


def test_connect_refuses_every_kind(malicious: Path) -> None:
    for suffix in (".pth", ".safetensors", ".data", ".th"):
        malicious = malicious.rename(malicious.with_suffix(suffix))
        with pytest.raises(crosspath.PathwayError, match="pickle"):
            crosspath.connect(_body(), malicious)
    assert not (malicious.parent / "canary").exists()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["torch zip", "torch legacy", "behind a number"])
def test_every_function_refuses_it(call: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    CORPUS[kind](tmp_path / "canary", path)
    with pytest.raises((crosspath.PathwayError, crosspath.InputError), match="pickle") as error:
        CALLS[call](path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "out").exists()


def test_a_folder_for_connect(tmp_path: Path) -> None:
    CORPUS["torch zip"](tmp_path / "canary", tmp_path / "model.safetensors")
    with pytest.raises(crosspath.PathwayError, match="pickle"):
        crosspath.connect(_body(), tmp_path)


def test_safetensors_of_any_header_are_none(tmp_path: Path) -> None:
    """The length of a header is a file's first bytes: 0x0280 of them look like the second protocol's."""
    path = tmp_path / "a.safetensors"
    protocols = set()
    for padding in range(0, 1400, 8):
        save_file({"a": torch.zeros(2)}, path, metadata={"x": "y" * padding})
        protocols.add(path.read_bytes()[:2])
        auxiliary_source(path)
    assert {bytes([0x80, protocol]) for protocol in range(1, 6)} <= protocols
    for padding in (128, 384):
        save_file(_body().state_dict(), path, metadata={"x": "y" * padding})
        assert path.read_bytes()[:1] == b"\x80"
        assert crosspath.match(_body(), path).ok
        assert inspect_checkpoint(path)["container"] == "safetensors"


def test_safetensors_under_a_pickle_s_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(_body().state_dict(), tmp_path / "a.pth")
    message = refused(
        ["train", "image/digits", "--out", "OUT", "--auxiliary", f"a={tmp_path / 'a.pth'}"], tmp_path, capsys
    )
    assert "rename it" in message
    with pytest.raises(crosspath.PathwayError, match="rename it"):
        crosspath.match(_body(), tmp_path / "a.pth")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 0
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "out")]) == 0
