"""Recordings of medicine: WFDB (PhysioNet's `.hea` with its `.dat`) and EDF or BDF, through their libraries."""

from pathlib import Path
from typing import Any

import numpy as np

from crosspath.data.items import DamageError, require_within
from crosspath.data.readers.extras import require_library
from crosspath.data.readers.series_values import Signal, resample
from crosspath.errors import InputError
from crosspath.limits import BYTES

EXTRA = "series"


def read_wfdb(path: Path) -> Signal:
    """The record of a `.hea` file, in physical units; samples that the file marks as invalid are missing.

    Raises
    ------
    InputError
        Where `wfdb` is not installed.
    DamageError
        For a record that cannot be read, and one whose header leads to files outside its folder, which the library
        takes for a fault of syntax.
    """
    wfdb = require_library("wfdb", path, "WFDB records", EXTRA)
    record = str(path.with_suffix(""))
    try:
        header = wfdb.rdheader(record)
        require_within(BYTES, (header.sig_len or 0) * (header.n_sig or 0) * 8)
        signal = wfdb.rdrecord(record)
    except (DamageError, OSError):
        raise
    except Exception as error:  # wfdb raises many types
        raise DamageError(f"it cannot be read ({type(error).__name__}: {error})".replace("\n", " ")) from None
    if signal.p_signal is None:
        raise DamageError("it holds no signal")
    names = tuple(str(name) for name in signal.sig_name or ())
    return Signal(np.ascontiguousarray(signal.p_signal.T, np.float64), float(signal.fs), names=names)


def read_edf(path: Path) -> Signal:
    """The signals of an EDF or BDF file, in physical units; slower ones are brought to the rate of the fastest.

    Raises
    ------
    InputError
        Where `pyedflib` is not installed.
    DamageError
        For a file that cannot be read.
    """
    library = require_library("pyedflib", path, "EDF and BDF files", EXTRA)
    try:
        with library.EdfReader(str(path)) as file:
            return _signals(file)
    except (DamageError, InputError):
        raise
    except Exception as error:  # its faults of a file are plain OSError without a number
        raise DamageError(f"it cannot be read ({error})".replace("\n", " ")) from None


def _signals(file: Any) -> Signal:
    counts = [int(count) for count in file.getNSamples()]
    if not counts or not min(counts):
        raise DamageError("it holds no signal")
    require_within(BYTES, max(counts) * len(counts) * 8)
    channels = [np.asarray(file.readSignal(number), np.float64)[None] for number in range(len(counts))]
    values_CT = np.concatenate([resample(channel_1T, max(counts)) for channel_1T in channels])
    return Signal(values_CT, float(max(file.getSampleFrequencies())), names=tuple(file.getSignalLabels()))
