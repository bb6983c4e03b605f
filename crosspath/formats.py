"""Recognises files of other libraries by their first bytes, so that a refusal can name them. Nothing is opened."""

import zipfile
from pathlib import Path

THESE = "a PyTorch model that holds these weights"
SIGNS = (
    (0, b"GGUF", "GGUF", "the PyTorch model that it was converted from (transformers reads some: gguf_file=)"),
    (0, b"lmgg", "ggml", "the PyTorch model that it was converted from"),
    (4, b"TFL3", "TensorFlow Lite", THESE),
    (4, b"ORTM", "ONNX Runtime", "the PyTorch model that it was exported from"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes it", THESE),
    (0, b"\x93NUMPY", "an array of NumPy", THESE),
)
"""(offset, bytes, format, what to pass instead)."""
SUFFIXES = {
    ".onnx": ("ONNX", "the PyTorch model that it was exported from"),
    ".msgpack": ("Flax", THESE),
    ".keras": ("Keras", THESE),
    ".pb": ("TensorFlow", THESE),
    ".mlmodel": ("Core ML", "the PyTorch model that it was converted from"),
    ".engine": ("TensorRT", "the PyTorch model that it was built from"),
    ".pte": ("ExecuTorch", "the PyTorch model that it was exported from"),
    ".pt2": ("torch.export", "the PyTorch model that it was exported from"),
}
"""{suffix: (format, what to pass instead)}, of files that no first bytes mark."""


def foreign_format(path: Path) -> tuple[str, str] | None:
    """(the format, what to pass instead) of a file that another library wrote; None for any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return None
    for offset, mark, name, instead in SIGNS:
        if head[offset : offset + len(mark)] == mark:
            return name, instead
    if _is_ctranslate2(head):
        return "CTranslate2", "the PyTorch model that it was converted from"
    if head.startswith(b"PK\x03\x04") and _is_npz(path):
        return "arrays of NumPy (npz)", THESE
    safetensors = head[8:9] == b"{"
    return None if safetensors else SUFFIXES.get(path.suffix.lower())


def _is_ctranslate2(head: bytes) -> bool:
    """`model.bin` begins with a version of four bytes, and a name such as `WhisperSpec` with its length before it."""
    version, length = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:6], "little")
    return 0 < version < 256 and head[6 : 6 + length].endswith(b"Spec\0")


def _is_npz(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # many types: a damaged list, a name that is no text
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)
