"""Time series of any origin, brought to one number of channels, one rate and one length."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data import SeriesData
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView, file_stamp, require_within
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.readers.own_table import with_unread
from crosspath.data.readers.series_arrays import channels_first, read_array
from crosspath.data.readers.series_columns import PARQUET, TEXTS
from crosspath.data.readers.series_counts import Counts
from crosspath.data.readers.series_records import read_edf, read_wfdb
from crosspath.data.readers.series_sets import PUBLISHED_SETS, archive_files, list_table, list_ts, read_all
from crosspath.data.readers.series_tables import read_recording
from crosspath.data.readers.series_values import (
    Signal,
    at_rate,
    fill_missing,
    match_length,
    places_by_name,
    require_values,
    scale,
)
from crosspath.data.tables import list_files, table_in
from crosspath.errors import InputError
from crosspath.limits import BYTES

ARCHIVE = ".ts"
ARRAYS = (".npy", ".npz")
WFDB = ".hea"
WFDB_DATA = (".dat", ".mat")
"""Where the values of a record may lie, beside its header."""
EDF = (".edf", ".bdf")
FILES = (*TEXTS, PARQUET, *ARRAYS, WFDB, *EDF)
"""Of files with one series each."""
SUFFIXES = (ARCHIVE, *FILES)
CONTAINERS = (ARCHIVE, *TEXTS, ".npy")
"""Of these, the ones that other modalities read as well: `.ts` is also a film."""
DECODING = (
    *(
        "channels",
        "channel_names",
        "length",
        "lengths",
        "rate_hz",
        "file_rate_hz",
        "axes",
        "array",
        "columns",
        "time_column",
        "table",
    ),
    *("id_column", "csv", "file_column", "label_column", "split_column", "encoding"),
)
"""Settings on which listing and decoding depend."""
LOOKED_AT = 32
"""Files that are opened at most to learn how many channels there are."""


class SeriesReader:
    """Series float32 (C, T), gaps filled; scaled only with `data.scaling=series`, each channel by its own values."""

    def __init__(self, section: SeriesData) -> None:
        self.section = section
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = (
            (section.channels or 1, section.length),
            np.dtype(np.float32),
        )
        self.settings: dict[str, Any] = {
            name: value for name in DECODING if (value := section.model_dump(mode="json")[name]) is not None
        }
        if section.scaling == "series":
            self.settings["scaling"] = "series"
        self.settings |= label_settings(section)
        self.counts = Counts()
        self._files: dict[Path, list[Signal]] = {}
        self._lock = Lock()

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """A set of the archive, a table with all series, a table of files, or class folders of files.

        With `data.multi_label` labels are tuples.
        """
        listing = self._listing(folder)
        return as_label_tuples(listing) if self.section.several_labels else listing

    def _listing(self, folder: Path) -> Listing:
        section = self.section
        if section.dataset in PUBLISHED_SETS:
            return list_ts(PUBLISHED_SETS[section.dataset](folder), section)
        if section.table is not None:
            if section.csv is not None:
                todo = "leave out data.csv, or data.table where each series has a file"
                raise InputError("data.csv", "one table, data.table or a list of files", section.csv, todo)
            return list_table(folder / section.table, section)
        files = archive_files(folder) if section.csv is None else ()
        if files:
            return list_ts(files, section)
        if (table := table_in(folder, section)) is not None:
            return _with_data(list_files(folder, table, section, FILES))
        return with_unread(_with_data(class_folder_items(folder, FILES, "time series")), section)

    def first_signal(self, folder: Path) -> Signal | None:
        """The first series that can be read; None where none can be."""
        try:
            items = self.listing(folder).items[:LOOKED_AT]
        except InputError:
            return None  # the run meets it again, and says where
        for item in items:
            try:
                return self._signal(item)
            except (DamageError, OSError):
                continue
        return None

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; files with several series are read once."""
        yield lambda item: self._decode(self._signal(item), item)

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """As `open_decoder`; series are augmented in batches."""
        with self.open_decoder() as decode:
            yield lambda item, sample: (decode(item), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """The series of a file with one."""
        if path.suffix.lower() == ARCHIVE or self.section.table is not None:
            signals = read_all(path, self.section)
            if len(signals) != 1:
                raise DamageError(f"expected one series, found {len(signals)}: write each into a file of its own")
            return self._decode(signals[0])
        return self._decode(read_signal(path, self.section))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """An array (T,), (C, T) or (T, C); see `channels_first`."""
        return self._decode(Signal(channels_first(np.asarray(value), self.section)))

    def remarks(self) -> tuple[str, ...]:
        """What was done to the series that this reader has decoded, with numbers."""
        return self.counts.remarks(self.section)

    def _signal(self, item: Item) -> Signal:
        if not isinstance(item.inside, int):
            return read_signal(item.path, self.section)
        with self._lock:
            if item.path not in self._files:
                self._files[item.path] = read_all(item.path, self.section)
            return self._files[item.path][item.inside]

    def _decode(self, signal: Signal, item: Item | None = None) -> NDArray[Any]:
        try:
            return self._sample(signal)
        except DamageError as damage:
            several = item is not None and isinstance(item.inside, int)
            raise DamageError(f"{item.id}: {damage}" if several and item is not None else str(damage)) from None

    def _sample(self, signal: Signal) -> NDArray[np.float32]:
        section = self.section
        values_CT = require_values(signal.values_CT)
        if section.channels is not None and len(values_CT) != section.channels:
            raise DamageError(f"expected {section.channels} channels, found {len(values_CT)}")
        names = section.channel_names
        if signal.names is None or names is None or len(names) != len(values_CT):
            places: list[int] | None = list(range(len(values_CT)))
        else:
            places = places_by_name(signal.names, names)
        if places is not None:
            values_CT = values_CT[places]
        filled_CT = fill_missing(values_CT)
        if section.rate_hz is not None:
            rate_hz = signal.rate_hz or section.file_rate_hz
            if rate_hz is None:
                expected = f"the rate of files that state none, to resample them to {section.rate_hz:g} Hz"
                raise InputError("data.file_rate_hz", expected, "none", "set it, or leave data.rate_hz out")
            filled_CT = at_rate(filled_CT, rate_hz, section.rate_hz)
        # Before the length is matched: what fills a short series up is no part of it.
        own_CT = scale(filled_CT) if section.scaling == "series" else filled_CT
        result_CT = match_length(own_CT, section.length, section.lengths)
        with np.errstate(over="ignore"):
            sample: NDArray[np.float32] = np.ascontiguousarray(result_CT, np.float32)
        if not np.isfinite(sample).all():
            raise DamageError("it has values beyond 3e38, the largest of a 32-bit float")
        self.counts.add(signal, np.isnan(values_CT), filled_CT.shape[1], places)
        return sample


def read_signal(path: Path, section: SeriesData) -> Signal:
    """The series of a file of one of `FILES`. Raises `DamageError`."""
    require_within(BYTES, path.stat().st_size)
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return Signal(channels_first(read_array(path, section), section))
    if suffix == WFDB:
        return read_wfdb(path)
    if suffix in EDF:
        return read_edf(path)
    try:
        return read_recording(path, section)
    except InputError as error:
        if not error.where.startswith(str(path)) or "pip install" in error.todo:
            raise  # no fault of this file
        row = error.where.removeprefix(str(path)).strip()
        reason = f"{row}: expected {error.expected}, found {error.found}: {error.todo}"
        raise DamageError(reason.removeprefix(": ")) from None


def _with_data(listing: Listing) -> Listing:
    """The listing with stamps of WFDB records that also differ once their data have changed."""
    items = tuple(
        replace(item, stamp=_stamp_of_record(item)) if item.path.suffix.lower() == WFDB else item
        for item in listing.items
    )
    return replace(listing, items=items)


def _stamp_of_record(item: Item) -> str:
    data = (item.path.with_suffix(suffix) for suffix in WFDB_DATA)
    return "-".join((item.stamp, *(file_stamp(path) for path in data if path.is_file())))
