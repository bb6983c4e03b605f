"""What a file is before anything in it is believed: its container, its tensors' names and shapes, and what loading it
would look up. Nothing is executed.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from crosspath.checkpoints.files import starts_like_a_pickle
from crosspath.checkpoints.foreign.machine import Made, Named, Pickle, Stored, look, pieces
from crosspath.errors import InputError

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of a file that torch wrote before release 1.6."""
REBUILDS = {f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3")}
PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
DANGEROUS = frozenset(
    {
        *("__builtin__", "__main__", "_io", "_pickle", "_posixsubprocess", "asyncio", "bdb"),
        *("builtins", "cProfile", "code", "codeop", "commands", "cloudpickle", "ctypes"),
        *("dill", "doctest", "functools", "imp", "importlib", "io", "marshal"),
        *("multiprocessing", "nt", "operator", "os", "pdb", "pickle", "pip"),
        *("platform", "posix", "profile", "pty", "pydoc", "requests", "runpy"),
        *("shutil", "site", "smtplib", "socket", "ssl", "subprocess", "sys"),
        *("tempfile", "threading", "timeit", "torch.hub", "torch.jit", "trace", "types"),
        *("urllib", "webbrowser", "zipimport"),
    }
)
"""Modules whose functions can run code, write files or reach the network."""


@dataclass(frozen=True)
class Contents:
    """A file, looked at from outside."""

    container: str
    """Such as `safetensors` or `torch zip (pickle)`."""
    tensors: dict[str, Tensor]
    """On the meta device: shapes and types without numbers."""
    metadata: dict[str, str]
    """Of a safetensors file."""
    names: tuple[Named, ...] = ()
    """Classes and functions that unpickling would look up."""

    @property
    def pickled(self) -> bool:
        """Whether opening it means unpickling."""
        return "pickle" in self.container

    @property
    def beyond_weights(self) -> tuple[Named, ...]:
        """What torch's restricted unpickler (`weights_only=True`) refuses to look up."""
        return tuple(name for name in self.names if str(name) not in _allowed())

    @property
    def dangerous(self) -> tuple[Named, ...]:
        """What can run code, write files or reach the network."""
        return tuple(
            name
            for name in self.beyond_weights
            if {name.module, name.module.partition(".")[0]} & DANGEROUS or name.module.startswith(("a ", "an "))
        )


def contents(path: Path) -> Contents:
    """Look at a file. Raises `InputError` for one that is missing, damaged, or neither safetensors nor a pickle."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(path, "a checkpoint file", error.strerror or "none", "check the path") from None
    if head[:4] == b"PK\x03\x04":
        return _zipped(path)
    if head[257:262] == b"ustar":
        todo = "load and save it with a torch release between 0.4 and 1.5 first"
        raise InputError(path, "safetensors or a pickle of torch 0.2 or later", "the tar of older ones, a pickle", todo)
    if starts_like_a_pickle(head):
        with path.open("rb") as stream:
            return _streamed(stream, path)
    try:
        with safe_open(path, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            shapes = {name: (part.get_shape(), _DTYPES.get(part.get_dtype())) for name, part in slices.items()}
            metadata = dict(opened.metadata() or {})
    except SafetensorError as error:
        raise InputError(path, "a safetensors file or a pickle", f"neither ({error})", "copy it again") from None
    tensors = {name: torch.empty(shape, dtype=dtype, device="meta") for name, (shape, dtype) in shapes.items()}
    return Contents("safetensors", tensors, metadata)


def _zipped(path: Path) -> Contents:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.namelist()
            pickles = []
            for entry in entries:
                with archive.open(entry) as stream:
                    pickled = entry.endswith((".pkl", ".pickle")) or stream.read(2)[:1] == b"\x80"
                if pickled and "/data/" not in f"/{entry}":
                    pickles.append((entry, look(archive.read(entry), f"{path} {entry}")))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(path, "a whole zip archive", f"damage ({error})", "copy it again") from None
    names = tuple(dict.fromkeys(name for _, found in pickles for name in found.names))
    if any("/code/" in f"/{entry}" or entry.endswith("constants.pkl") for entry in entries):
        return Contents("TorchScript program (zip with pickle)", {}, {}, names)
    whole = [found for entry, found in pickles if entry.rpartition("/")[2] == "data.pkl"]
    if not whole:
        return Contents("zip with pickle" if pickles else "zip", {}, {}, names)
    return Contents("torch zip (pickle)", tensors_of(whole[0]), {}, names)


def _streamed(stream: BinaryIO, path: Path) -> Contents:
    first = look(stream, path)
    if first.value != TORCH_MAGIC:
        return Contents("pickle", tensors_of(first), {}, tuple(first.names))
    found = [look(stream, path) for _ in ("protocol", "system", "value", "storages")]
    names = tuple(dict.fromkeys(name for part in (first, *found) for name in part.names))
    return Contents("torch file before 1.6 (pickle)", tensors_of(found[2]), {}, names)


def tensors_of(pickle: Pickle) -> dict[str, Tensor]:
    """Names, shapes and types of the tensors that a pickle would rebuild, on the meta device."""
    found = ((name, _tensor(value)) for name, value in pieces(pickle.value))
    return {name: tensor for name, tensor in found if tensor is not None}


def _tensor(value: Any) -> Tensor | None:
    if not isinstance(value, Made) or not isinstance(value.arguments, tuple) or not value.arguments:
        return None
    what = str(value.what)
    if what in PARAMETERS:
        return _tensor(value.arguments[0])
    if what not in REBUILDS or len(value.arguments) < 3:
        return None
    stored, shape = value.arguments[0], value.arguments[2]
    if not isinstance(stored, Stored) or not isinstance(shape, tuple) or not all(isinstance(n, int) for n in shape):
        return None
    kind = stored.where[1] if isinstance(stored.where, tuple) and len(stored.where) > 1 else None
    name = kind.name if isinstance(kind, Named) else ""
    return torch.empty(shape, dtype=_STORAGES.get(name, torch.float32), device="meta")


def _allowed() -> frozenset[str]:
    from torch._weights_only_unpickler import _get_allowed_globals

    return frozenset(_get_allowed_globals())


_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
