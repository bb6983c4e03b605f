"""Class-balanced sampling: the published weights, and draws that have them as their chances."""

import numpy as np
import pytest
from scipy.stats import chisquare

from crosspath.data.sampling import balanced_draw, sample_weights

COUNTS = (400, 80, 15, 5)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), COUNTS))
SEVERAL = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]], np.uint8)


def test_weights_are_the_published_sums_over_labels() -> None:
    expected = []
    counts = [4, 2, 2, 0]
    for row in SEVERAL.tolist():
        expected.append(sum(1000.0 / (count + 0.01) for flag, count in zip(row, counts, strict=True) if flag))
    np.testing.assert_allclose(sample_weights(SEVERAL), expected, rtol=1e-12)


def test_weights_of_one_label_each_are_those_of_zeros_and_ones() -> None:
    several = np.eye(4, dtype=np.uint8)[LABELS]
    np.testing.assert_allclose(sample_weights(LABELS), sample_weights(several), rtol=1e-12)


def test_weights_of_a_large_set_are_those_of_its_samples() -> None:
    labels = (np.random.default_rng(1).random((40_000, 7)) < 0.1).astype(np.uint8)
    weights = 1000.0 / (labels.sum(0, dtype=np.int64) + 0.01)
    np.testing.assert_allclose(sample_weights(labels), labels.astype(np.float64) @ weights, rtol=1e-12)


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one label", "several labels"])
def test_draws_have_the_weights_as_their_chances(labels: np.ndarray) -> None:
    count = 40_000
    drawn = balanced_draw(labels, count, 3, 0)
    weights = sample_weights(labels)
    possible = weights > 0
    observed = np.bincount(drawn, minlength=len(labels))
    assert not observed[~possible].any()
    expected = count * weights / weights.sum()
    assert chisquare(observed[possible], expected[possible]).pvalue > 0.001


def test_uneven_classes_are_drawn_evenly() -> None:
    drawn = np.bincount(LABELS[balanced_draw(LABELS, 40_000, 0, 0)])
    # A class of n gets n / (n + 0.01) of an even share: 0.2 % less for the smallest.
    expected = np.array([count / (count + 0.01) for count in COUNTS])
    np.testing.assert_allclose(drawn / 40_000, expected / expected.sum(), atol=4 * (0.25 * 0.75 / 40_000) ** 0.5)
    assert np.bincount(LABELS, minlength=4).tolist() == list(COUNTS)


def test_draws_follow_from_seed_and_epoch_alone() -> None:
    first = balanced_draw(LABELS, 200, 5, 2)
    np.random.seed(9)
    np.testing.assert_array_equal(balanced_draw(LABELS, 200, 5, 2), first)
    assert first.dtype == np.int64
    assert not np.array_equal(balanced_draw(LABELS, 200, 5, 3), first)
    assert not np.array_equal(balanced_draw(LABELS, 200, 6, 2), first)


def test_more_may_be_drawn_than_there_are() -> None:
    drawn = balanced_draw(SEVERAL, 50, 0, 0)
    assert drawn.shape == (50,)
    assert len(set(drawn.tolist())) < 50
