"""Decode once: the samples of a set as one memory-mapped array in the user's cache folder, never in the data folder.

An entry is a folder with `inputs.npy` and, written last, `manifest.json`. Its name contains a digest of the reader's
settings and of every file's name, size and time, so any change makes a new entry. Training from an entry needs no media
library. What is read is what was written: a process reads the digests of samples and manifest when it first opens an
entry, and one that differs is decoded again.
"""

import hashlib
import json
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crosspath.data.decoding import Progress, decode_items
from crosspath.data.examples import DamagedFile, Labels, Samples
from crosspath.data.items import Item, Listing, Reader, place_of, remarks_of, without_collector
from crosspath.data.labels import label_array
from crosspath.errors import InputError
from crosspath.files import flush, write_text
from crosspath.limits import changed_limits

FORMAT_VERSION = 6
"""Also raised where files are decoded by another rule than before, so that no entry of the former rule is used."""


@dataclass(frozen=True)
class Store:
    """A decoded set: one row for each sample, before it is split."""

    inputs: Samples | NDArray[Any]
    """(N, sample shape), memory-mapped or streamed."""
    labels: Labels
    parts: tuple[str | None, ...]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    damaged_files: tuple[DamagedFile, ...]
    digest: str
    """sha256 of the decoded samples."""
    unread: tuple[tuple[str, int], ...] = ()
    """As `Listing.unread`."""
    notes: tuple[str, ...] = ()
    """As `Listing.notes`."""


def cache_root(folder: Path | None) -> Path:
    """`folder`, else `CROSSPATH_CACHE`, else the user's cache folder."""
    if folder is not None:
        return folder
    if "CROSSPATH_CACHE" in os.environ:
        return Path(os.environ["CROSSPATH_CACHE"])
    from platformdirs import user_cache_path

    return user_cache_path("crosspath")


def load_or_decode(root: Path, dataset: str, folder: Path, reader: Reader, progress: Progress | None) -> Store:
    """The decoded set at `folder`, from its entry if that is complete, else decoded now.

    Damaged files are skipped and listed in `Store.damaged_files`; the caller decides whether they are an error. An
    entry that does not hold what was written is decoded again, with a note.

    Raises
    ------
    InputError
        As the reader's listing does, and when the cache folder cannot be written.
    """
    with without_collector():
        sources = reader.sources(folder)
        listing = reader.listing(folder) if sources is None else None
        key = _key(dataset, _listing_fields(listing) if listing is not None else sources, reader)
        entry = root / f"{dataset}-{key[:20]}"
        store = _read(entry, key)
    notes: tuple[str, ...] = ()
    if store is None:
        if entry.exists():
            notes = (f"cache entry {entry.name} did not hold what was written there: decoded again",)
        listing = listing or reader.listing(folder)
        try:
            root.mkdir(parents=True, exist_ok=True)
            _write(entry, key, listing, reader, progress)
        except OSError as error:
            reason = error.strerror or str(error)
            todo = "choose another with --set data.cache_folder=DIR or CROSSPATH_CACHE"
            raise InputError(root, "a writable cache folder with free space", reason, todo) from None
        store = _read(entry, key)
        assert store is not None, entry
    _write_pointer(root, dataset, reader, entry.name)
    if listing is None:
        return store
    return replace(store, unread=listing.unread, notes=(*notes, *listing.notes, *store.notes))


def load_latest(root: Path, dataset: str, reader: Reader) -> Store | None:
    """The entry used last for this set and these settings, for a machine that has the cache but not the files.

    Raises `InputError` where the entry does not hold what was written: nothing is left to decode it from.
    """
    try:
        name = json.loads(_pointer(root, dataset, reader).read_text(encoding="utf-8"))["entry"]
        entry = root / Path(name).name  # a pointer leads to its neighbours only
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    store = _read(entry, None)
    if store is None and entry.exists():
        raise InputError(entry, "the samples that were written there", "others", "copy the cache or the data again")
    return store


def _listing_fields(listing: Listing) -> list[Any]:
    items = [[item.id, item.label, item.part, item.inside, item.stamp, item.path.name] for item in listing.items]
    missing = [path.name for path, _ in listing.skipped_files]
    return [listing.classes, items, *([missing] if missing else [])]


def _key(dataset: str, fields: Any, reader: Reader) -> str:
    # Under other limits other files are left out.
    limits = changed_limits()
    text = json.dumps([FORMAT_VERSION, dataset, reader.settings, fields, *([limits] if limits else [])])
    return hashlib.sha256(text.encode()).hexdigest()


def _read(entry: Path, key: str | None) -> Store | None:
    """The entry, or None if it is absent, incomplete, damaged or has another key."""
    try:
        manifest = json.loads((entry / "manifest.json").read_text(encoding="utf-8"))
        if manifest["format_version"] != FORMAT_VERSION or manifest["key"] != (key or manifest["key"]):
            return None
        if manifest.pop("sha256") != _digest_of_manifest(manifest):
            return None
        # An empty file cannot be memory-mapped; it occurs when nothing could be decoded.
        mode: Literal["r"] | None = "r" if manifest["ids"] else None
        samples: NDArray[Any] = np.load(entry / "inputs.npy", mmap_mode=mode, allow_pickle=False)
        store = Store(
            inputs=samples,
            labels=label_array(manifest["labels"], len(manifest["classes"]), manifest.get("label_kind", "classes")),
            parts=tuple(manifest["parts"]),
            ids=tuple(manifest["ids"]),
            classes=tuple(manifest["classes"]),
            damaged_files=tuple(DamagedFile(Path(path), reason) for path, reason in manifest["damaged"]),
            digest=manifest["digest"],
            notes=tuple(manifest.get("notes", ())),
        )
        shape = (len(store.ids), *manifest["shape"])
        if samples.shape != shape or samples.dtype != np.dtype(manifest["dtype"]):
            return None
        if _digest_of_samples(entry / "inputs.npy", samples.nbytes, *_state(entry / "inputs.npy")) != store.digest:
            return None
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return store if len(store.labels) == len(store.parts) == len(store.ids) else None


def _digest_of_manifest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=256)
def _digest_of_samples(path: Path, size: int, *state: int) -> str:
    """sha256 of the last `size` bytes, which follow the header; `state` differs once the file has changed."""
    with path.open("rb") as file:
        file.seek(-size, os.SEEK_END)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(entry: Path, key: str, listing: Listing, reader: Reader, progress: Progress | None) -> None:
    """Decodes everything under a temporary name, then renames it; of two writers the first one's entry stays."""
    temporary = entry.with_name(f".{entry.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        readable, damaged_files, digest = _decode(temporary / "inputs.npy", listing.items, reader, progress)
        shape, dtype = reader.sample
        manifest = {
            "format_version": FORMAT_VERSION,
            "key": key,
            "digest": digest,
            "classes": listing.classes,
            "settings": reader.settings,
            "damaged": [[str(path), reason] for path, reason in (*listing.skipped_files, *damaged_files)],
            "ids": [item.id for item in readable],
            "labels": [item.label for item in readable],
            **({} if listing.label_kind == "classes" else {"label_kind": listing.label_kind}),
            "parts": [item.part for item in readable],
            "shape": list(shape),
            "dtype": dtype.str,
            **({"notes": remarks} if (remarks := remarks_of(reader)) else {}),
        }
        # From the text, since JSON keeps no tuples.
        manifest = json.loads(json.dumps(manifest))
        manifest["sha256"] = _digest_of_manifest(manifest)
        (temporary / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        flush(temporary / "manifest.json")
        if _read(entry, key) is None:
            shutil.rmtree(entry, ignore_errors=True)
            try:
                temporary.rename(entry)
            except OSError:
                if not entry.is_dir():
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _decode(
    path: Path, items: tuple[Item, ...], reader: Reader, progress: Progress | None
) -> tuple[list[Item], list[tuple[Path, str]], str]:
    """Writes all readable samples to `path`; returns their items, the damaged files, and the digest of the samples."""
    shape, dtype = reader.sample
    digest = hashlib.sha256()
    readable: list[Item] = []
    damaged_files: list[tuple[Path, str]] = []
    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        for item, result in decode_items(reader, items, progress):
            if isinstance(result, str):
                damaged_files.append((place_of(item), result))
                continue
            sample = np.ascontiguousarray(result, dtype)
            if sample.shape != shape:
                damaged_files.append((place_of(item), f"expected an array of shape {shape}, found {sample.shape}"))
                continue
            file.write(sample.data)
            digest.update(sample.data)
            readable.append(item)
    # A .npy file begins with the number of rows, which is known only now.
    with path.open("wb") as file, raw.open("rb") as samples:
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (len(readable), *shape),
        }
        np.lib.format.write_array_header_2_0(file, header)
        shutil.copyfileobj(samples, file, 1 << 22)
    flush(path)
    raw.unlink()
    return readable, damaged_files, digest.hexdigest()


def _pointer(root: Path, dataset: str, reader: Reader) -> Path:
    settings = hashlib.sha256(json.dumps(reader.settings, sort_keys=True).encode()).hexdigest()
    return root / f"{dataset}-latest-{settings[:12]}.json"


def _write_pointer(root: Path, dataset: str, reader: Reader, entry: str) -> None:
    pointer = _pointer(root, dataset, reader)
    text = json.dumps({"entry": entry})
    if pointer.is_file() and pointer.read_text(encoding="utf-8") == text:
        return
    with suppress(InputError):  # a read-only cache works without the pointer
        write_text(pointer, text)
