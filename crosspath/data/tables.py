"""Samples that a table lists: csv with a row for each file, and its labels as classes or numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosspath.config.data import DataSection
from crosspath.config.data.files_table import FilesTable
from crosspath.data.class_names import class_labels, class_notes
from crosspath.data.items import Item, Listing, file_stamp
from crosspath.data.label_cells import cell_labels, label_columns, reads_cells
from crosspath.data.listed_files import ListedFiles, file_identity, refuse_duplicate
from crosspath.data.table_rows import part_of, read_table
from crosspath.errors import InputError

TABLES = (".csv", ".tsv")
COLUMNS = ("file_column", "text_column", "label_column", "label_columns", "split_column")
"""Settings that name columns."""


def table_items(
    folder: Path,
    table: str,
    file_column: str,
    label_column: str,
    split_column: str | None,
    below: str = "",
    *,
    encoding: str | None = None,
    section: DataSection | None = None,
    suffixes: tuple[str, ...] = (),
) -> Listing:
    """The samples of a csv with one row for each file. Classes are sorted, numbers by value.

    Files are absolute, relative to `folder / below` or to the table, or named without their sub-folder. Where `section`
    says so labels are numbers, or several: separated by `;`, `|` or `,` in one value, or in `data.label_columns`. Files
    with one of the `suffixes` that no row names are counted as unread.

    Raises
    ------
    InputError
        For a missing table or column, an unknown split, labels that write one number in two ways, and a row without a
        label, or whose file is missing or listed in an earlier row; for numbers, as `cell_labels`.
    """
    path = folder / table
    section = section or DataSection(modality="")
    names_of_labels = label_columns(section, label_column)
    columns = (file_column, *names_of_labels, *([split_column] if split_column else []))
    todo = (
        "name your columns in a first row, and here with data.file_column, data.label_column and data.split_column; for"
        " numbers: --set objective=regression --set data.label_columns=[A,B]; for several labels, in columns of 0 and"
        " 1: --set data.multi_label=true --set data.label_columns=[A,B]"
    )
    if section.label_kind == "numbers":
        todo = (
            "name the columns of numbers with --set data.label_columns=[A,B], and that of files with data.file_column"
        )
    rows = list(read_table(path, columns, encoding=encoding, setting="data.encoding", header_todo=todo))
    lines, cells = [line for line, _ in rows], {name: [row[name] for _, row in rows] for name in names_of_labels}
    if reads_cells(section):
        names, row_labels = cell_labels(section, cells, lines, path)
        classes = list(names)
    else:
        row_labels, classes = class_labels(cells[label_column], lines, label_column, path, section.several_labels)
    files = ListedFiles(folder / below, path)
    items = []
    first_rows: dict[str, str] = {}
    for (line, row), label in zip(rows, row_labels, strict=True):
        where, name = f"{path} row {line}", row[file_column]
        part = None if split_column is None else part_of(row[split_column], path, line)
        file = files.find(name, line)
        own = ", ".join(repr(row[name]) for name in names_of_labels)
        detail = f" as {own}" + (f" ({part})" if part else "")
        refuse_duplicate(first_rows, name, where, identity=file_identity(file), detail=detail)
        items.append(Item(id=files.sample_id(name, file), label=label, part=part, path=file, stamp=file_stamp(file)))
    kind = section.label_kind
    notes: tuple[str, ...] = (numbers_note(path.name, classes),) if kind == "numbers" else ()
    if not reads_cells(section):
        notes = class_notes(cells[label_column], classes, section.several_labels)
    return Listing(tuple(classes), tuple(items), (), files.unread(suffixes, first_rows), notes, kind)


def table_in(folder: Path, section: FilesTable) -> str | None:
    """The table of the files in a folder: `data.csv`; where labels are numbers also `labels.csv`, or the only table.

    Raises
    ------
    InputError
        For several tables of which none is called `labels.csv`, and for none where labels are numbers.
    """
    if section.csv is not None or section.label_kind != "numbers":
        return section.csv
    entries = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in entries if path.suffix.lower() in TABLES and path.is_file())
    usual = [name for name in names if Path(name).stem.casefold() == "labels"] or names
    if len(usual) > 1:
        raise InputError(folder, "one table", ", ".join(usual[:5]), "choose one with --set data.csv=NAME")
    if not usual:
        raise no_table_error(folder, f"{section.file_column},{section.label_column}")
    return usual[0]


def table_settings(section: FilesTable) -> dict[str, Any]:
    """The settings of a table of files, for the key of the cache; empty where none is read."""
    if section.csv is None and section.label_kind != "numbers":
        return {}
    names = (section.csv, section.file_column, section.label_column, section.split_column, section.encoding)
    return {"table": list(names)}


def unread_columns(section: DataSection) -> tuple[str, ...]:
    """Notes on columns of a table that are named where no table lists the samples."""
    fields = type(section).model_fields
    settings = {name: getattr(section, name) for name in COLUMNS if name in fields}
    return tuple(
        f"data.{name}={', '.join(value) if isinstance(value, tuple) else value} is not read: no table lists the samples"
        for name, value in settings.items()
        if value != fields[name].default
    )


def no_table_error(where: Path, header: str) -> InputError:
    """The error for files whose numbers no table says."""
    own = f"write one, such as {where / 'labels.csv'} with the first row `{header}` and a row for each file"
    expected = "a table (.csv) with a row for each sample and the numbers to predict"
    return InputError(where, expected, "none", f"{own}; --set data.label_columns=[A,B] names other columns of numbers")


def numbers_note(table: str, columns: Sequence[str]) -> str:
    """What of a table is read as numbers, for the run's notes."""
    return f"{table}: {', '.join(columns)} {'is' if len(columns) == 1 else 'are'} predicted, as numbers"


def list_files(folder: Path, table: str, section: FilesTable, suffixes: tuple[str, ...]) -> Listing:
    """`table_items` of a user's own table, as its section says."""
    columns = (section.file_column, section.label_column, section.split_column)
    return table_items(folder, table, *columns, encoding=section.encoding, section=section, suffixes=suffixes)
