"""From a recipe's `data` section to a data set in its fixed split: list, decode once, split, keep few labels."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import DataSection
from crosspath.data.cache import Store, cache_root, load_latest, load_or_decode
from crosspath.data.decoding import Progress
from crosspath.data.examples import Damaged, DataSet, Examples, Rows
from crosspath.data.generated.sets import generated_store
from crosspath.data.items import DamageError, Reader
from crosspath.data.labels import classes_without_samples, label_array
from crosspath.data.shards.remote import is_address
from crosspath.data.splits import assign_parts, draw_per_class
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.errors import InputError
from crosspath.modalities.table import MODALITIES, modality_of


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
    modality = modality_of(section)
    if section.dataset in modality.generated:
        store = generated_store(section, modality.generated[section.dataset](section))
        notes: list[str] = []
    elif section.stream:
        store, notes = _list_samples(section, root), []
    else:
        store, notes = _decode_or_load(section, root, progress)
        _refuse_damaged(section, store)
    fractions = section.validation_fraction, section.test_fraction
    parts = assign_parts(store.parts, store.labels, *fractions, store.ids)
    store, parts, selection_notes = modality.select(section, store, parts)
    notes += selection_notes
    if section.classes is not None and section.classes != len(store.classes):
        raise InputError(
            "data.classes", str(section.classes), f"{len(store.classes)} in the data", "correct data.classes"
        )
    rows = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}
    _refuse_empty(section, rows)
    fingerprint = _fingerprint(store, parts)
    if section.labels_per_class is not None:
        if store.labels.ndim > 1:
            todo = "leave it out: a sample that several classes share has no class to be counted for"
            raise InputError("data.labels_per_class", "a set with one label a sample", "several", todo)
        selection, smaller = draw_per_class(
            store.labels[rows["train"]], len(store.classes), section.labels_per_class, seed
        )
        rows["train"] = rows["train"][selection]
        per_class = section.labels_per_class
        notes += [f"class {store.classes[label]} has {size} of {per_class} labels" for label, size in smaller.items()]
    else:
        without = classes_without_samples(store.labels[rows["train"]], len(store.classes))
        notes += [f"class {store.classes[label]} has no training sample" for label in without]
    train, validation, test = (_examples(store, rows[part]) for part in ("train", "val", "test"))
    return DataSet(section.modality, store.classes, train, validation, test, store.damaged, fingerprint, tuple(notes))


def read_file(section: DataSection, path: Path) -> NDArray[Any]:
    """One file of the user's own as a sample, the way the data set's files are read.

    Raises
    ------
    InputError
        For a missing or damaged file.
    """
    reader = reader_of(section)
    try:
        return np.ascontiguousarray(reader.decode_file(path), reader.sample[1])
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


def set_folders() -> dict[str, str]:
    """Shipped sets by the value of `data.dataset`, and their folders below the data root."""
    return {name: folder for modality in MODALITIES.values() for name, folder in modality.sets.items()}


def data_root(root: Path | None) -> Path:
    """`root`, else `CROSSPATH_DATA`, else the user's data folder."""
    if root is not None:
        return root
    if "CROSSPATH_DATA" in os.environ:
        return Path(os.environ["CROSSPATH_DATA"])
    from platformdirs import user_data_path

    return user_data_path("crosspath")


def with_absolute_folder(section: DataSection, root: Path | None) -> DataSection:
    """The section with its own `folder` (or `root` if given) as an absolute path; named sets stay as they are."""
    folder = section.folder if root is None else root
    if section.dataset not in ("folder", "shards") or folder is None:
        return section
    return section.model_copy(update={"folder": folder.expanduser().resolve()})


def _decode_or_load(section: DataSection, root: Path | None, progress: Progress | None) -> tuple[Store, list[str]]:
    """The samples of the set's files, decoded now or read from the cache; and notes."""
    reader, sets = reader_of(section), modality_of(section).sets
    folder = _folder(section, root)
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


def _list_samples(section: DataSection, root: Path | None) -> Store:
    """The samples of the set's files, none of them decoded; the digest is that of their names and sizes."""
    reader = reader_of(section)
    listing = reader.listing(_folder(section, root))
    content = [[item.id, item.stamp.partition("-")[0]] for item in listing.items]
    return Store(
        inputs=StreamedSamples(section, reader, listing.items, len(listing.classes), modality_of(section).views),
        labels=label_array([item.label for item in listing.items], len(listing.classes)),
        parts=tuple(item.part for item in listing.items),
        ids=tuple(item.id for item in listing.items),
        classes=listing.classes,
        damaged=tuple(Damaged(path, reason) for path, reason in listing.skipped),
        digest=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    )


def _folder(section: DataSection, root: Path | None) -> Path:
    if section.dataset in modality_of(section).sets:
        return data_root(root)
    if section.folder is None and section.dataset == "shards" and is_address(section.train_shards or ""):
        return data_root(root)
    if section.folder is None:
        raise InputError("data.folder", "the folder with your data", "none", "add --data DIR or --set data.folder=DIR")
    return section.folder.expanduser()


def _refuse_damaged(section: DataSection, store: Store) -> None:
    if not store.damaged or section.skip_damaged:
        return
    first = store.damaged[0]
    more = f" (and {len(store.damaged) - 1} more damaged files)" if len(store.damaged) > 1 else ""
    todo = "restore it, or skip damaged files with --set data.skip_damaged=true"
    raise InputError(first.path, f"a readable {section.modality} file", f"{first.reason}{more}", todo)


def _refuse_empty(section: DataSection, rows: dict[str, NDArray[np.int64]]) -> None:
    for part, members in rows.items():
        if not len(members):
            counts = ", ".join(f"{len(members)} {name}" for name, members in rows.items())
            todo = "add files: a class needs two or more to give one to a part that is held out"
            raise InputError(section.folder or section.dataset, f"samples in the {part} part", counts, todo)


def _examples(store: Store, rows: NDArray[np.int64]) -> Examples:
    samples = store.inputs
    inputs = Rows(samples, rows) if isinstance(samples, np.ndarray) else samples.rows_of(rows)
    return Examples(inputs, store.labels[rows], tuple(store.ids[row] for row in rows))


def _fingerprint(store: Store, parts: NDArray[np.str_]) -> str:
    # Of sets with several labels a sample, a list of all zeros and ones would fill the memory.
    several = store.labels.ndim > 1
    labels = hashlib.sha256(store.labels.data).hexdigest() if several else store.labels.tolist()
    content = [store.digest, store.classes, store.ids, labels, parts.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
