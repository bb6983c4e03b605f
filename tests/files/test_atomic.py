"""Files are complete or absent, whatever interrupts a write."""

import os
from pathlib import Path

import pytest
import torch

from crosspath.files import (
    atomic,
    flush,
    new_folder,
    read_json,
    replacing,
    replacing_files,
    write_json,
    write_tensors,
)
from tests.errors import refused


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})

    def interrupted() -> None:
        with replacing(tmp_path / "x.json") as temporary:
            temporary.write_text("half of")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[tuple[str, bool]] = []
    monkeypatch.setattr(atomic, "flush", lambda path: names.append((path.name, (tmp_path / "x.json").exists())))
    write_json(tmp_path / "x.json", {})
    temporary, folder = names
    assert temporary[0].startswith(".x.json.")
    assert not temporary[1]
    assert folder == (tmp_path.name, True)
    names.clear()
    with replacing_files(tmp_path / "run") as folder_of_new_files:
        (folder_of_new_files / "a").write_text("a")
    assert [name for name, _ in names] == ["a", "run"]


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with replacing_files(tmp_path / "run") as temporary:
            (temporary / "a").write_text("a")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert list((tmp_path / "run").iterdir()) == []
    with replacing_files(tmp_path / "run") as temporary:
        (temporary / "a").write_text("a")
        (temporary / "b").write_text("b")
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["a", "b"]


def test_only_new_or_empty_folders_are_written_to(tmp_path: Path) -> None:
    new_folder(tmp_path / "none", "--out")
    new_folder(tmp_path, "--out")
    (tmp_path / "x").touch()
    with refused("", "--out"):
        new_folder(tmp_path, "--out")
    with refused("x"):
        new_folder(tmp_path / "x", "--out")


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refused("run", "--out"):
        new_folder(tmp_path / "file" / "run", "--out")


def test_a_refusal_of_the_system_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (
        lambda: write_json(tmp_path / "file" / "x.json", {}),
        lambda: write_tensors(tmp_path / "file" / "x.safetensors", {"a": torch.ones(1)}, {}),
    ):
        with refused("file", "folder"):
            write()

    def full() -> None:
        with replacing_files(tmp_path / "run"):
            raise OSError(28, "No space left on device")

    with refused("run", "folder"):
        full()


def test_windows_which_opens_no_folder_and_flushes_no_file_that_is_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_file = [], os.open
    (tmp_path / "a").touch()

    def windows_open(path: Path, flags: int) -> int:
        if Path(path).is_dir() or not flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", str(path))
        opened.append(Path(path).name)
        return open_file(path, flags)

    monkeypatch.setattr(atomic, "WINDOWS", True)
    monkeypatch.setattr(os, "open", windows_open)
    flush(tmp_path)
    flush(tmp_path / "a")
    assert opened == ["a"]
