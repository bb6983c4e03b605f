"""From a recipe's `data` section to a data set in its fixed split: list, decode once, split, keep few labels."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import DataSection
from crosspath.data.cache import Store, cache_root, load_latest, load_or_decode
from crosspath.data.decoding import Progress
from crosspath.data.examples import DataSet
from crosspath.data.generated.sets import generated_store, unread_settings
from crosspath.data.items import DamageError, Reader, remarks_of, without_collector
from crosspath.data.places import data_root
from crosspath.data.shards.remote import is_address
from crosspath.errors import InputError
from crosspath.modalities.split import listed_store, refuse_damaged, split_store
from crosspath.modalities.table import modality_of

OWN = ("folder", "shards")
"""Values of `data.dataset` for files of the user's own."""


def load_data(section: DataSection, root: Path | None, seed: int, progress: Progress | None = None) -> DataSet:
    """The data set that `section` describes, its training part cut to `labels_per_class` by `seed`.

    Parameters
    ----------
    root
        The folder that holds one folder per shipped set; `CROSSPATH_DATA`, else the user's data folder, when not given.
    progress
        Called with (samples decoded, samples in total) while a set is decoded for the first time.

    Raises
    ------
    InputError
        For missing folders, faulty tables, damaged files unless `skip_damaged` skips them, and a part without
        samples.
    """
    if section.memory is not None:
        expected, todo = "the samples that were given in memory", "pass them in Python again: data=(X, y)"
        raise InputError("data", expected, "none", todo)
    modality = modality_of(section)
    if section.dataset in modality.generated:
        store = generated_store(section, modality.generated[section.dataset](section))
        notes = unread_settings(section)
        if root is not None:
            notes.append(f"--data is not read: the samples of {section.dataset} are generated")
    elif section.stream:
        with without_collector():
            store, notes = listed_store(section, reader_of(section).listing(source_folder(section, root))), []
    else:
        store, notes = _decode_or_load(section, root, progress)
    refuse_damaged(section, store, seed)
    return split_store(section, store, seed, notes)


def read_file(section: DataSection, path: Path) -> NDArray[Any]:
    """One file of the user's own as a sample, the way the data set's files are read, without an annotation."""
    return read_with_remarks(section, path)[0]


def read_with_remarks(section: DataSection, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """`read_file`, and what reading did to the sample, such as missing values that it filled.

    Raises
    ------
    InputError
        For a missing or damaged file.
    """
    reader = reader_of(section.unannotated())
    return _readable(section, path, reader.decode_file), remarks_of(reader)


def picture_size(section: DataSection, value: Any) -> tuple[int, int]:
    """Width and height of the picture in a file of the user's own (`str` or `Path`) or in memory, as it is read."""
    reader: Any = reader_of(section)
    size: tuple[int, int] = reader.original_size(value)
    return size


def read_whole(section: DataSection, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """As `read_with_remarks`; of a file whose points or pixels are asked for, all of them. Raises `InputError`."""
    whole = modality_of(section).whole
    if whole is None or not section.annotated:
        return read_with_remarks(section, path)
    return _readable(section, path, whole(section)), ()


def read_windows(section: DataSection, window: float | None, stride: float | None) -> Callable[[Path], NDArray[Any]]:
    """A function from one file of the user's own to its windows (W, ...), each a sample as `read_file` gives it.

    Raises
    ------
    InputError
        For a modality whose files have no windows, and lengths that make none; the function, for a missing or damaged
        file.
    """
    modality = modality_of(section)
    if modality.windows is None:
        expected = "recordings or films, whose files have windows"
        raise InputError("window", expected, section.modality, "leave --window and --stride out")
    read = modality.windows(section, window, stride)
    return lambda path: _readable(section, path, read)


def _readable(section: DataSection, path: Path, read: Callable[[Path], NDArray[Any]]) -> NDArray[Any]:
    """What `read` returns for a file. Raises `InputError` for a missing or damaged one."""
    try:
        return np.ascontiguousarray(read(path), reader_of(section).sample[1])
    except DamageError as damage:
        raise InputError(path, f"a readable {section.modality} file", str(damage), "choose another file") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(path, f"a readable {section.modality} file", reason, "check the path") from None


def reader_of(section: DataSection) -> Reader:
    """The reader of the section's modality. Raises `InputError` for one that no files hold, such as text."""
    modality = modality_of(section)
    if modality.reader is None:
        raise InputError("data.dataset", "a set of files", f"{section.dataset}, which is generated", "name another")
    return modality.reader(section)


def with_absolute_folder(section: DataSection, root: Path | None) -> DataSection:
    """The section with its own `folder` (or `root` if given) as an absolute path, and with what follows from the files
    there; named sets stay as they are.
    """
    section = _located(section, root)
    complete_section: DataSection = modality_of(section).inspect(section)
    return complete_section


def require_source(section: DataSection, root: Path | None) -> None:
    """Raise `InputError` where the user's own data are not named, or nothing is there; reads no file."""
    if section.dataset in OWN:
        source_folder(_located(section, root), root)


def _located(section: DataSection, root: Path | None) -> DataSection:
    folder = section.folder if root is None else root
    if section.dataset not in OWN or folder is None:
        return section
    return section.model_copy(update={"folder": folder.expanduser().resolve()})


def _decode_or_load(section: DataSection, root: Path | None, progress: Progress | None) -> tuple[Store, list[str]]:
    """The samples of the set's files, decoded now or read from the cache; and notes."""
    reader, sets = reader_of(section), modality_of(section).sets
    folder = source_folder(section, root)
    notes: list[str] = []
    cache = cache_root(section.cache_folder)
    files = folder / sets[section.dataset] if section.dataset in sets else folder
    if cache.resolve().is_relative_to(files.resolve()):
        todo = "name another with --set data.cache_folder=DIR or CROSSPATH_CACHE"
        raise InputError("data.cache_folder", "a folder outside the data", str(cache), todo)
    name: str = section.dataset
    if section.dataset not in sets:
        # Folders of the same name at different places are different sets.
        place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
        name = f"{section.modality}-{folder.resolve().name}-{place[:8]}"
    # A folder named explicitly must exist; the default one may be absent if its cache was copied here.
    explicit = section.dataset not in sets or root is not None or "CROSSPATH_DATA" in os.environ
    store = None if files.exists() or explicit else load_latest(cache, name, reader)
    if store is None:
        store = load_or_decode(cache, name, folder, reader, progress)
    else:
        notes.append(f"{folder} is absent: read from the prepared cache")
    return store, notes


def source_folder(section: DataSection, root: Path | None) -> Path:
    """The folder that the section's reader is given: the data root for a shipped set, else the user's own. Raises
    `InputError` where none is named, or nothing is there: what to do inside a folder is no advice then.
    """
    if section.dataset in modality_of(section).sets:
        return data_root(root)
    if section.folder is None and section.dataset == "shards" and is_address(section.train_shards or ""):
        return data_root(root)
    if section.folder is None:
        raise InputError("data.folder", "the folder with your data", "none", "add --data DIR or --set data.folder=DIR")
    folder = section.folder.expanduser()
    if not folder.exists():
        raise InputError(folder, "your data", "nothing there", "check the path that --data or data.folder names")
    return folder
