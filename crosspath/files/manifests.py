"""Manifests: the sha256 of the files of a folder, written last, so that their presence means complete."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from crosspath.errors import InputError
from crosspath.files.plain_data import FORMAT_VERSION, read_json, write_json
from crosspath.files.tensors import SAFETENSORS
from crosspath.pickles import refuse_pickle

MANIFEST = "manifest.json"


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


def remove_complete(folder: Path) -> None:
    """Remove a folder with a manifest, the manifest first: whenever that is interrupted, what is left counts as
    incomplete.
    """
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def sha256_of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
