"""Weights, read from safetensors only: a format that can run code when opened is refused by its name and by its
bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crosspath.counts import first_names
from crosspath.errors import InputError
from crosspath.files.atomic import replacing
from crosspath.pickles import refuse_pickle, require_file

SAFETENSORS = ".safetensors"
MOST_NAMES = 3
"""Tensor names that a message lists before it only counts."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, completely or not at all. Tensors that share memory become copies: the format cannot
    share them.
    """
    values: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        pointer = value.untyped_storage().data_ptr()
        values[name] = value.clone() if pointer in storages else value
        storages.add(pointer)
    with replacing(path) as temporary:
        save_file(values, temporary, metadata={"format": "pt", **metadata})
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Order the metadata of a safetensors file by name, in place: safetensors writes them in an order of chance, and
    equal contents would have unequal digests.
    """
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size, path
        file.seek(8)
        file.write(text.ljust(size))


def read_tensors(path: Path, *, mapped: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file: copied into memory, or `mapped` from the file for a caller that
    copies them itself.

    Raises
    ------
    InputError
        For a missing file, one in a pickle format or under a pickle's name, and one that is damaged or cut short.
    """
    refuse_pickle(path)
    return read_safetensors(path, mapped=mapped)


def read_safetensors(path: Path, *, mapped: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `read_tensors`, under any name. The file is read as safetensors, and never as anything else."""
    require_file(path, "a safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except OSError as error:
        raise InputError(path, "a safetensors file", error.strerror or "none", "check the path") from None
    except SafetensorError as error:
        raise InputError(path, "a complete safetensors file", f"damage ({error})", "copy or write it again") from None
    return (tensors if mapped else {name: value.clone() for name, value in tensors.items()}), metadata


def tensor_faults(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What prevents a strict load: tensors of another shape, missing and unexpected ones, one line of words each."""
    shapes = [
        f"{name} {tuple(actual[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in actual and actual[name].shape != expected[name].shape
    ]
    missing = [name for name in expected if name not in actual]
    unexpected = [name for name in actual if name not in expected]
    kinds = (("other shapes", shapes), ("missing", missing), ("unexpected", unexpected))
    return [f"{kind}: {first_names(names, MOST_NAMES)}" for kind, names in kinds if names]


def sha256_of_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """A digest of names, types, shapes and values, in the order given."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
