"""One label or several, and the array of all of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspath.data.labels import classes_without_samples, label_array, label_of, strata_of
from crosspath.errors import InputError

several = st.lists(st.sets(st.integers(0, 6)).map(lambda actual: tuple(sorted(actual))), min_size=1, max_size=20)


@given(several)
def test_several_labels_become_zeros_and_ones(labels: list[tuple[int, ...]]) -> None:
    actual = label_array(labels, 7)
    assert actual.dtype == np.uint8
    assert actual.tolist() == [[int(number in label) for number in range(7)] for label in labels]
    # As they come back from a JSON manifest.
    np.testing.assert_array_equal(label_array([list(label) for label in labels], 7), actual)
    present = {number for label in labels for number in label}
    assert classes_without_samples(actual, 7).tolist() == sorted(set(range(7)) - present)


@given(st.lists(st.integers(0, 6), max_size=20))
def test_one_label_each_becomes_class_numbers(labels: list[int]) -> None:
    actual = label_array(labels, 7)
    assert actual.dtype == np.int64
    assert actual.tolist() == labels
    assert classes_without_samples(actual, 7).tolist() == sorted(set(range(7)) - set(labels))


def test_a_label_beyond_the_classes_is_no_label() -> None:
    with pytest.raises(IndexError):
        label_array([(0,), (7,)], 7)


def test_how_many_labels_a_sample_may_have() -> None:
    assert label_of([3], False, "x") == 3
    assert label_of([3, 3], False, "x") == 3
    assert label_of([5, 3, 5], True, "x") == (3, 5)
    assert label_of([], True, "x") == ()
    for numbers, displayed in (([5, 3], "3, 5"), ([], "none")):
        with pytest.raises(InputError, match=f"a.json row 7: expected one label, found {displayed}"):
            label_of(numbers, False, "a.json row 7")


def test_numbers_become_float32_a_column_each() -> None:
    found = label_array([(1.5, -2.0), [3.25, 4.0]], 2, "numbers")
    assert found.dtype == np.float32
    assert found.tolist() == [[1.5, -2.0], [3.25, 4.0]]


def test_boxes_are_padded_with_rows_that_are_no_numbers() -> None:
    row = (0.0, 1.0, 2.0, 3.0, 1.0, 0.0, 4.0, 8.0, 9.0)
    found = label_array([(row, row), (row,), ()], 3, "boxes")
    assert found.shape == (3, 2, 9)
    assert found[0].tolist() == [list(row), list(row)]
    assert found[1, 0].tolist() == list(row)
    assert np.isnan(found[1, 1]).all()
    assert np.isnan(found[2]).all()
    assert classes_without_samples(found, 3, "boxes").tolist() == [0, 2]


@pytest.mark.parametrize("labels", [np.zeros((3, 2), np.float32), np.zeros((3, 4, 5), np.float32)])
def test_samples_without_one_class_are_one_stratum(labels: Any) -> None:
    assert strata_of(labels).tolist() == [0, 0, 0]
    assert classes_without_samples(labels, 2, "numbers").tolist() == []
