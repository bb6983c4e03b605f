"""Few-shot episodes: `way` classes with `shot` training and `query` test samples each, drawn for a fold.

The protocol is that of ModelNet40, whose published folds are pickled files, which are never loaded; these folds are
drawn from the same lists under the same rules. Results are reported as mean and spread over ten folds.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import DataSection
from crosspath.counts import first_names
from crosspath.data.cache import Store
from crosspath.errors import InputError

STREAM = 0xF5407
QUERY = 20
"""Test samples of each class, and validation samples, where `data.query` does not say."""
FOLDS = 10
MOST_NAMES = 5
"""Classes named in a note, of many."""


def few_shot_folds() -> Mapping[int, Mapping[str, int]]:
    """The `data` settings of each published fold, by its number from 0."""
    return {fold: {"fold": fold} for fold in range(FOLDS)}


def few_shot(
    section: DataSection, store: Store, parts: NDArray[np.str_]
) -> tuple[Store, NDArray[np.str_], tuple[str, ...]]:
    """The set with the classes drawn for `data.fold`, renumbered; each sample's part, empty for unused ones; and notes.

    Training and test samples come from the set's own training and test parts. The validation part is `data.query`
    samples of each class out of the remaining training list. A fold has the same classes, validation and test samples
    for every `shot`, and the training samples of a smaller `shot` are among those of a larger one. A class with fewer
    remaining training samples, or with fewer test samples where `data.query` is not given, uses all of them, with a
    note.

    Raises
    ------
    InputError
        For samples with several labels, settings that `require_one_draw` refuses, more ways than classes, and a set
        in which any class, drawn or not, has too few samples: all folds can be drawn, or none.
    """
    section.require_one_draw()
    way, shot, query, classes = section.way, section.shot, section.query or QUERY, store.classes
    assert way is not None
    assert shot is not None
    if store.labels.ndim > 1 or section.label_kind != "classes":
        todo = "leave data.way and data.shot out: such samples have no class to be drawn from"
        found = "several" if section.label_kind == "classes" else section.label_kind
        raise InputError("data.way", "a set with one label a sample", found, todo)
    if way > len(classes):
        raise InputError("data.way", f"at most {len(classes)}, the classes of the data", str(way), "choose fewer")
    _require_samples(section, store, parts, shot)
    class_numbers = np.sort(np.random.default_rng((STREAM, section.fold, way)).choice(len(classes), way, replace=False))
    fold_parts = np.full_like(parts, "")
    smaller: dict[str, list[str]] = {"validation": [], "test": []}
    for label in class_numbers.tolist():
        generator = np.random.default_rng((STREAM, section.fold, way, label))
        training = generator.permutation(np.flatnonzero((store.labels == label) & (parts != "test")))
        test = generator.permutation(np.flatnonzero((store.labels == label) & (parts == "test")))[:query]
        # From the end of the permutation, so that they are the same for every shot.
        validation = training[shot:][-query:]
        fold_parts[training[:shot]], fold_parts[validation], fold_parts[test] = "train", "val", "test"
        for part, rows in (("validation", validation), ("test", test)):
            if len(rows) < query:
                smaller[part].append(f"{len(rows)} of class {classes[label]}")
    notes = tuple(_smaller_note(part, query, counts) for part, counts in smaller.items() if counts)
    labels = np.searchsorted(class_numbers, store.labels)
    fold = replace(store, classes=tuple(classes[label] for label in class_numbers), labels=labels)
    return fold, fold_parts, notes


def _require_samples(section: DataSection, store: Store, parts: NDArray[np.str_], shot: int) -> None:
    """Raise `InputError` where the smallest class has too few samples for an episode."""
    training, test = (
        np.bincount(store.labels[rows], minlength=len(store.classes)) for rows in (parts != "test", parts == "test")
    )
    label = int(training.argmin())
    if training[label] <= shot:
        expected = f"fewer than the {training[label]} training samples of class {store.classes[label]}"
        todo = "choose fewer" if training[label] > 1 else "add samples of it, or leave the class out of the data"
        raise InputError("data.shot", expected, f"{shot}{_more(training <= shot)}", todo)
    label = int(test.argmin())
    if not test[label]:
        todo = "add test samples of it, or leave the class out of the data"
        raise InputError("data.query", "test samples of every class", f"none of class {store.classes[label]}", todo)
    if section.query is not None and test[label] < section.query:
        expected = f"at most the {test[label]} test samples of class {store.classes[label]}"
        raise InputError("data.query", expected, f"{section.query}{_more(test < section.query)}", "choose fewer")


def _more(too_small: NDArray[np.bool_]) -> str:
    count = int(too_small.sum())
    return f", too many for {count} classes" if count > 1 else ""


def _smaller_note(part: str, query: int, counts: list[str]) -> str:
    return f"fewer than {query} {part} samples: {first_names(counts, MOST_NAMES)}"
