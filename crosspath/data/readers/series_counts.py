"""What reading has done to time series, counted for the run's notes."""

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import SeriesData
from crosspath.data.readers.series_values import Signal


class Counts:
    """Sums over the series that were read, in any order, from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.series = self.gaps = self.values = self.empty = self.irregular = 0
        self.reordered = self.other_names = self.numbered = 0
        self.rates_hz: set[float] = set()
        """That files state."""
        self.lengths: dict[int, int] = {}
        """{values of a series before its length is matched: number of such series}."""

    def add(self, signal: Signal, missing_CT: NDArray[np.bool_], length: int, places: list[int] | None) -> None:
        """Count a series, by which of its values were missing, its length before that is matched, and the places that
        its channels had in the file: None where it names other channels.
        """
        with self._lock:
            self.series += 1
            self.other_names += places is None
            self.reordered += places is not None and places != sorted(places)
            self.irregular += signal.irregular
            self.numbered += signal.names == tuple(map(str, range(len(missing_CT))))
            if signal.rate_hz is not None:
                self.rates_hz.add(signal.rate_hz)
            self.lengths[length] = self.lengths.get(length, 0) + 1
            if missing_CT.any():
                self.gaps += 1
                self.values += int(missing_CT.sum())
                self.empty += int(missing_CT.all(axis=1).sum())

    def remarks(self, section: SeriesData) -> tuple[str, ...]:
        """Of what was not as it should be, a sentence each."""
        texts = []
        names = ", ".join(section.channel_names or ())
        if self.reordered:
            texts.append(
                f"channels: {self.reordered:,} of {self.series:,} series name them in another order, and are brought"
                f" to {names}"
            )
        if self.other_names:
            texts.append(
                f"channels: {self.other_names:,} of {self.series:,} series name others than {names}, and are read by"
                " place"
            )
        if self.numbered:
            texts.append(
                f"first rows: in {self.numbered:,} of {self.series:,} series it is 0, 1, 2, … and is read as the names"
                " of the columns; a row of values needs a row of names above it"
            )
        if section.rate_hz is not None and self.rates_hz - {section.rate_hz}:
            least, most = (f"{limit(self.rates_hz):g}" for limit in (min, max))
            texts.append(
                f"rates of {least}{'' if least == most else f' to {most}'} Hz become {section.rate_hz:g} Hz"
                " (data.rate_hz); numbers in a column of times without a unit are seconds"
            )
        if self.gaps:
            empty = f"; {self.empty:,} channels without any value are 0" if self.empty else ""
            texts.append(
                f"missing values: {self.values:,} in {self.gaps:,} of {self.series:,} series are filled, linearly"
                f" between their neighbours and at the ends with the nearest value{empty}"
            )
        if self.irregular:
            texts.append(
                f"uneven times: {self.irregular:,} of {self.series:,} series are interpolated linearly to even ones"
            )
        longer = sum(count for length, count in self.lengths.items() if length > section.length)
        shorter = sum(count for length, count in self.lengths.items() if length < section.length)
        if longer or shorter:
            least, most = (f"{limit(self.lengths):,}" for limit in (min, max))
            changes = ("cut at the end", "filled with their last value")
            if section.lengths == "resample":
                changes = ("averaged down", "interpolated")
            parts = [
                f"{count:,} {kind} {'one' if count == 1 else 'ones'} {what}"
                for count, kind, what in zip((longer, shorter), ("longer", "shorter"), changes, strict=True)
                if count
            ]
            texts.append(
                f"lengths of {least}{'' if least == most else f' to {most}'} values become {section.length}"
                f" (data.lengths={section.lengths}): {', '.join(parts)}"
            )
        return tuple(texts)
