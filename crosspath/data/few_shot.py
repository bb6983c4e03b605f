"""The few-shot protocol of point clouds: `way` classes with `shot` training and 20 test clouds each, drawn for a fold.

The published folds are pickled files, which are never loaded; these folds are drawn from the same lists under the same
rules. Results are reported as mean and spread over ten folds.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import PointData
from crosspath.data.cache import Store
from crosspath.errors import InputError

STREAM = 0xF5407
HELD_OUT = 20
"""Test clouds of each class, and validation clouds."""


def few_shot(
    section: PointData, store: Store, parts: NDArray[np.str_]
) -> tuple[Store, NDArray[np.str_], tuple[str, ...]]:
    """The set with the classes drawn for `data.fold`, renumbered; each sample's part, empty for unused ones; and notes.

    Training and test clouds come from the set's own training and test parts. The validation part is 20 clouds for each
    class out of the remaining training list. A fold has the same classes, validation and test clouds for every `shot`,
    and the training clouds of a smaller `shot` are among those of a larger one. A class with fewer than 20 test or
    remaining training clouds uses all of them, with a note.

    Raises
    ------
    InputError
        For `way` without `shot` or `shot` without `way`, more ways than classes, and a class with too few clouds.
    """
    way, shot, classes = section.way, section.shot, store.classes
    if way is None or shot is None:
        missing = "data.way" if way is None else "data.shot"
        raise InputError(missing, "both data.way and data.shot", "none", f"set it with --set {missing}=10")
    if way > len(classes):
        raise InputError("data.way", f"at most {len(classes)}, the classes of the data", str(way), "choose fewer")
    class_numbers = np.sort(np.random.default_rng((STREAM, section.fold, way)).choice(len(classes), way, replace=False))
    fold_parts = np.full_like(parts, "")
    notes = []
    for label in class_numbers.tolist():
        generator = np.random.default_rng((STREAM, section.fold, way, label))
        training = generator.permutation(np.flatnonzero((store.labels == label) & (parts != "test")))
        test = generator.permutation(np.flatnonzero((store.labels == label) & (parts == "test")))
        if len(training) <= shot:
            expected = f"fewer than the {len(training)} training clouds of class {classes[label]}"
            raise InputError("data.shot", expected, str(shot), "choose fewer")
        # From the end of the permutation, so that they are the same for every shot.
        validation = training[shot:][-HELD_OUT:]
        fold_parts[training[:shot]], fold_parts[validation], fold_parts[test[:HELD_OUT]] = "train", "val", "test"
        counts = {"validation": len(validation), "test": len(test)}
        notes += [
            f"class {classes[label]} has {count} of {HELD_OUT} {part} clouds"
            for part, count in counts.items()
            if count < HELD_OUT
        ]
    labels = np.searchsorted(class_numbers, store.labels)
    fold = replace(store, classes=tuple(classes[label] for label in class_numbers), labels=labels)
    return fold, fold_parts, tuple(notes)
