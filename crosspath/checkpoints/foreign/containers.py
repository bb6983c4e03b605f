"""What a file is, read without executing or trusting anything in it: its container, its tensors' names and shapes, and
what loading it would look up.
"""

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from crosspath.checkpoints.foreign.danger import is_dangerous
from crosspath.checkpoints.foreign.leaves import leaves
from crosspath.checkpoints.foreign.opcodes import MOST_OPCODES, Call, Global, PersistentId, Pickle, read_pickle
from crosspath.checkpoints.foreign.tensor_types import PICKLED_TYPES, SAFETENSORS_TYPES
from crosspath.errors import InputError
from crosspath.limits import PICKLE_BYTES
from crosspath.pickles import ZIP, is_pickle

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of a file that torch wrote before release 1.6."""
REBUILDS = {f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3")}
PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
NUMBERS = re.compile(r"[^/]+/data/\d+")
"""Entries of a torch zip that hold a tensor's numbers."""


@dataclass(frozen=True)
class Contents:
    """What a file holds, read without unpickling it."""

    container: str
    """Such as `safetensors` or `torch zip (pickle)`."""
    tensors: dict[str, Tensor]
    """On the meta device: shapes and types without numbers."""
    metadata: dict[str, str]
    """Of a safetensors file."""
    names: tuple[Global, ...] = ()
    """Classes and functions that unpickling would look up."""

    @property
    def is_pickle(self) -> bool:
        """Whether loading it means unpickling."""
        return "pickle" in self.container

    @property
    def beyond_weights(self) -> tuple[Global, ...]:
        """Those that torch's restricted unpickler (`weights_only=True`) refuses to look up."""
        return tuple(name for name in self.names if str(name) not in _allowed_globals())

    @property
    def dangerous(self) -> tuple[Global, ...]:
        """Those that can run code, write files or reach the network."""
        return tuple(name for name in self.beyond_weights if is_dangerous(name))


def read_contents(path: Path) -> Contents:
    """Read what a file holds.

    Raises
    ------
    InputError
        For a file that is missing, damaged, or neither safetensors nor a pickle.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(path, "a checkpoint file", error.strerror or "none", "check the path") from None
    if not head:
        raise InputError(path, "a checkpoint file", "an empty one", "copy it again")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(path, "a checkpoint file", "a pointer to one", "fetch it: `git lfs pull`")
    if head.startswith(ZIP):
        return _read_zip(path)
    if head[257:262] == b"ustar":
        todo = "load and save it with a torch release between 0.4 and 1.5 first"
        raise InputError(path, "safetensors or a pickle of torch 0.2 or later", "the tar of older ones, a pickle", todo)
    if is_pickle(path):
        with path.open("rb") as stream:
            return _read_stream(stream, path)
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {
                name: (part.get_shape(), SAFETENSORS_TYPES.get(part.get_dtype())) for name, part in slices.items()
            }
            types = sorted({part.get_dtype() for part in slices.values()} - SAFETENSORS_TYPES.keys())
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise InputError(path, "a safetensors file or a pickle", f"neither ({error})", "copy it again") from None
    if types:
        raise InputError(path, "tensors of types that torch has", ", ".join(types), "save it unquantised")
    tensors = {name: torch.empty(shape, dtype=dtype, device="meta") for name, (shape, dtype) in shapes.items()}
    return Contents("safetensors", tensors, metadata)


def _read_zip(path: Path) -> Contents:
    names: dict[Global, None] = {}
    weights: Pickle | None = None
    opcodes = pickled_bytes = 0
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.namelist()
            for entry in archive.infolist():  # not by name: two may have the same
                if NUMBERS.fullmatch(entry.filename):
                    continue
                with archive.open(entry) as stream:
                    is_pickled = entry.filename.endswith((".pkl", ".pickle")) or stream.read(1) == b"\x80"
                if not is_pickled:
                    continue
                pickled_bytes += entry.file_size
                reason = PICKLE_BYTES.excess(pickled_bytes)
                if reason is not None:
                    raise InputError(path, "a zip of weights", reason, "do not open it unless you trust its maker")
                pickle = read_pickle(archive.read(entry), f"{path} {entry.filename}", MOST_OPCODES - opcodes)
                opcodes += pickle.opcodes
                names |= dict.fromkeys(pickle.names)
                # Of all others only the names are kept.
                if weights is None and entry.filename.rpartition("/")[2] == "data.pkl":
                    weights = pickle
    except InputError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise InputError(path, "a complete zip archive", f"damage ({error})", "copy it again") from None
    if any("/code/" in f"/{entry}" or entry.endswith("constants.pkl") for entry in entries):
        return Contents("TorchScript program (zip with pickle)", {}, {}, tuple(names))
    if weights is None and not opcodes:
        raise InputError(path, "a safetensors file or a pickle", "a zip without a pickle", "name the file of weights")
    if weights is None:
        return Contents("zip with pickle", {}, {}, tuple(names))
    return Contents("torch zip (pickle)", tensors_of(weights, path), {}, tuple(names))


def _read_stream(stream: BinaryIO, path: Path) -> Contents:
    first = read_pickle(stream, path)
    if first.value != TORCH_MAGIC:
        return Contents("pickle", tensors_of(first, path), {}, first.names)
    protocol, system, weights, storages = (read_pickle(stream, path) for _ in range(4))
    names = _names(first, protocol, system, weights, storages)
    return Contents("torch file before 1.6 (pickle)", tensors_of(weights, path), {}, names)


def _names(*pickles: Pickle) -> tuple[Global, ...]:
    return tuple(dict.fromkeys(name for pickle in pickles for name in pickle.names))


def tensors_of(pickle: Pickle, where: object) -> dict[str, Tensor]:
    """Names, shapes and types of the tensors that a pickle would rebuild, on the meta device.

    Raises
    ------
    InputError
        For more values, or deeper ones, than a checkpoint has.
    """
    try:
        tensors = {name: _tensor(value) for name, value in leaves(pickle.value)}
    except OverflowError as error:
        raise InputError(where, "a pickle of a checkpoint", str(error), "do not open it") from None
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _tensor(value: Any) -> Tensor | None:
    while isinstance(value, Call) and _name(value.function) in PARAMETERS and isinstance(value.arguments, tuple):
        value = value.arguments[0] if value.arguments else None
    if not isinstance(value, Call) or not isinstance(value.arguments, tuple) or len(value.arguments) < 3:
        return None
    storage, shape = value.arguments[0], value.arguments[2]
    if _name(value.function) not in REBUILDS or not isinstance(storage, PersistentId) or not isinstance(shape, tuple):
        return None
    kind = storage.value[1] if isinstance(storage.value, tuple) and len(storage.value) > 1 else None
    types = [part.name for part in (*value.arguments[3:], kind) if isinstance(part, Global)]
    dtype = next((PICKLED_TYPES[name] for name in types if name in PICKLED_TYPES), torch.float32)
    try:
        return torch.empty(shape, dtype=dtype, device="meta")
    except (RuntimeError, TypeError, ValueError, OverflowError):
        return None


def _name(function: Any) -> str | None:
    """Of anything else than a name the text may be endless: calls of calls, each holding the one before twice."""
    return str(function) if isinstance(function, Global) else None


def _allowed_globals() -> frozenset[str]:
    from torch._weights_only_unpickler import _get_allowed_globals

    return frozenset(_get_allowed_globals())
