"""Time series in csv and parquet files: a file a series, or a table with all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crosspath.config.data import SeriesData
from crosspath.counts import first_names
from crosspath.data.items import DamageError
from crosspath.data.label_cells import label_columns, reads_cells
from crosspath.data.readers.series_columns import PANDAS_INDEX, TIMES, Columns, read_columns, time_name
from crosspath.data.readers.series_values import Signal, even_times

INDEX = "index"
"""A column that numbers rows, and is no channel unless `data.columns` lists it."""
ID = "id"
"""In a table with several series, a column that is none either."""
ANSWERS = frozenset(("label", "class", "target", "category", "subject", "split", "part"))
"""Usual names of columns of labels and parts, in lower case, from which a model would read its answer."""


class Entry(NamedTuple):
    """A series of a table with several."""

    name: str
    row: int
    """Of its first value."""
    label: str | tuple[str, ...] | None
    """The cell of `data.label_column`; those of all columns of labels, where there may be several."""
    part: str | None
    signal: Signal


def read_recording(path: Path, section: SeriesData) -> Signal:
    """The signal of a file with a row for each moment and a column for each channel.

    Raises
    ------
    DamageError
        Also for a column of labels, parts or ids beside the channels, unless `data.columns` names the channels: a
        model would read its answer there.
    """
    columns = read_columns(path, section.encoding)
    time = _time_column(columns, section)
    names = (section.label_column, *(section.label_columns or ()), section.split_column, section.id_column, ID)
    _refuse_among(
        [name for name in columns.cells if name != time], [name for name in names if name is not None], section
    )
    return _signal(_with_number_names(columns, section, (), ()), section, time, (), None)


def read_entries(path: Path, section: SeriesData) -> list[Entry]:
    """The series of `data.table`: a row each; or, with `data.id_column`, those rows with one id, in their order.

    Raises
    ------
    DamageError
        With the row, for columns that are not there, cells that are no numbers, an id with two labels. Also for a
        further column of labels or parts, unless `data.columns` names the channels.
    """
    columns = read_columns(path, section.encoding)
    own = label_columns(section, section.label_column)
    others = [name for name in (*own, section.split_column) if name is not None]
    columns = _with_number_names(columns, section, (*others, section.id_column or ""), own)
    setting = "data.label_column" if section.label_columns is None else "data.label_columns"
    for name in own:
        if section.columns is None and name.casefold() not in map(str.casefold, columns.cells):
            raise DamageError(f"expected a column {name} ({setting}), found {_some(columns)}")
    cells = [columns.texts(name, setting) for name in own]
    labels: Sequence[str | tuple[str, ...]] = cells[0]
    if reads_cells(section):
        for name in own:
            columns.require_decimals(columns.name_of(name, setting))
        labels = list(zip(*([columns.number_text(cell) for cell in column] for column in cells), strict=True))
    parts = None if section.split_column is None else columns.texts(section.split_column, "data.split_column")
    if section.id_column is not None:
        return _long(columns, section, labels, parts, (*others, section.id_column, ID))
    if (time := section.time_column) is not None:
        others.append(columns.name_of(time, "data.time_column"))
    times = (name for name in columns.cells if time_name(name)[0] in TIMES)
    names = _channels(columns, section, (*others, ID, *times))
    values_NT = np.stack([columns.numbers(name) for name in names], axis=1)
    entries = []
    for place, values_T in enumerate(values_NT):
        # In a table of rows, a shorter series leaves its last cells empty.
        present = np.flatnonzero(~np.isnan(values_T))
        end = int(present[-1]) + 1 if len(present) else 0
        row = columns.rows[place]
        part = None if parts is None else parts[place]
        entries.append(Entry(f"row {row}", row, labels[place], part, Signal(values_T[None, :end])))
    return entries


def _long(
    columns: Columns,
    section: SeriesData,
    labels: Sequence[str | tuple[str, ...]],
    parts: Sequence[str] | None,
    others: Sequence[str],
) -> list[Entry]:
    assert section.id_column is not None
    places: dict[str, list[int]] = {}
    for place, name in enumerate(columns.texts(section.id_column, "data.id_column")):
        if not name:
            raise DamageError(f"row {columns.rows[place]}: expected an id in `{section.id_column}`, found none")
        places.setdefault(name, []).append(place)
    time = _time_column(columns, section)
    entries = []
    for name, own in places.items():
        row = columns.rows[own[0]]
        for cells, column in ((labels, section.label_column), (parts, section.split_column)):
            for place in own if cells is not None else ():
                if cells is not None and cells[place] != cells[own[0]]:
                    found = f"{cells[own[0]]!r} in row {row} and {cells[place]!r} in row {columns.rows[place]}"
                    raise DamageError(f"expected one {column} for the id {name}, found {found}")
        try:
            signal = _signal(columns, section, time, others, own)
        except DamageError as damage:
            raise DamageError(f"id {name}: {damage}") from None
        part = None if parts is None else parts[own[0]]
        entries.append(Entry(name, row, labels[own[0]], part, signal))
    return entries


def _with_number_names(columns: Columns, section: SeriesData, others: Sequence[str], labels: Sequence[str]) -> Columns:
    """The table with the names of the columns that are read as numbers: channels, times, and labels that are numbers,
    but none of `others`. What looks like a decimal comma elsewhere may separate labels."""
    if section.columns is None:
        names = {name.casefold() for name in columns.cells} - {name.casefold() for name in others}
    else:
        time = _time_column(columns, section)
        names = {name.casefold() for name in (*section.columns, *([] if time is None else [time]))}
    if reads_cells(section):
        names |= {name.casefold() for name in labels}
    return replace(columns, number_names=frozenset(names))


def _signal(
    columns: Columns, section: SeriesData, time: str | None, others: Sequence[str], rows: Sequence[int] | None
) -> Signal:
    names = _channels(columns, section, [*others, *([] if time is None else [time])])
    values_CT = np.stack([columns.numbers(name, rows) for name in names])
    signal = Signal(values_CT) if time is None else even_times(values_CT, columns.seconds(time, rows), f"`{time}`")
    return signal._replace(names=tuple(names)) if columns.has_names else signal


def _channels(columns: Columns, section: SeriesData, others: Sequence[str]) -> list[str]:
    """The columns that are channels. One without a name is the index that pandas writes, and is none."""
    if section.columns is not None:
        for name in section.columns:
            if name not in columns.cells:
                raise DamageError(f"expected a column {name} (data.columns), found {_some(columns)}")
        return list(section.columns)
    other_names = {INDEX, *(name.casefold() for name in others)}
    names = [name for name in columns.cells if name not in ("", PANDAS_INDEX) and name.casefold() not in other_names]
    if not names:
        raise DamageError(f"expected columns of numbers beside those of labels and times, found {_some(columns)}")
    _refuse_among(names, ANSWERS, section)
    return names


def _time_column(columns: Columns, section: SeriesData) -> str | None:
    if section.time_column is not None:
        return columns.name_of(section.time_column, "data.time_column")
    channels = section.columns or ()
    return next((name for name in columns.cells if time_name(name)[0] in TIMES and name not in channels), None)


def _refuse_among(names: Iterable[str], others: Iterable[str], section: SeriesData) -> None:
    """Raise `DamageError` where one of the names, in any case, is none of a channel."""
    other_names = {name.casefold() for name in others}
    other = next((name for name in names if name.casefold() in other_names), None)
    if section.columns is None and other is not None:
        raise DamageError(
            f"expected channels alone, found a column {other}: remove it, or name the channels with data.columns"
        )


def _some(columns: Columns) -> str:
    names = [name or "one without a name" for name in columns.cells]
    return first_names(names, 8)
