"""safetensors come back as they were; pickles and damage are refused."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crosspath.files import (
    read_tensors,
    tensor_faults,
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
