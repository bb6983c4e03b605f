"""The one file layer: safetensors and JSON, complete or absent; digests and manifests; pickles refused.

A file is written under a temporary name, flushed to disk and renamed. A manifest with the sha256 of its neighbours is
written last, so that its presence means complete. Weights are read from safetensors only: a format that can run code
when opened is refused by its name and by its bytes.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crosspath.errors import InputError
from crosspath.pickles import refuse_pickle, require_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Shape = TypeVar("Shape")
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SAFETENSORS = ".safetensors"
WINDOWS = os.name == "nt"
WRITING = ".writing-"
"""What the names of temporary folders begin with."""
REWRITE = "the file is damaged: write it again"
LISTED = 3
"""Tensor names that a message lists before it only counts."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise `InputError` where the system refuses to write to `folder` (no permission, no space)."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        todo = "make room or give permission, or choose another folder"
        raise InputError(folder, "a folder that can be written", found, todo) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to; flushed and renamed when the block ends without an error."""
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
    """A temporary folder; its files are flushed and moved into `folder` when the block ends without an error."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=WRITING, dir=folder))
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
    for path in [*folder.rglob(".*.writing"), *folder.rglob(".*.tmp"), *folder.rglob(f"{WRITING}*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def open_to_readers(path: Path) -> None:
    """Give a file the permissions of the user's other new files; safetensors makes files for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def flush(path: Path) -> None:
    """Wait until the file or folder is on the disk. Windows opens no folder, and flushes only what may be written."""
    if WINDOWS and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write text, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def finite(value: Any) -> Any:
    """Nested plain data with None in place of infinities and NaN, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_finite(value: Any) -> bool:
    """Whether nested plain data holds no infinity and no NaN."""
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def write_json(path: Path, value: object) -> None:
    """Write JSON (NaN and infinity refused: they are not JSON), completely or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, todo: str = REWRITE) -> dict[str, Any]:
    """The object in a JSON file. Raises `InputError` for a missing, unreadable or faulty one; `todo` says what to do
    about the last.
    """
    require_file(path, "a JSON file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "a JSON file", error.strerror or "none", "check the path") from None
    except (ValueError, RecursionError):
        refuse_pickle(path)
        raise InputError(path, "JSON", "text that is not", todo) from None
    if not isinstance(value, dict):
        raise InputError(path, "a JSON object", type(value).__name__, todo)
    return value


def read_json_as(path: Path, kind: type[Shape], todo: str = REWRITE) -> Shape:
    """The object in a JSON file as a dataclass, or as a mapping such as `dict[str, float]`.

    Raises
    ------
    InputError
        As `read_json`, for a value of another type, with its place, for names that are missing or unknown, and for
        numbers that are not finite.
    """
    return as_kind(read_json(path, todo), kind, path, todo)


def as_kind(value: Any, kind: type[Shape], where: object, todo: str = REWRITE) -> Shape:
    """A JSON value as a dataclass or a mapping of typed values. Raises `InputError` as `read_json_as` does, with this
    advice.
    """
    from pydantic import ValidationError

    if not is_finite(value):
        raise InputError(where, "finite numbers", "infinity or NaN", todo)
    if is_dataclass(kind) and isinstance(value, dict):
        unknown = [name for name in value if name not in {entry.name for entry in fields(kind)}]
        if unknown:
            raise InputError(where, f"the names of a {kind.__name__.lower()}", repr(unknown[0]), todo)
    try:
        typed: Shape = _adapter(cast(Hashable, kind)).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the value"
        raise InputError(where, f"{place}: {fault['msg']}", repr(fault["input"])[:80], todo) from None
    return typed


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def remove_complete(folder: Path) -> None:
    """Remove a folder with a manifest, the manifest first: whenever that is interrupted, what is left counts as
    incomplete.
    """
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


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
    return [f"{kind}: {_first(names)}" for kind, names in kinds if names]


def sha256_of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """A digest of names, types, shapes and values, in the order given."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Record the sha256 of every file of the folder's content; written last of all."""
    files = {name: sha256_of_file(folder / name) for name in sorted(names)}
    write_json(folder / MANIFEST, {"format_version": FORMAT_VERSION, "files": files})


def check_manifest(folder: Path) -> None:
    """Raise `InputError` when a file that the manifest names is missing or has changed; no manifest, no check."""
    if (folder / MANIFEST).is_file():
        for name, sha256 in _manifest_files(folder).items():
            _check_file(folder / name, sha256)


def check_beside_manifest(path: Path, *others: str) -> None:
    """As `check_manifest`, of one file and of those `others` beside it that a manifest there names."""
    folder = path.parent
    if (folder / MANIFEST).is_file() and "files" in read_json(folder / MANIFEST):
        digests = _manifest_files(folder)
        for name in (path.name, *others):
            if name in digests:
                _check_file(folder / name, digests[name])


def _manifest_files(folder: Path) -> dict[str, str]:
    """{name: sha256} of the files that the manifest in `folder` names."""
    manifest = read_json(folder / MANIFEST)
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(folder / MANIFEST, f"format_version {FORMAT_VERSION}", repr(version), "update crosspath")
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise InputError(folder / MANIFEST, "`files` and their sha256", "none", "copy the folder again")
    for name in files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            todo = "ask for a complete folder from where it comes"
            raise InputError(folder / MANIFEST, "names of files in its folder", repr(name), todo)
    return files


def _check_file(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise InputError(path, "the file that manifest.json names", "none", "copy the folder again")
    if path.suffix == SAFETENSORS:
        refuse_pickle(path)
    if sha256_of_file(path) != sha256:
        raise InputError(path, "the bytes that manifest.json names", "others", "copy the folder again")


def new_folder(path: Path, option: str, beside: Collection[str] = ()) -> None:
    """Raise `InputError` unless `path` is an empty folder but for files named `beside` and what a killed process left
    half-written, or missing and can be made and written to.
    """
    if path.exists() and not (path.is_dir() and all(_is_nothing(file, beside) for file in path.iterdir())):
        found = "one with files in it" if path.is_dir() else "a file"
        raise InputError(path, "a new or empty folder", found, f"choose another {option}")
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        found = f"{nearest}, " + ("which cannot be written" if nearest.is_dir() else "which is a file")
        raise InputError(path, "a folder that can be made", found, f"choose another {option}")


def _is_nothing(file: Path, beside: Collection[str]) -> bool:
    return file.name in beside or file.name.startswith(WRITING)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
