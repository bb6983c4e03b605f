"""Gaps, times, rates and lengths of time series, against closed forms and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspath.data.items import DamageError
from crosspath.data.readers.series_values import (
    at_rate,
    even_times,
    fill_missing,
    match_length,
    require_values,
    resample,
    scale,
)

NAN = float("nan")


def test_gaps_are_filled_from_their_neighbours() -> None:
    values = np.array([[NAN, 1, NAN, NAN, 4, NAN], [NAN] * 6, [1, 2, 3, 4, 5, 6]])
    expected = [[1, 1, 2, 3, 4, 4], [0] * 6, [1, 2, 3, 4, 5, 6]]
    np.testing.assert_allclose(fill_missing(values), expected)
    assert np.isnan(values).any(), "the input is left alone"


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_longer_series_is_averaged_and_a_shorter_one_interpolated(count: int, length: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(3.0, 2.0, (2, count))
    result = resample(values, length)
    assert result.shape == (2, length)
    if length <= count:
        # Each value repeated `length` times, then means of `count` at a time: shares of a common unit.
        expected = values.repeat(length, axis=1).reshape(2, length, count).mean(axis=2)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(result.mean(axis=1), values.mean(axis=1))
    else:
        assert (result[:, 0] == values[:, 0]).all()
        np.testing.assert_allclose(result[:, -1], values[:, -1])
        assert result.min() >= values.min() - 1e-12
        assert result.max() <= values.max() + 1e-12


def test_lengths_are_matched_by_both_rules() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(match_length(values, 2, "pad"), [[1, 2]])
    np.testing.assert_array_equal(match_length(values, 6, "pad"), [[1, 2, 3, 4, 4, 4]])
    np.testing.assert_allclose(match_length(values, 2, "resample"), [[1.5, 3.5]])
    np.testing.assert_allclose(match_length(values, 7, "resample"), [[1, 1.5, 2, 2.5, 3, 3.5, 4]])


def test_another_rate_keeps_the_time() -> None:
    slow = np.sin(np.linspace(0, 2 * np.pi, 50))[None]
    assert at_rate(slow, 50.0, 100.0).shape == (1, 100)
    assert at_rate(slow, 50.0, 25.0).shape == (1, 25)
    with pytest.raises(DamageError, match="CROSSPATH_MAX_BYTES"):
        at_rate(slow, 1e-9, 1e9)


def test_even_times_give_the_rate_and_uneven_ones_are_evened() -> None:
    line = np.arange(5.0)[None]
    even = even_times(line, np.arange(5) / 8, "t")
    assert (even.rate_hz, even.irregular) == (8.0, False)
    uneven = even_times(line, np.array([0, 1, 2, 3, 8.0]), "t")
    assert uneven.irregular
    np.testing.assert_allclose(uneven.values_CT, [[0, 2, 3.2, 3.6, 4]])
    for times in ([0, 1, 1, 2, 3], [0, 1, NAN, 3, 4]):
        with pytest.raises(DamageError, match="ascend"):
            even_times(line, np.array(times, float), "t")


def test_a_series_is_scaled_by_its_own_values() -> None:
    result = scale(np.array([[1.0, 3.0], [0.1, 0.1]]))
    np.testing.assert_allclose(result, [[-1, 1], [0, 0]])


@pytest.mark.parametrize("values", [np.zeros((1, 0)), np.full((2, 3), NAN), np.array([[1.0, np.inf]])])
def test_a_series_without_values_is_damaged(values: np.ndarray) -> None:
    with pytest.raises(DamageError):
        require_values(values)
