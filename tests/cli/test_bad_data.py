"""Damaged and malformed data on disk: one line that names the file, exit code 2, and no run folder."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.cli.main import main
from tests.cli.test_main import refused

RATE_HZ = 8000
AUDIO = ["train", "audio/folder", "--set", "data.sample_rate_hz=8000", "--set", "train.epochs=1"]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two classes of five short recordings each, wav and ogg."""
    import soundfile

    for label, pitch_hz in (("low", 200), ("high", 900)):
        folder = tmp_path / "sounds" / label
        folder.mkdir(parents=True)
        time_s = np.arange(RATE_HZ) / RATE_HZ
        for index in range(5):
            wave = 0.3 * np.sin(2 * np.pi * (pitch_hz + 10 * index) * time_s)
            ending = "ogg" if index % 2 else "wav"
            soundfile.write(folder / f"{index}.{ending}", wave, RATE_HZ)
    return tmp_path / "sounds"


@pytest.mark.parametrize("name", ["low/0.wav", "high/1.ogg"])
def test_a_recording_cut_in_half(sounds: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = (sounds / name).read_bytes()
    (sounds / name).write_bytes(content[: len(content) // 2])
    arguments = [*AUDIO, "--set", f"data.folder={sounds}", "--out", str(tmp_path / "run")]
    assert name in refused(arguments, capsys)
    assert not (tmp_path / "run").exists()
    small = ["--set", "data.frames=32", "--set", "data.mels=32", "--set", "data.skip_damaged=true"]
    assert main([*arguments, *small]) == 0
    assert f"skipped {sounds / name}" in capsys.readouterr().err


def test_a_cloud_file_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    folder = tmp_path / "modelnet10"
    folder.mkdir()
    (folder / "shape_names.txt").write_text("bed\nsofa\n")
    for part in ("train", "test"):
        (folder / f"{part}_files.txt").write_text(f"ply_data_{part}0.h5\n")
        with h5py.File(folder / f"ply_data_{part}0.h5", "w") as file:
            file["data"] = np.zeros((4, 1024, 3), dtype=np.float32)
    line = refused(["train", "point/modelnet10", "--data", str(tmp_path), "--out", str(tmp_path / "run")], capsys)
    assert "ply_data_train0.h5" in line
    assert "label" in line
    assert not (tmp_path / "run").exists()


def test_an_own_folder_must_be_named_and_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "data.folder" in refused(["train", "video/folder", "--out", str(tmp_path / "run")], capsys)
    none = str(tmp_path / "none")
    assert none in refused(["train", "image/folder", "--set", f"data.folder={none}"], capsys)


def test_a_run_on_an_own_folder_is_read_from_anywhere(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--set", "data.frames=32", "--set", "data.mels=32", "--json"]
    assert main([*AUDIO, *small, "--set", "data.folder=sounds", "--out", "named"]) == 0
    assert main([*AUDIO, *small, "--data", "sounds", "--out", "given"]) == 0
    assert (tmp_path / "named" / "recipe.yaml").read_text() == (tmp_path / "given" / "recipe.yaml").read_text()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["evaluate", "../named", "--json"]) == 0
    first = capsys.readouterr().out.splitlines()[-1]
    sounds.rename(tmp_path / "moved")
    assert str(sounds) in refused(["evaluate", "../named"], capsys)
    assert main(["evaluate", "../named", "--data", "../moved", "--json"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == first


def test_a_damaged_file_to_predict_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.checkpoints.small import saved_image

    saved_image(tmp_path / "run")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    assert "a.png" in refused(["predict", str(tmp_path / "run"), str(tmp_path / "a.png")], capsys)
