"""A file of another library is refused by its name, never as a damaged one; from its bytes where it has a sign."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import crosspath
from crosspath.errors import InputError
from crosspath.files import read_tensors
from crosspath.formats import foreign_format
from tests.errors import refused
from tests.pathway.small_models import Body


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, kernel=np.zeros((2, 2)))


def onnx(path: Path) -> None:
    path.write_bytes(b"\x08\x0a\x12\x07pytorch\x1a\x052.4.1:\x80\x01" + bytes(64))


def binary(*parts: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(b"".join(parts) + bytes(64)) and None


KINDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "model.onnx": ("ONNX", onnx),
    "model.bin": ("CTranslate2", binary(b"\x06\0\0\0", b"\x0c\0WhisperSpec\0", b"\x03\0\0\0")),
    "model.gguf": ("GGUF", binary(b"GGUF\x03\0\0\0")),
    "ggml-base.bin": ("ggml", binary(b"lmgg")),
    "model.tflite": ("TensorFlow Lite", binary(b"\x1c\0\0\0TFL3")),
    "weights.h5": ("HDF5", binary(b"\x89HDF\r\n\x1a\n")),
    "ViT-B_16.npz": ("NumPy", npz),
    "kernel.npy": ("NumPy", lambda path: np.save(path, np.zeros(3))),
    "flax_model.msgpack": ("Flax", binary(b"\x81\xa6params")),
    "model.safetensors": ("GGUF", binary(b"GGUF\x03\0\0\0")),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_library_is_named(name: str, tmp_path: Path) -> None:
    kind, write = KINDS[name]
    path = tmp_path / name
    write(path)
    with refused(name, kind, "pass", kind=crosspath.PathwayError) as error:
        crosspath.connect(Body(), path)
    assert "damage" not in str(error.value)
    assert "convert`" not in error.value.todo
    with refused(name, kind, kind=InputError):
        read_tensors(path)


def test_safetensors_and_pickles_are_no_foreign_files(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(3)}, tmp_path / "a.safetensors")
    save_file({"w": torch.zeros(3)}, tmp_path / "b.onnx")
    torch.save({"w": torch.zeros(3)}, tmp_path / "c.pt")
    (tmp_path / "d.safetensors").write_bytes(b"short")
    for name in ("a.safetensors", "b.onnx", "c.pt", "d.safetensors", "missing.bin"):
        assert foreign_format(tmp_path / name) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adapter_model.safetensors", "an adapter alone"),
        ("pytorch_model.bin", "a pickle"),
        ("_CHECKPOINT_METADATA", "Orbax"),
        ("saved_model.pb", "TensorFlow"),
    ],
)
def test_a_folder_in_another_form_is_named(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with refused(tmp_path.name, kind, kind=crosspath.PathwayError):
        crosspath.connect(Body(), tmp_path)
