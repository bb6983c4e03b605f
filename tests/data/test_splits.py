"""Parts are disjoint, stratified and fixed; few labels are drawn by the seed, from training only."""

import hashlib

import numpy as np
import pytest

from crosspath.data.splits import assign_parts, draw_by_hash, draw_fold, draw_per_class, draw_stratified

LABELS = np.repeat(np.arange(4), [100, 50, 10, 3])[np.random.default_rng(0).permutation(163)]


def counts(parts: np.ndarray, name: str) -> list[int]:
    return np.bincount(LABELS[parts == name], minlength=4).tolist()


def test_missing_parts_are_held_out_of_each_class() -> None:
    parts = assign_parts((None,) * 163, LABELS, 0.1, 0.2)
    assert set(parts) == {"train", "val", "test"}
    assert counts(parts, "test") == [20, 10, 2, 1]
    assert counts(parts, "val") == [8, 4, 1, 1]
    assert counts(parts, "train") == [72, 36, 7, 1]


def test_a_part_that_the_set_names_is_kept_and_only_the_other_is_held_out() -> None:
    named = tuple("test" if number % 3 == 0 else "train" for number in range(163))
    parts = assign_parts(named, LABELS, 0.1, 0.2)
    assert (parts[::3] == "test").all()
    assert (parts == "test").sum() == len(range(0, 163, 3))
    assert 0 < (parts == "val").sum() < 20
    both = assign_parts(tuple("val" if part == "test" else part for part in named), LABELS, 0.1, 0.2)
    assert (both[::3] == "val").all()
    assert (both == "test").sum() > 0


def test_the_split_is_the_same_every_time_and_no_run_of_neighbours() -> None:
    first, second = (assign_parts((None,) * 163, LABELS, 0.1, 0.2) for _ in range(2))
    assert (first == second).all()
    members = np.flatnonzero(LABELS == 0)
    places = np.flatnonzero(first[members] == "test")
    assert places[0] < 30
    assert places[-1] > 70


def test_the_split_does_not_depend_on_numpys_own_seed() -> None:
    np.random.seed(1)
    first = assign_parts((None,) * 163, LABELS, 0.1, 0.2)
    np.random.seed(2)
    assert (first == assign_parts((None,) * 163, LABELS, 0.1, 0.2)).all()


def test_every_class_and_every_part_has_a_draw_of_its_own() -> None:
    labels = np.repeat([0, 1], 50)
    everyone = np.ones(100, bool)
    places = {name: draw_stratified(everyone, labels, 0.2, name) for name in ("val", "test")}
    for selected in places.values():
        # The same places in both classes would mean that the class has no say in the draw.
        assert set(selected[selected < 50]) != set(selected[selected >= 50] - 50)
    assert set(places["val"]) != set(places["test"])
    names = [str(number) for number in range(100)]
    assert set(draw_by_hash(everyone, names, 0.2, "val")) != set(draw_by_hash(everyone, names, 0.2, "test"))


def test_places_drawn_in_version_0_1_0_stay() -> None:
    """A split must never move: these places decide which results compare with which."""
    labels = np.repeat([0, 1], 20)
    everyone = np.ones(40, bool)
    assert draw_stratified(everyone, labels, 0.25, "val").tolist() == [12, 14, 16, 17, 19, 26, 30, 31, 34, 38]
    assert draw_stratified(everyone, labels, 0.25, "test").tolist() == [3, 5, 6, 7, 12, 21, 22, 27, 30, 36]
    names = [f"{number:02d}.wav" for number in range(40)]
    assert draw_by_hash(everyone, names, 0.2, "val").tolist() == [1, 2, 12, 15, 25, 27, 28, 32]
    assert draw_by_hash(everyone, names, 0.2, "test").tolist() == [3, 5, 12, 17, 23, 27, 37, 39]
    assert draw_per_class(labels, 2, 4, 0)[0].tolist() == [2, 5, 10, 19, 20, 23, 27, 31]
    assert draw_per_class(labels, 2, 4, 1)[0].tolist() == [12, 13, 15, 16, 26, 28, 32, 33]


@pytest.mark.parametrize(
    ("validation", "test", "expected"),
    [(0.1, 0.2, "a6ad3c2ee52c3325"), (0.25, 0.33, "8e95845ec3eb44f5"), (0.02, 0.5, "4f21621bad0729cc")],
)
def test_parts_of_version_0_1_0_stay(validation: float, test: float, expected: str) -> None:
    parts = assign_parts((None,) * 163, LABELS, validation, test)
    assert hashlib.sha256(",".join(parts.tolist()).encode()).hexdigest()[:16] == expected


def test_a_class_of_one_stays_in_training() -> None:
    labels = np.array([0, 0, 0, 1])
    parts = assign_parts((None,) * 4, labels, 0.3, 0.3)
    assert parts[3] == "train"
    assert sorted(parts[:3]) == ["test", "train", "val"]


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.zeros(0, np.int64)])
def test_nothing_can_be_held_out_of_classes_of_one_or_of_nothing(labels: np.ndarray) -> None:
    actual = draw_stratified(np.ones(len(labels), bool), labels, 0.5, "val")
    assert actual.dtype == np.int64
    assert not len(actual)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_extreme_fractions_leave_both_sides_something(fraction: float) -> None:
    labels = np.zeros(10, np.int64)
    assert len(draw_stratified(np.ones(10, bool), labels, fraction, "val")) == (1 if fraction < 0.5 else 9)


def test_few_labels_are_drawn_by_the_seed_the_same_number_of_each_class() -> None:
    first, smaller = draw_per_class(LABELS, 4, 10, 0)
    assert np.bincount(LABELS[first]).tolist() == [10, 10, 10, 3]
    assert smaller == {3: 3}
    assert len(np.unique(first)) == 33
    assert (np.diff(first) > 0).all()
    assert (draw_per_class(LABELS, 4, 10, 0)[0] == first).all()
    assert not np.array_equal(draw_per_class(LABELS, 4, 10, 1)[0], first)


def test_more_labels_contain_the_fewer_of_the_same_seed() -> None:
    few, more = (set(draw_per_class(LABELS, 4, count, 3)[0].tolist()) for count in (5, 20))
    assert few < more


def test_a_class_without_samples_is_reported() -> None:
    selected, smaller = draw_per_class(np.array([0, 0, 2]), 4, 1, 0)
    assert len(selected) == 2
    assert smaller == {1: 0, 3: 0}


def test_another_seed_redraws_the_parts_that_the_set_does_not_name() -> None:
    fixed, other = (assign_parts((None,) * 163, LABELS, 0.1, 0.2, seed=seed) for seed in (None, 0))
    assert (fixed != other).any()
    assert [(fixed == part).sum() for part in ("test", "val")] == [(other == part).sum() for part in ("test", "val")]
    named = ("test",) * 40 + ("train",) * 123
    fixed, other = (assign_parts(named, LABELS, 0.1, 0.2, seed=seed) for seed in (None, 0))
    np.testing.assert_array_equal(fixed == "test", other == "test")
    assert (fixed != other).any()
    hashed = [set(draw_by_hash(np.ones(200, bool), IDS, 0.2, "test", seed).tolist()) for seed in (None, 0, 1)]
    assert hashed[0] != hashed[1] != hashed[2]


def test_folds_part_every_class_evenly() -> None:
    folds = [draw_fold(LABELS, fold, 5, 3) for fold in range(5)]
    assert (np.sum(folds, axis=0) == 1).all()
    for label in np.unique(LABELS):
        sizes = [int((fold & (label == LABELS)).sum()) for fold in folds]
        assert max(sizes) - min(sizes) <= 1
    assert max(map(np.sum, folds)) - min(map(np.sum, folds)) <= 1
    assert (draw_fold(LABELS, 0, 5, 4) != folds[0]).any()


SEVERAL = (np.random.default_rng(1).random((200, 5)) < 0.3).astype(np.uint8)
IDS = [f"clips/{number:05d}.wav" for number in range(200)]


def test_parts_of_several_labels_are_drawn_by_ids() -> None:
    parts = assign_parts((None,) * 200, SEVERAL, 0.1, 0.2, IDS)
    assert [(parts == name).sum() for name in ("test", "val", "train")] == [40, 16, 144]
    order = np.random.default_rng(2).permutation(200)
    shuffled = assign_parts((None,) * 200, SEVERAL[order], 0.1, 0.2, [IDS[place] for place in order])
    np.testing.assert_array_equal(shuffled, parts[order])
    # Labels have no say, and a named part is kept.
    np.testing.assert_array_equal(assign_parts((None,) * 200, 1 - SEVERAL, 0.1, 0.2, IDS), parts)
    named = assign_parts(("test",) * 50 + ("train",) * 150, SEVERAL, 0.1, 0.2, IDS)
    assert (named[:50] == "test").all()
    assert (named[50:] == "val").sum() == 15
    assert "test" not in named[50:]


def test_one_sample_less_moves_at_most_one_other_between_parts() -> None:
    everyone = np.ones(200, bool)
    whole = {IDS[place] for place in draw_by_hash(everyone, IDS, 0.1, "val")}
    for gone in range(0, 200, 7):
        fewer = everyone.copy()
        fewer[gone] = False
        actual = {IDS[place] for place in draw_by_hash(fewer, IDS, 0.1, "val")}
        assert len((whole ^ actual) - {IDS[gone]}) <= 1


def test_an_even_share_of_every_label_is_drawn() -> None:
    labels = (np.random.default_rng(3).random((20_000, 3)) < (0.5, 0.1, 0.02)).astype(np.uint8)
    selected = draw_by_hash(np.ones(20_000, bool), [str(number) for number in range(20_000)], 0.1, "val")
    counts = labels.sum(0)
    # Drawing without regard to labels: each label's count is binomial, but for a small correction.
    spread = (counts * 0.1 * 0.9) ** 0.5
    assert (np.abs(labels[selected].sum(0) - 0.1 * counts) < 4 * spread).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_one_sample_or_none_nothing_is_drawn(count: int) -> None:
    actual = draw_by_hash(np.ones(count, bool), IDS[:count], 0.5, "val")
    assert actual.dtype == np.int64
    assert len(actual) == (1 if count == 2 else 0)
