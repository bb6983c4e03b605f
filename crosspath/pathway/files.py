"""The files of a saved connected model, each written whole or not at all. No pickle.

A folder holds `model.safetensors` (the target alone, plain names), `pathway.safetensors` (λ, and each W' that cannot be
had from elsewhere) and `pathway.json`:

- `format_version`
- `sha256_of_target`, `sha256_of_scales`: of the tensors that belong together; λ and W' mean nothing beside another W
- `auxiliaries`: {name: where it came from, how it was connected, whether its values are stored, their sha256}
- `layers`: {target weight: {name: row segments, axis and runs of λ, the pieces W' was cut from, type, owner of λ, what
  trains}}
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crosspath.pathway.errors import PathwayError

FORMAT_VERSION = 1
TARGET, PATHWAYS, DESCRIPTION = "model.safetensors", "pathway.safetensors", "pathway.json"


def write_whole(path: Path, writer: Callable[[str], Any]) -> None:
    """Write to a temporary name in the same folder, flush to disk, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        writer(str(temporary))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        open_to_readers(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_to_readers(path: Path) -> None:
    """The permissions that the user's other new files get; safetensors makes files for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def read_description(path: Path) -> dict[str, Any]:
    """The description in `pathway.json`. Raises `PathwayError` when there is none, or one of another version."""
    try:
        described: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PathwayError(f"{path}: expected the description of saved pathways, found none ({error})") from None
    if not isinstance(described, dict):
        raise PathwayError(f"{path}: expected the description of saved pathways, found other JSON; save it again")
    if described.get("format_version") != FORMAT_VERSION:
        found = described.get("format_version")
        raise PathwayError(f"{path}: expected format_version {FORMAT_VERSION}, found {found}; use a fitting version")
    return described


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises `PathwayError` for a missing or damaged one."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise PathwayError(f"{path}: expected a safetensors file, found {error}; save it again") from None
