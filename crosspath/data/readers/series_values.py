"""What every reader of time series makes of the values it has read: gaps filled, one rate, one length.

C channels, T values of each. Missing values are NaN until `fill_missing`.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, require_within
from crosspath.limits import BYTES

Floats = NDArray[np.float64]


class Signal(NamedTuple):
    """A series as its file holds it."""

    values_CT: Floats  # noqa: N815
    rate_hz: float | None = None
    """As the file states it."""
    irregular: bool = False
    """Whether its times were not evenly spaced, and its values were interpolated to even ones."""
    names: tuple[str, ...] | None = None
    """Of its channels, as the file states them."""


def require_values(values_CT: Floats) -> Floats:
    """The values, if there are any and none is infinite. Raises `DamageError`."""
    if values_CT.ndim != 2 or not values_CT.size:
        raise DamageError(f"it has no values (shape {values_CT.shape})")
    if np.isinf(values_CT).any():
        raise DamageError("it has values that are infinite")
    if np.isnan(values_CT).all():
        raise DamageError("all its values are missing")
    return values_CT


def places_by_name(own: Sequence[str], channels: Sequence[str]) -> list[int] | None:
    """Where each wanted channel is among a file's own, in any case; None where the names are others, or not unique."""
    own, channels = ([name.strip().casefold() for name in names] for names in (own, channels))
    if own == channels:
        return list(range(len(own)))
    same = sorted(own) == sorted(channels) and len(set(own)) == len(own)
    return [own.index(name) for name in channels] if same else None


def fill_missing(values_CT: Floats) -> Floats:
    """Missing values by linear interpolation between their neighbours in time; at the ends the nearest value; 0 in a
    channel without any value.
    """
    if not np.isnan(values_CT).any():
        return values_CT
    result = values_CT.copy()
    places = np.arange(values_CT.shape[1])
    for channel_T in result:
        missing = np.isnan(channel_T)
        if missing.all():
            channel_T[:] = 0.0
        elif missing.any():
            channel_T[missing] = np.interp(places[missing], places[~missing], channel_T[~missing])
    return result


def even_times(values_CT: Floats, times_T: Floats, where: str) -> Signal:
    """The signal of values at some times in seconds, interpolated to even ones where a step differs from the median by
    more than a hundredth. Raises `DamageError` for times that are missing or do not ascend.
    """
    if len(times_T) < 2:
        return Signal(values_CT)
    steps = np.diff(times_T)
    if not (steps > 0).all():
        row = int(np.flatnonzero(~(steps > 0))[0]) + 1
        raise DamageError(f"expected times that ascend in {where}, found {times_T[row]:g} after {times_T[row - 1]:g}")
    rate_hz = float(len(steps) / (times_T[-1] - times_T[0]))
    if np.abs(steps - np.median(steps)).max() <= 0.01 * np.median(steps):
        return Signal(values_CT, rate_hz)
    even_T = np.linspace(times_T[0], times_T[-1], len(times_T))
    filled_CT = [_at(even_T, times_T, channel_T) for channel_T in values_CT]
    return Signal(np.stack(filled_CT), rate_hz, irregular=True)


def _at(even_T: Floats, times_T: Floats, channel_T: Floats) -> Floats:
    present = ~np.isnan(channel_T)
    result: Floats = np.full(len(even_T), np.nan)
    return np.interp(even_T, times_T[present], channel_T[present]) if present.any() else result


def at_rate(values_CT: Floats, rate_hz: float, new_hz: float) -> Floats:
    """Values at another rate over the same time, as `resample` computes them. Raises `DamageError` for more values
    than a file may hold.
    """
    count = max(1, round(values_CT.shape[1] * new_hz / rate_hz))
    require_within(BYTES, count * values_CT.shape[0] * values_CT.itemsize)
    return resample(values_CT, count)


def scale(values_CT: Floats) -> Floats:
    """Each channel less its own mean, divided by its own standard deviation; a constant one becomes 0."""
    centred_CT = values_CT - values_CT.mean(axis=1, keepdims=True)
    spread_C1 = centred_CT.std(axis=1, keepdims=True)
    constant_C1 = spread_C1 <= 1e-12 * np.abs(values_CT).max(axis=1, keepdims=True)
    return np.where(constant_C1, 0.0, centred_CT / np.where(constant_C1, 1.0, spread_C1))


def match_length(values_CT: Floats, length: int, how: Literal["resample", "pad"]) -> Floats:
    """The series with `length` values: resampled; or with `pad` cut at its end, or its last value repeated."""
    if how == "resample":
        return resample(values_CT, length)
    missing = max(0, length - values_CT.shape[1])
    return np.pad(values_CT[:, :length], ((0, 0), (0, missing)), mode="edge")


def resample(values_CT: Floats, length: int) -> Floats:
    """The series with `length` values, over the same time.

    Of a longer series each value is the mean over an equal share of it, so that nothing is left out and nothing folds
    back; a shorter one is interpolated linearly, first and last value kept.
    """
    count = values_CT.shape[1]
    if count == length:
        return values_CT
    if count < length:
        places = np.linspace(0, count - 1, length)
        return np.stack([np.interp(places, np.arange(count), channel_T) for channel_T in values_CT])
    # The integral of the series as steps of width 1, at the edges of the shares.
    middle_C1 = values_CT.mean(axis=1, keepdims=True)
    totals_CT = np.pad(np.cumsum(values_CT - middle_C1, axis=1), ((0, 0), (1, 0)))
    edges = np.linspace(0, count, length + 1)
    integrals = np.stack([np.interp(edges, np.arange(count + 1), total_T) for total_T in totals_CT])
    result: Floats = np.diff(integrals, axis=1) * (length / count) + middle_C1
    return result
