"""Time series in arrays: `.npy` and `.npz`, never a pickle. A file holds a series, or a set with all of them."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import SeriesData
from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError, require_within
from crosspath.data.readers.series_values import Floats
from crosspath.limits import BYTES

CLEARLY = 4
"""How many times longer one axis has to be to be time for sure."""


def read_array(path: Path, section: SeriesData) -> NDArray[Any]:
    """The array of a file with one series. Raises `DamageError`."""
    if path.suffix.lower() == ".npy":
        return load_array(path)
    arrays = read_arrays(path)
    if section.array is not None:
        if section.array not in arrays:
            raise DamageError(f"expected an array {section.array} (data.array), found {', '.join(arrays) or 'none'}")
        return arrays[section.array]
    if len(arrays) != 1:
        raise DamageError(f"expected one array, found {', '.join(arrays) or 'none'}: name one with data.array")
    return next(iter(arrays.values()))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """{name: array} of an `.npz` file. Raises `DamageError`, also for objects, which are pickles."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            require_within(BYTES, sum(member.file_size for member in members))
            return {
                member.filename.removesuffix(".npy"): load_array(BytesIO(archive.read(member))) for member in members
            }
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DamageError(f"the archive cannot be read ({error})") from None


def channels_first(array: NDArray[Any], section: SeriesData) -> Floats:
    """A series (C, T) from an array (T,), (C, T) or (T, C).

    Which axis is time: as `data.axes` says; else the one that has not `data.channels` entries; else the longer one, if
    it is at least four times as long.

    Raises
    ------
    DamageError
        For another number of axes, values that are no real numbers, and an array that could be read both ways.
    """
    if array.dtype.kind not in "iufb":
        raise DamageError(f"expected real numbers, found {array.dtype}")
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise DamageError(f"expected (time,), (channel, time) or (time, channel), found the shape {array.shape}")
    values = array.astype(np.float64)
    if section.axes is not None:
        return values if section.axes.startswith("channel") else values.T
    rows, columns = values.shape
    if section.channels is not None and (rows == section.channels) != (columns == section.channels):
        return values if rows == section.channels else values.T
    if columns >= CLEARLY * rows or (rows == 1 and columns > 1):
        return values
    if rows >= CLEARLY * columns:
        return values.T
    todo = "say which is time with data.axes=channel,time or time,channel"
    raise DamageError(f"the shape {array.shape} could be (channel, time) or (time, channel): {todo}")
