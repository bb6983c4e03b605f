"""Texts: class folders of `.txt`, or tables with a row for each text."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data import TextData
from crosspath.data.class_names import UNLABELLED_CLASS, class_labels, class_notes
from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import (
    PART_NAMES,
    DamageError,
    Item,
    Label,
    Listing,
    Part,
    TrainingView,
    file_stamp,
    require_within,
)
from crosspath.data.label_cells import cell_labels, label_columns, reads_cells
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.readers.text_tables import SUFFIXES as TABLES
from crosspath.data.readers.text_tables import Columns, Table, find_columns, read_text_table
from crosspath.data.table_rows import part_of
from crosspath.data.tables import no_table_error, numbers_note, unread_columns
from crosspath.data.text_files import decode_text
from crosspath.data.vocabulary import Vocabulary, encode_text, vocabulary_of
from crosspath.errors import InputError
from crosspath.limits import BYTES

FILES = (".txt",)
SUFFIXES = (*FILES, *TABLES)
BANKING = {"train": "train.csv", "test": "test.csv"}


class TextReader:
    """Reads a `data` section of texts. Samples are rows of token numbers, as `encode_text` makes them."""

    def __init__(self, section: TextData) -> None:
        self.section = section
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((section.length + 1,), np.dtype(np.int32))
        if section.dataset == "dyck":
            self.sample = ((section.length,), np.dtype(np.int64))
        self._vocabulary: Vocabulary | None = None
        self._lock = Lock()
        self._texts = self._longer = self._longest = 0

    @property
    def vocabulary(self) -> Vocabulary:
        """Read when it is first needed: a listing needs none."""
        if self._vocabulary is None:
            self._vocabulary = vocabulary_of(self.section)
        return self._vocabulary

    @property
    def settings(self) -> dict[str, Any]:
        """On which listing and decoding depend."""
        names = ("length", "table", "text_column", "label_column", "split_column", "encoding")
        own = {name: getattr(self.section, name) for name in names} | {"tokenizer": self.vocabulary.sha256}
        return own | label_settings(self.section)

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """Every text of a table, of `train.csv` and `test.csv` (or another suffix), or of class folders. A text that is
        empty is listed, and refused when it is decoded. With `data.multi_label` labels are tuples.

        Raises
        ------
        InputError
            For none of these, several tables without names of parts, and a row without a label beside others with one.
        """
        listing = self._listing(folder)
        return as_label_tuples(listing) if self.section.several_labels else listing

    def _listing(self, folder: Path) -> Listing:
        if self.section.dataset == "banking77":
            root = folder_below(folder, "banking77", "train.csv and test.csv")
            return self._of_tables([(PART_NAMES[part], root / name) for part, name in BANKING.items()])
        if folder.is_file():
            return self._of_tables([(None, folder)])
        if self.section.table is not None:
            return self._of_tables([(None, folder / self.section.table)])
        tables = sorted(path for path in _entries(folder) if path.suffix.lower() in TABLES)
        parts = {path: PART_NAMES.get(path.stem.lower()) for path in tables}
        if len(tables) == 1 or (tables and all(parts.values()) and len(set(parts.values())) == len(tables)):
            return self._of_tables([(part, path) for path, part in parts.items()])
        if tables:
            todo = "choose one with --set data.table=NAME, or name them train.csv and test.csv"
            raise InputError(folder, "one table, or one for each part", ", ".join(p.name for p in tables[:5]), todo)
        if self.section.label_kind == "numbers":
            raise no_table_error(folder, f"text,{self.section.label_column or 'label'}")
        listing = class_folder_items(folder, FILES, "texts")
        return replace(listing, notes=(*listing.notes, *unread_columns(self.section)))

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; no file stays open."""
        yield self._decode

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """Decoded texts: nothing alters them."""
        yield lambda item, sample: (self._decode(item), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One file with one text; raises `DamageError`."""
        return self.decode_object(self._text_of(path))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """One text, or the token numbers of brackets; raises `DamageError`."""
        if self.section.dataset == "dyck":
            return self._brackets(value)
        if not isinstance(value, str):
            raise DamageError(f"expected a text, found a {type(value).__name__}")
        tokens = encode_text(self.vocabulary, value, self.section.length)
        with self._lock:
            self._texts += 1
            self._longer += int(tokens[-1] > self.section.length)
            self._longest = max(self._longest, int(tokens[-1]))
        return tokens

    def remarks(self) -> tuple[str, ...]:
        """How many of the texts that the reader has decoded are cut."""
        return cut_note(self._longer, self._texts, self._longest, self.section.length)

    def _brackets(self, value: Any) -> NDArray[Any]:
        array, vocabulary = np.asarray(value), 2 * self.section.kinds
        if array.shape != self.sample[0] or array.dtype.kind not in "iufb":
            raise DamageError(f"expected numbers of shape {self.sample[0]}, found {array.dtype} of shape {array.shape}")
        tokens = array.astype(np.int64)
        if (tokens != array).any() or tokens.min() < 0 or tokens.max() >= vocabulary:
            found = f"{array.min()} to {array.max()}"
            raise DamageError(f"expected token numbers from 0 to {vocabulary - 1}, found {found}")
        return tokens

    def sample_of(self, text: str, name: str) -> NDArray[Any]:
        """A text of the user's own. Raises `InputError`, naming it, for one without a word."""
        try:
            return self.decode_object(text)
        except DamageError as damage:
            raise InputError(name.strip() or repr(name), "a text", str(damage), "correct it, or leave it out") from None

    def texts_of(self, path: Path) -> list[tuple[str, str]]:
        """(name, text) of every text in a file of the user's own: a row each of a table, else the one it holds."""
        if path.suffix.lower() not in TABLES:
            try:
                return [(str(path), self._text_of(path))]
            except OSError as error:
                todo = "check the path; to classify the name itself, write it into a .txt file"
                raise InputError(path, "a text file", error.strerror or str(error), todo) from None
            except DamageError as damage:
                raise InputError(path, "a text file", str(damage), "choose another file") from None
        table = self._table(path)
        columns = self._columns(table, path, predicting=True)
        return [
            (f"{path} row {row}", text or "")
            for (row, _), text in zip(table.rows, table.column(columns.text), strict=True)
        ]

    def _text_of(self, path: Path) -> str:
        require_within(BYTES, path.stat().st_size)
        try:
            return decode_text(path.read_bytes(), str(path), "a text", self.section.encoding, "data.encoding")
        except InputError as error:
            raise DamageError(f"{error.found}, expected {error.expected}: {error.todo}") from None

    def _decode(self, item: Item) -> NDArray[Any]:
        if not isinstance(item.inside, int):
            return self.decode_file(item.path)
        try:
            return self.decode_object(_texts(item.path, item.stamp, self.section)[item.inside])
        except DamageError as damage:
            raise DamageError(f"{damage} in row {item.inside}") from None

    def _table(self, path: Path) -> Table:
        return read_text_table(path, self.section.encoding)

    def _columns(self, table: Table, path: Path, *, predicting: bool = False) -> Columns:
        text, label, split = self._column_names()
        if predicting:
            label, split = (None if name not in table.names else name for name in (label, split))
            text = text if text in table.names or len(table.names) > 1 else table.names[0]
        others = self.section.label_columns or ()
        return find_columns(table, path, text, label, split, {} if predicting else PART_NAMES, others)

    def _of_tables(self, tables: list[tuple[Part, Path]]) -> Listing:
        entries: list[tuple[Path, int, Part, str]] = []
        of_cells: list[Label] = []
        names: tuple[str, ...] = ()
        notes = []
        for part, path in tables:
            table = self._table(path)
            columns = self._columns(table, path)
            if (columns.text, columns.label, columns.split) != self._column_names():
                notes.append(columns.note(path.name))
            lines = [row for row, _ in table.rows]
            if reads_cells(self.section):
                own_names = label_columns(self.section, columns.label or "label")
                _require_columns(table, path, own_names)
                cells = {name: table.column(name) for name in own_names}
                names, own_labels = cell_labels(self.section, cells, lines, path)
                of_cells += own_labels
            labels = [None] * len(table.rows) if columns.label is None else table.column(columns.label)
            parts = [None] * len(table.rows) if columns.split is None else table.column(columns.split)
            for (row, _), label, own in zip(table.rows, labels, parts, strict=True):
                place = part if columns.split is None else part_of(own or "", path, row)
                entries.append((path, row, place, unicodedata.normalize("NFC", label or "")))
        stamps = {path: file_stamp(path) for _, path in tables}
        if reads_cells(self.section):
            items = [
                Item(id=f"{path.name}/{row}", label=label, part=place, path=path, inside=row, stamp=stamps[path])
                for (path, row, place, _), label in zip(entries, of_cells, strict=True)
            ]
            if self.section.label_kind == "numbers":
                notes += [numbers_note(path.name, names) for _, path in tables]
            return Listing(names, tuple(items), notes=tuple(notes), label_kind=self.section.label_kind)
        without = next(((path, row) for path, row, _, label in entries if not label), None)
        if without is not None and any(label for *_, label in entries):
            raise InputError(f"{without[0]} row {without[1]}", "a label", "none", "complete or remove the row")
        if without is not None:
            entries = [(path, row, place, UNLABELLED_CLASS) for path, row, place, _ in entries]
        texts, several = [label for *_, label in entries], self.section.several_labels
        class_numbers, classes = class_labels(texts, None, "label", tables[0][1], several)
        items = [
            Item(id=f"{path.name}/{row}", label=label, part=place, path=path, inside=row, stamp=stamps[path])
            for (path, row, place, _), label in zip(entries, class_numbers, strict=True)
        ]
        return Listing(tuple(classes), tuple(items), notes=(*notes, *class_notes(texts, classes, several)))

    def _column_names(self) -> tuple[str | None, str | None, str | None]:
        """The columns of texts, labels and parts, where they are named."""
        own = self.section
        if own.dataset == "banking77":
            return "text", "category", None
        return own.text_column, own.label_column, own.split_column


def _require_columns(table: Table, path: Path, names: tuple[str, ...]) -> None:
    """Raise `InputError` for a column of labels that is not there."""
    missing = [name for name in names if name not in table.names]
    if missing:
        todo = "name the columns of labels with --set data.label_columns=[A,B]"
        raise InputError(path, f"a column {missing[0]}", ", ".join(table.names), todo)


@lru_cache(maxsize=4)
def _texts(path: Path, stamp: str, section: TextData) -> Mapping[int, str]:
    """{row: text} of a table; the stamp differs once it has changed."""
    reader = TextReader(section)
    table = reader._table(path)
    column = table.column(reader._columns(table, path).text)
    return {row: text or "" for (row, _), text in zip(table.rows, column, strict=True)}


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(folder, "a folder of texts, or a table", "none", "check data.folder")
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]


def cut_note(longer: int, texts: int, longest: int, length: int) -> tuple[str, ...]:
    """What is said where so many of the texts are cut to `length`; nothing where none is."""
    verb = "is" if longer == 1 else "are"
    note = (
        f"{longer:,} of {texts:,} texts {verb} longer than {length} tokens and {verb} cut; the longest has {longest:,}"
    )
    return (f"{note} (data.length)",) if longer else ()
