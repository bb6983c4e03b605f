"""Files that are either whole or absent: safetensors and JSON written under a temporary name, flushed, renamed.

A manifest with the sha256 of its neighbours is written last, so that its presence means complete. Only safetensors
are ever read as weights: formats that can execute code when opened are refused by name and by content.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crosspath.errors import InputError
from crosspath.pathway.files import open_to_readers
from crosspath.pathway.pickles import misnamed, pickle_sign
from crosspath.pathway.sources import sha256_of_file

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SAFETENSORS = ".safetensors"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says while the block writes to `folder` (no permission, no space) into an `InputError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        todo = "make room or give permission, or choose another folder"
        raise InputError(folder, "a folder that can be written", found, todo) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to; flushed to disk and renamed to `path` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.writing")
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            flush(temporary)
            open_to_readers(temporary)
            temporary.replace(path)
            flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A temporary folder; its files are flushed and moved into `folder` when the block ends well."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        try:
            yield temporary
            written = sorted(temporary.iterdir())
            for file in written:
                flush(file)
            for file in written:
                open_to_readers(file)
                file.replace(folder / file.name)
            flush(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder` and below it."""
    for left in [*folder.rglob(".*.writing"), *folder.rglob(".*.tmp"), *folder.rglob(".writing-*")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write text, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def finite(value: Any) -> Any:
    """Nested plain data with infinities and NaN, which JSON has no word for, as None."""
    if isinstance(value, Mapping):
        return {key: finite(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inside) for inside in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: object) -> None:
    """Write JSON (NaN and infinity refused: they are not JSON), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `InputError` for a missing, unreadable or faulty one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "a JSON file", error.strerror or "none", "check the path") from None
    except ValueError:
        refuse_pickle(path)
        raise InputError(path, "JSON", "text that is not", "the file is damaged: write it again") from None
    if not isinstance(value, dict):
        raise InputError(path, "a JSON object", type(value).__name__, "the file is damaged: write it again")
    return value


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(whole, temporary, metadata={"format": "pt", **metadata})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (copied into memory) and metadata of a safetensors file.

    Raises
    ------
    InputError
        For a missing file, one in a pickle format or under a pickle's name, and one that is damaged or cut short.
    """
    refuse_pickle(path)
    return read_safetensors(path)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `read_tensors`, whatever the file is called. It is read as safetensors, and never as anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except OSError as error:
        raise InputError(path, "a safetensors file", error.strerror or "none", "check the path") from None
    except SafetensorError as error:
        raise InputError(path, "a whole safetensors file", f"damage ({error})", "copy or write it again") from None


def refuse_pickle(path: Path) -> None:
    """Raise `InputError` for a file whose bytes or name say pickle, without opening it as one."""
    if misnamed(path):
        found = f"the name of a pickle ({path.suffix}) on safetensors"
        raise InputError(path, "a .safetensors file", found, "rename it to .safetensors")
    sign = pickle_sign(path)
    if sign is not None:
        raise InputError(
            path,
            "a safetensors file",
            f"a pickle ({sign}), which can run code when opened",
            "look at it with `crosspath inspect` and translate it with `crosspath convert`",
        )


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Say, last of all, which files make up the folder's content and what their bytes are."""
    files = {name: sha256_of_file(folder / name) for name in sorted(names)}
    write_json(folder / MANIFEST, {"format_version": FORMAT_VERSION, "files": files})


def check_manifest(folder: Path) -> None:
    """Raise `InputError` when a file that the manifest names is missing or has changed; no manifest, no check."""
    if not (folder / MANIFEST).is_file():
        return
    manifest = read_json(folder / MANIFEST)
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(folder / MANIFEST, f"format_version {FORMAT_VERSION}", repr(version), "update crosspath")
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise InputError(folder / MANIFEST, "`files` and their sha256", "none", "copy the folder again")
    for name, sha256 in files.items():
        if not (folder / name).is_file():
            raise InputError(folder / name, "the file that manifest.json names", "none", "copy the folder again")
        if Path(name).suffix == SAFETENSORS:
            refuse_pickle(folder / name)
        if sha256_of_file(folder / name) != sha256:
            raise InputError(folder / name, "the bytes that manifest.json names", "others", "copy the folder again")


def new_folder(path: Path, option: str) -> None:
    """Raise `InputError` unless `path` is an empty folder, or missing and can be made and written to."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        found = "one with files in it" if path.is_dir() else "a file"
        raise InputError(path, "a new or empty folder", found, f"choose another {option}")
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        found = f"{nearest}, " + ("which cannot be written" if nearest.is_dir() else "which is a file")
        raise InputError(path, "a folder that can be made", found, f"choose another {option}")
