"""Which sample belongs to which part: deterministic, disjoint, stratified, and the same for every run."""

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 20240614
"""Of the parts that a set does not name itself. Fixed: `train.seed` must never move a sample between parts."""
LABELS_STREAM = 0x1ABE1


def completed_parts(
    parts: tuple[str | None, ...], labels: NDArray[np.int64], validation_fraction: float, test_fraction: float
) -> NDArray[np.str_]:
    """Every sample's part, with stratified `test` and `val` parts held out of training where the set has none."""
    result = np.array([part or "train" for part in parts], "<U5")
    for name, fraction in (("test", test_fraction), ("val", validation_fraction)):
        if name not in result:
            result[held_out(result == "train", labels, fraction, name)] = name
    return result


def held_out(candidates: NDArray[np.bool_], labels: NDArray[np.int64], fraction: float, name: str) -> NDArray[np.int64]:
    """A stratified part: indices of each class the rounded fraction, one at least where the class has two or more."""
    chosen = [np.zeros(0, np.int64)]
    for label in np.unique(labels[candidates]):
        members = np.flatnonzero(candidates & (labels == label))
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        order = np.random.default_rng((SPLIT_SEED, sum(map(ord, name)), int(label))).permutation(len(members))
        chosen.append(members[order[:count]])
    return np.sort(np.concatenate(chosen))


def few_labels(
    labels: NDArray[np.int64], classes: int, per_class: int, seed: int
) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Indices of `per_class` samples of each class, drawn by `seed`; and {class: size} of those that are smaller."""
    chosen, smaller = [], {}
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            smaller[label] = len(members)
        order = np.random.default_rng((LABELS_STREAM, seed, label)).permutation(len(members))
        chosen.append(members[order[:per_class]])
    return np.sort(np.concatenate(chosen)), smaller
