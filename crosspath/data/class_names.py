"""Class names in the cells of a column: their order, and the label of each cell."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from crosspath.counts import quantity
from crosspath.data.items import Label
from crosspath.data.label_cells import MISSING
from crosspath.data.labels import label_of
from crosspath.errors import InputError

UNLABELLED_CLASS = "unlabelled"
"""The class of samples without labels, for masked modelling."""
LABEL_SEPARATORS = (";", "|", ",")
"""Between several labels in one value: the first of these that a table uses."""
LIST = re.compile(r"\[(\s*['\"\[].*|\s*[-+.]?\d.*|[^]]*[,;|][^]]*|\s*)\]|[({]['\"].*[)}]", re.DOTALL)
"""How Python and JSON write lists, also in a cell. A class may be called [laughter]."""
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")

MANY_CLASSES = 10
"""Fewer numbers may well be names of classes, however few samples there are."""


def class_labels(
    cells: Sequence[str], rows: Sequence[int] | None, column: str, table: Path, several: bool
) -> tuple[list[Label], list[str]]:
    """The label of each cell of a column, and the classes; `rows` are its rows in the table, if it is from one alone.
    Raises `InputError`, with the row, as `table_items`."""
    places = [str(table) if rows is None else f"{table} row {rows[place]}" for place in range(len(cells))]
    labels = _names_in_cells(cells, places, column, several)
    of_rows = None if rows is None else dict(zip(rows, labels, strict=True))
    classes = class_order([name for names in labels for name in names], table, of_rows)
    numbers = {name: number for number, name in enumerate(classes)}
    own = [
        label_of([numbers[name] for name in names], several, where) for names, where in zip(labels, places, strict=True)
    ]
    return own, classes


def _names_in_cells(cells: Sequence[str], places: Sequence[str], column: str, several: bool) -> list[list[str]]:
    """The labels that each cell names."""
    separator = next((mark for mark in LABEL_SEPARATORS if any(mark in cell for cell in cells)), None)
    labels = []
    for cell, where in zip(cells, places, strict=True):
        if several and LIST.fullmatch(cell.strip()):
            todo = f"write it as a{LABEL_SEPARATORS[0]}b, without brackets and quotes"
            raise InputError(where, f"labels in `{column}`", f"a list: {cell[:60]}", todo)
        names = [cell] if separator is None or not several else cell.split(separator)
        # Some systems store accents apart from their letters.
        labels.append([unicodedata.normalize("NFC", name.strip()) for name in names])
        if not all(labels[-1]):
            raise InputError(where, f"a {column}", cell or "none", "complete or remove the row")
    return labels


def class_order(names: Iterable[str], table: Path, rows: Mapping[int, Sequence[str]] | None = None) -> list[str]:
    """Classes sorted, whole numbers by value; `rows` are the labels of each row, for the message.

    Raises
    ------
    InputError
        For labels that write one number in two ways.
    """
    classes = sorted(set(names), key=numbers_first)
    first_rows = {name: row for row, own in reversed(list((rows or {}).items())) for name in own}
    spellings: dict[float, str] = {}
    for name in classes:
        other = spellings.setdefault(float(name), name) if NUMBER.fullmatch(name) else name
        if other != name:
            places = sorted(first_rows[one] for one in (other, name) if one in first_rows)
            found = f"{other} and {name}" + (f" (rows {places[0]} and {places[1]})" if places else "")
            raise InputError(table, "one spelling of each number", found, "write the number in one way")
    return classes


def class_notes(cells: Sequence[str], classes: Sequence[str], several: bool) -> tuple[str, ...]:
    """Remarks on how `class_labels` read the cells: labels that differ in case only or may mean that there is none, and
    where a cell may hold several, cells that all hold one, and separators that stand inside labels; else, labels that
    look like measurements."""
    notes = _separator_notes(cells, classes) if several else []
    many = not several and len(classes) >= MANY_CLASSES and 2 * len(classes) > len(cells)
    if many and all(map(NUMBER.fullmatch, classes)):
        found = f"the {len(cells):,} labels are {len(classes):,} different numbers, and each number is a class"
        notes.append(f"{found}; to predict the numbers themselves: --set objective=regression")
    for name in classes:
        if name.casefold() in MISSING:
            count = quantity(sum(cell.strip() == name for cell in cells), "sample")
            notes.append(f"the label {name!r} of {count} is a class of its own: remove the rows if it means none")
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            notes.append(f"the labels {other} and {name} differ in case only, and are two classes")
    return tuple(notes)


def _separator_notes(cells: Sequence[str], classes: Sequence[str]) -> list[str]:
    marks = [mark for mark in LABEL_SEPARATORS if any(mark in cell for cell in cells)]
    if not marks:
        return [f"no sample has several labels: they are separated by {', '.join(LABEL_SEPARATORS[:-1])} or a comma"]
    inside = [(mark, name) for mark in marks[1:] for name in classes if mark in name]
    first = dict(reversed(inside))
    return [
        f"labels are separated by {marks[0]}, and {mark} is part of one: {first[mark]!r} is a class" for mark in first
    ]


def numbers_first(name: str) -> tuple[bool, int, str]:
    """Sort key: whole numbers from 0 on by value, then all other names in alphabetical order."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)
