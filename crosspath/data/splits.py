"""Assigns samples to parts: deterministic, disjoint, stratified, and the same for every run."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crosspath.data.examples import Labels

SPLIT_SEED = 20240614
"""Of the parts that a set does not define itself. Fixed: `train.seed` must never move a sample between parts."""
LABELS_STREAM = 0x1ABE1
FOLDS_STREAM = 0xF01D5


def assign_parts(
    parts: tuple[str | None, ...],
    labels: Labels,
    validation_fraction: float,
    test_fraction: float,
    ids: Sequence[str] = (),
    seed: int | None = None,
) -> NDArray[np.str_]:
    """Each sample's part (N,); where the set has no `test` or `val` part, one is held out of training.

    Class numbers (N,) give stratified parts. Other labels have no strata: parts follow from hashes of `ids`.
    `seed` draws other parts than the fixed ones.
    """
    result = np.array([part or "train" for part in parts], "<U5")
    for name, fraction in (("test", test_fraction), ("val", validation_fraction)):
        if name not in result:
            candidates = result == "train"
            if labels.ndim == 1:
                result[draw_stratified(candidates, labels.astype(np.int64), fraction, name, seed)] = name
            else:
                result[draw_by_hash(candidates, ids, fraction, name, seed)] = name
    return result


def draw_stratified(
    candidates: NDArray[np.bool_], labels: NDArray[np.integer], fraction: float, name: str, seed: int | None = None
) -> NDArray[np.int64]:
    """Indices of a stratified part: of each class the rounded fraction, one or more where it has two or more."""
    rows = [np.zeros(0, np.int64)]
    for label in np.unique(labels[candidates]):
        members = np.flatnonzero(candidates & (labels == label))
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        # A stream that ends in 0 would be the fixed one.
        stream = (SPLIT_SEED, sum(map(ord, name)), int(label), *(() if seed is None else (seed + 1,)))
        order = np.random.default_rng(stream).permutation(len(members))
        rows.append(members[order[:count]])
    return np.sort(np.concatenate(rows))


def draw_by_hash(
    candidates: NDArray[np.bool_], ids: Sequence[str], fraction: float, name: str, seed: int | None = None
) -> NDArray[np.int64]:
    """Indices of a part drawn regardless of labels: the rounded fraction whose ids have the smallest hashes.

    Adding or removing a sample moves at most one other sample between parts.
    """
    assert len(ids) == len(candidates), (len(ids), len(candidates))
    members = np.flatnonzero(candidates)
    count = max(0, min(max(round(fraction * len(members)), 1), len(members) - 1))
    key = f"{SPLIT_SEED} {name} " if seed is None else f"{SPLIT_SEED} {seed} {name} "
    hashes = [hashlib.sha256((key + ids[member]).encode()).digest() for member in members.tolist()]
    order = sorted(range(len(members)), key=hashes.__getitem__)
    return np.sort(members[order[:count]])


def draw_fold(labels: NDArray[np.integer], fold: int, folds: int, seed: int) -> NDArray[np.bool_]:
    """Which samples (N,) are in a fold: of each class, drawn by `seed`, every `folds`-th one.

    Classes begin at different folds, so that folds are of one size even where classes have few samples.
    """
    result = np.zeros(len(labels), bool)
    before = 0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = np.random.default_rng((FOLDS_STREAM, seed, int(label))).permutation(len(members))
        result[members[order]] = (np.arange(len(members)) + before) % folds == fold
        before += len(members)
    return result


def draw_any(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """Indices of `size` of `count` samples, all of them where there are fewer, drawn by `seed`."""
    return np.sort(np.random.default_rng((LABELS_STREAM, seed)).permutation(count)[:size])


def draw_per_class(
    labels: NDArray[np.integer], classes: int, per_class: int, seed: int
) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Indices of `per_class` samples of each class, drawn by `seed`; and {class: size} of classes that have fewer."""
    rows, smaller = [], {}
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            smaller[label] = len(members)
        order = np.random.default_rng((LABELS_STREAM, seed, label)).permutation(len(members))
        rows.append(members[order[:per_class]])
    return np.sort(np.concatenate(rows)), smaller
