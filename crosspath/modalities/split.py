"""From listed or decoded samples to a data set in its fixed split, and what a split refuses."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import DataSection
from crosspath.counts import first_names, quantity
from crosspath.data.cache import Store
from crosspath.data.class_layout import describe_unread
from crosspath.data.examples import DamagedFile, DataSet, Examples, Rows
from crosspath.data.few_shot import few_shot
from crosspath.data.items import Listing
from crosspath.data.labels import classes_without_samples, label_array, strata_of
from crosspath.data.splits import assign_parts, draw_any, draw_fold, draw_per_class
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.errors import InputError
from crosspath.modalities.table import modality_of

MOST_NAMES = 5
"""Classes named in a note, of many."""


def listed_store(section: DataSection, listing: Listing) -> Store:
    """The samples of a listing, none of them decoded; the digest is that of their names and sizes."""
    modality = modality_of(section)
    assert modality.reader is not None
    content = [[item.id, item.stamp.partition("-")[0]] for item in listing.items]
    return Store(
        inputs=StreamedSamples(section, modality.reader(section), listing.items, len(listing.classes), modality.views),
        labels=label_array([item.label for item in listing.items], len(listing.classes), listing.label_kind),
        parts=tuple(item.part for item in listing.items),
        ids=tuple(item.id for item in listing.items),
        classes=listing.classes,
        damaged_files=tuple(DamagedFile(path, reason) for path, reason in listing.skipped_files),
        digest=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        unread=listing.unread,
        notes=listing.notes,
    )


def split_store(section: DataSection, store: Store, seed: int, notes: Iterable[str] = ()) -> DataSet:
    """The data set in its split, its training part cut to `labels_per_class` by `seed`, or a few-shot episode of it.

    Raises
    ------
    InputError
        For another number of classes than `data.classes`, a part without samples, an episode that cannot be drawn, and
        `labels_per_class` where a sample has several labels.
    """
    notes = [*notes, *store.notes]
    if store.unread:
        notes.append(f"not read: {describe_unread(store.unread)}")
    fractions = section.validation_fraction, section.test_fraction
    _require_kind(section, store)
    parts = assign_parts(store.parts, store.labels, *fractions, store.ids, section.split_seed)
    unread, damaged_files = store.unread, store.damaged_files
    store, parts, selection_notes = modality_of(section).select(section, store, parts)
    notes += selection_notes
    if section.classes is not None and section.classes not in (len(store.classes), section.way):
        raise InputError(
            "data.classes", str(section.classes), f"{len(store.classes)} in the data", "correct data.classes"
        )
    if section.few_shot:
        store, parts, episode_notes = few_shot(section, store, parts)
        notes += episode_notes
    if section.held_out_fold is not None:
        parts, fold_notes = _hold_out_fold(section, section.held_out_fold, store, parts, seed)
        notes += fold_notes
    rows = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}
    _refuse_empty(section, rows)
    fingerprint = _fingerprint(store, parts)
    if section.labels_in_all is not None and section.held_out_fold is None and not section.unlabelled:
        rows["train"] = rows["train"][draw_any(len(rows["train"]), section.labels_in_all, seed)]
    if section.labels_per_class is not None and section.held_out_fold is None and not section.unlabelled:
        _require_class_each(section, store, "data.labels_per_class")
        selection, smaller = draw_per_class(
            strata_of(store.labels[rows["train"]]), len(store.classes), section.labels_per_class, seed
        )
        rows["train"] = rows["train"][selection]
        notes += _smaller_classes(store, smaller, section.labels_per_class)
    else:
        without = classes_without_samples(store.labels[rows["train"]], len(store.classes), section.label_kind)
        if len(without):
            names = first_names([store.classes[label] for label in without], MOST_NAMES)
            notes.append(f"no training sample of class {names}")
    nowhere = classes_without_samples(store.labels[parts != ""], len(store.classes), section.label_kind)
    for part, name in (("val", "validation"), ("test", "test")):
        absent = classes_without_samples(store.labels[rows[part]], len(store.classes), section.label_kind)
        without = np.setdiff1d(absent, nowhere)
        if len(without):
            names = first_names([store.classes[label] for label in without], MOST_NAMES)
            notes.append(f"no {name} sample of class {names}")
    train, validation, test = (_examples(store, rows[part]) for part in ("train", "val", "test"))
    return DataSet(
        section.modality, store.classes, train, validation, test, damaged_files, fingerprint, tuple(notes), dict(unread)
    )


def _hold_out_fold(
    section: DataSection, fold: tuple[int, int], store: Store, parts: NDArray[np.str_], seed: int
) -> tuple[NDArray[np.str_], list[str]]:
    """The parts with one fold of the labelled samples as validation part, and notes; the seed draws labels and folds.

    Raises
    ------
    InputError
        Where there is no such fold, and for `labels_per_class` where samples have no one class each.
    """
    number, folds = fold
    if number >= folds or folds < 2:
        expected = "(k, n) with k from 0 to n - 1, and n of 2 or more"
        raise InputError("data.held_out_fold", expected, str(fold), "correct it")
    rows, notes = np.flatnonzero((parts == "train") | (parts == "val")), []
    if (per_class := section.labels_per_class) is not None:
        _require_class_each(section, store, "data.labels_per_class")
        selection, smaller = draw_per_class(strata_of(store.labels[rows]), len(store.classes), per_class, seed)
        rows = rows[selection]
        notes = _smaller_classes(store, smaller, per_class)
    if section.labels_in_all is not None:
        rows = rows[draw_any(len(rows), section.labels_in_all, seed)]
    result = np.where(parts == "test", "test", np.array("train" if section.unlabelled else "", "<U5"))
    result[rows] = np.where(draw_fold(strata_of(store.labels[rows]), number, folds, seed), "val", "train")
    return result, notes


def _smaller_classes(store: Store, sizes: Mapping[int, int], per_class: int) -> list[str]:
    """A note on classes that have fewer training samples, `sizes`, than are asked for; none without such."""
    if not sizes:
        return []
    names = first_names([f"{store.classes[label]} ({size})" for label, size in sizes.items()], MOST_NAMES)
    return [f"fewer than {quantity(per_class, 'label')} of class {names}, beside what validates and tests"]


def _require_kind(section: DataSection, store: Store) -> None:
    """Raise `InputError` where the set's labels are no numbers or boxes, and the objective needs such."""
    kinds = {("f", 2): "numbers", ("f", 3): "boxes"}
    actual = kinds.get((store.labels.dtype.kind, store.labels.ndim), "classes")
    kind = "classes" if section.label_kind == "dense" else section.label_kind
    if actual == kind:
        return
    where = section.folder or section.dataset
    todo = f"use the recipe {section.modality}/folder with a table of your files, or another objective"
    raise InputError(where, f"labels that are {kind}", actual, todo)


def _require_class_each(section: DataSection, store: Store, setting: str) -> None:
    """Raise `InputError` for a setting that counts samples of each class, where samples have no one class each."""
    if store.labels.ndim > 1 or section.label_kind != "classes":
        found = "several" if store.labels.dtype == np.uint8 else section.label_kind
        todo = "set data.labels_in_all instead, their number in all: such samples have no one class each"
        raise InputError(setting, "a set with one label a sample", found, todo)


def refuse_damaged(section: DataSection, store: Store, seed: int) -> None:
    """Raise `InputError` for damaged files, unless `data.skip_damaged` leaves them out."""
    if not store.damaged_files or section.skip_damaged:
        return
    first = store.damaged_files[0]
    more = f" (and {len(store.damaged_files) - 1} more damaged files)" if len(store.damaged_files) > 1 else ""
    todo = damage_advice(section, store, seed)
    raise InputError(first.path, f"a readable {section.modality} file", f"{first.reason}{more}", todo)


def damage_advice(section: DataSection, store: Store, seed: int) -> str:
    """What to do about damaged files: `data.skip_damaged` is named only where the samples that are left will do.

    `store` holds these samples; of a streamed set, all that are listed.
    """
    try:
        data = split_store(section, replace(store, damaged_files=()), seed)
    except InputError as error:
        return f"restore it: without the damaged files there are too few samples ({error.where}: {error.found})"
    without = classes_without_samples(data.train.labels, len(data.classes), section.label_kind)
    if len(without):
        return f"restore it: without the damaged files class {data.classes[without[0]]} has no training sample"
    return "restore it, or skip damaged files with --set data.skip_damaged=true"


def _refuse_empty(section: DataSection, rows: dict[str, NDArray[np.int64]]) -> None:
    for part, members in rows.items():
        if not len(members):
            counts = ", ".join(f"{len(members)} {name}" for name, members in rows.items())
            todo = "add files: a class needs one for each part that is held out of training, and one to train on"
            raise InputError(section.folder or section.dataset, f"samples in the {part} part", counts, todo)


def _examples(store: Store, rows: NDArray[np.int64]) -> Examples:
    samples = store.inputs
    inputs = Rows(samples, rows) if isinstance(samples, np.ndarray) else samples.rows_of(rows)
    if isinstance(inputs, StreamedSamples) and inputs.classes != len(store.classes):
        inputs = inputs.with_labels(store.labels[rows].tolist(), len(store.classes))
    return Examples(inputs, store.labels[rows], tuple(store.ids[row] for row in rows))


def _fingerprint(store: Store, parts: NDArray[np.str_]) -> str:
    # Of sets with several labels a sample, a list of all zeros and ones would fill the memory.
    several = store.labels.ndim > 1
    labels = hashlib.sha256(store.labels.data).hexdigest() if several else store.labels.tolist()
    content = [store.digest, store.classes, store.ids, labels, parts.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
