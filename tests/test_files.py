"""Files are whole or absent, damage is one line of text, and nothing that can run code is opened."""

import json
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crosspath import files
from crosspath.files import (
    as_kind,
    check_manifest,
    flush,
    new_folder,
    read_json,
    read_json_as,
    read_tensors,
    remove_complete,
    replacing,
    replacing_files,
    sha256_of_file,
    tensor_faults,
    write_json,
    write_manifest,
    write_tensors,
)
from tests.errors import refused


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4).t(), "b": torch.arange(3)}
    write_tensors(tmp_path / "x.safetensors", tensors, {"recipe": "λ"})
    actual, metadata = read_tensors(tmp_path / "x.safetensors")
    assert {name: value.tolist() for name, value in actual.items()} == {n: v.tolist() for n, v in tensors.items()}
    assert metadata == {"format": "pt", "recipe": "λ"}
    assert load_file(tmp_path / "x.safetensors")["a"].shape == (4, 3)


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
    monkeypatch.setattr(files, "flush", lambda path: names.append((path.name, (tmp_path / "x.json").exists())))
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


def test_json_holds_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("length", [0, 7, 40, 200])
def test_a_truncated_file_is_damage_in_one_line(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.randn(10, 10)}, {})
    path.write_bytes(path.read_bytes()[:length])
    with refused("x.safetensors", "damage") as error:
        read_tensors(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pkl"])
def test_pickle_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    with refused("", "pickle"):
        read_tensors(tmp_path / f"model{suffix}")


def test_pickle_is_refused_by_content_and_never_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    for name in ("a.safetensors", "b.safetensors"):
        if name == "a.safetensors":
            (tmp_path / name).write_bytes(pickle.dumps(Harmful()))
        else:
            torch.save({"a": torch.ones(1)}, tmp_path / name)
        with refused("", "pickle", "bytes"):
            read_tensors(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_manifest_sees_change_and_loss(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    write_manifest(tmp_path, ["a", "b"])
    check_manifest(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == {
        "format_version": 1,
        "files": {"a": sha256_of_file(tmp_path / "a"), "b": sha256_of_file(tmp_path / "b")},
    }
    (tmp_path / "b").write_text("six")
    with refused("b", "bytes"):
        check_manifest(tmp_path)
    (tmp_path / "b").unlink()
    with refused("b"):
        check_manifest(tmp_path)
    write_json(tmp_path / "manifest.json", {"format_version": 99, "files": {}})
    with refused("manifest.json", "format_version", "1", "99"):
        check_manifest(tmp_path)


def test_only_new_or_empty_folders_are_written_to(tmp_path: Path) -> None:
    new_folder(tmp_path / "none", "--out")
    new_folder(tmp_path, "--out")
    (tmp_path / "x").touch()
    with refused("", "--out"):
        new_folder(tmp_path, "--out")
    with refused("x"):
        new_folder(tmp_path / "x", "--out")


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with refused("x.json", "JSON"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with refused("x.json", "JSON"):
        read_json(tmp_path / "x.json")


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


def test_a_manifest_without_a_list_of_files_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", {"format_version": 1, "files": [1]})
    with refused("manifest.json", "sha256"):
        check_manifest(tmp_path)


def test_weights_are_readable_as_other_files_are(tmp_path: Path) -> None:
    write_tensors(tmp_path / "weights.safetensors", {"a": torch.zeros(2)}, {})
    (tmp_path / "other").touch()
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_tensors_that_share_memory_are_written_as_copies(tmp_path: Path) -> None:
    weight = torch.randn(4, 3)
    write_tensors(tmp_path / "x.safetensors", {"a": weight, "b": weight, "row": weight[1]}, {})
    tensors, _ = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(tensors["a"], weight)
    assert torch.equal(tensors["b"], weight)
    assert torch.equal(tensors["row"], weight[1])


def test_every_tensor_that_does_not_fit_is_named() -> None:
    expected = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2)}
    actual = {"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.float64), "d": torch.zeros(2)}
    assert tensor_faults(actual, expected) == ["other shapes: a (3,) instead of (2,)", "missing: c", "unexpected: d"]
    assert tensor_faults({}, {name: torch.zeros(1) for name in "abcde"}) == ["missing: a, b, c and 2 more"]
    assert tensor_faults(expected, expected) == []


def test_equal_contents_are_equal_bytes_whatever_the_order_of_the_metadata(tmp_path: Path) -> None:
    metadata = {
        name: f'{name} λ \x01\x7f\u2028"\\' for name in ("recipe", "classes", "connected", "auxiliaries", "a\tb")
    }
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)}
    contents = set()
    for index in range(8):
        path = tmp_path / f"{index}.safetensors"
        order = list(metadata.items())[index % 5 :] + list(metadata.items())[: index % 5]
        write_tensors(path, tensors, dict(order))
        contents.add(path.read_bytes())
    assert len(contents) == 1
    values, own = read_tensors(path)
    assert own == {"format": "pt", **metadata}
    assert all(torch.equal(value, values[name]) for name, value in tensors.items())


@dataclass(frozen=True)
class Place:
    """What a file of the tests stands for."""

    step: int
    names: tuple[str, ...] = ()
    shares: dict[str, float] | None = None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"step": "x"}, ["step"]),
        ({"step": 1.5}, ["step"]),
        ({"step": "1"}, ["step"]),
        ({"step": True}, ["step"]),
        ({"step": 1, "shares": {"a": "nan"}}, ["shares.a"]),
        ({"names": []}, ["step"]),
        ({"step": 1, "names": [1]}, ["names.0"]),
        ({"step": 1, "shares": {"a": [0.5]}}, ["shares.a"]),
        ({"step": 1, "shares": {"a": float("nan")}}, ["finite"]),
        ({"step": 1, "stop": 2}, ["stop"]),
        ([1], []),
    ],
)
def test_json_of_other_types_is_refused_with_the_place(value: object, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text(json.dumps(value))
    with refused("place.json", *words):
        read_json_as(tmp_path / "place.json", Place)


def test_json_is_read_as_what_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text('{"step": 3, "names": ["a"], "shares": {"b": 1}}')
    assert read_json_as(tmp_path / "place.json", Place) == Place(3, ("a",), {"b": 1.0})
    (tmp_path / "pairs.json").write_text('{"a": ["b", null]}')
    assert read_json_as(tmp_path / "pairs.json", dict[str, tuple[str, str | None]]) == {"a": ("b", None)}
    assert as_kind({"step": 3, "names": ("a", "b")}, Place, "a tuple, as in plain data") == Place(3, ("a", "b"))
    with refused("tuple", "finite"):
        as_kind({"step": 3, "names": ("a", float("inf"))}, Place, "tuple")


def test_a_complete_folder_is_incomplete_from_the_first_file_on_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / "whole" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "whole" / name).write_text(name)
    write_manifest(tmp_path / "whole", ["a", "b"])

    def killed(folder: Path) -> None:
        (folder / "a").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_complete(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["b"]
    remove_complete(tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


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

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(os, "open", windows_open)
    flush(tmp_path)
    flush(tmp_path / "a")
    assert opened == ["a"]
