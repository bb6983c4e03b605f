"""The few-shot protocol of point clouds: `way` classes with `shot` training and 20 test clouds each, drawn for a fold.

The published folds are pickled files, which are never read: these are draws of our own from the same lists, under the
same rules. Results are told as mean and spread over the ten folds.
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
    """The set with the classes that `data.fold` draws, numbered anew; each sample's part, empty for those left out; and
    notes.

    Training and test clouds come from the set's own training and test parts. With so few training clouds none can be
    spared: the validation part, by which choices are made so that test is read once, is drawn like the test part, 20
    clouds a class, from what the training list still holds of the same classes. A fold has the same classes, validation
    and test clouds for every `shot`, and its 10 training clouds are among its 20. A class with fewer than 20 test or
    spare training clouds gives all it has, and a note says so.

    Raises
    ------
    InputError
        For `way` without `shot` or the other way round, more ways than classes, and a class with too few clouds.
    """
    way, shot, classes = section.way, section.shot, store.classes
    if way is None or shot is None:
        missing = "data.way" if way is None else "data.shot"
        raise InputError(missing, "both data.way and data.shot", "none", f"name it with --set {missing}=10")
    if way > len(classes):
        raise InputError("data.way", f"at most {len(classes)}, the classes of the data", str(way), "ask for fewer")
    drawn = np.sort(np.random.default_rng((STREAM, section.fold, way)).choice(len(classes), way, replace=False))
    found = np.full_like(parts, "")
    notes = []
    for label in drawn.tolist():
        generator = np.random.default_rng((STREAM, section.fold, way, label))
        trained = generator.permutation(np.flatnonzero((store.labels == label) & (parts != "test")))
        tested = generator.permutation(np.flatnonzero((store.labels == label) & (parts == "test")))
        if len(trained) <= shot:
            expected = f"fewer than the {len(trained)} training clouds of class {classes[label]}"
            raise InputError("data.shot", expected, str(shot), "ask for fewer")
        # From the far end of the draw, where they are the same for every shot.
        spare = trained[shot:][-HELD_OUT:]
        found[trained[:shot]], found[spare], found[tested[:HELD_OUT]] = "train", "val", "test"
        counts = {"validation": len(spare), "test": len(tested)}
        notes += [
            f"class {classes[label]} has {count} of {HELD_OUT} {part} clouds"
            for part, count in counts.items()
            if count < HELD_OUT
        ]
    labels = np.searchsorted(drawn, store.labels)
    return replace(store, classes=tuple(classes[label] for label in drawn), labels=labels), found, tuple(notes)
