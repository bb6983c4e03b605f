"""The table of a user's own pictures or clouds: it says their labels, whatever the layout of its folder says."""

from dataclasses import replace
from pathlib import Path

from crosspath.config.data.files_table import FilesTable
from crosspath.data.items import Listing
from crosspath.data.tables import table_in, unread_columns
from crosspath.errors import InputError


def own_table(folder: Path, section: FilesTable) -> str | None:
    """The table in `folder` that is named, or that numbers need; None where labels are in annotations, and for sets
    that have theirs.

    Raises
    ------
    InputError
        As `table_in`, and for a file in place of the folder.
    """
    if not _has_table(section):
        return None
    if folder.is_file() and (section.csv is not None or section.label_kind == "numbers"):
        where = folder if section.csv is None else f"data.csv={section.csv}"
        todo = "unpack it, put the table beside its files, and name that folder with --set data.folder=DIR"
        raise InputError(where, "a folder that holds the table and its files", f"the file {folder.name}", todo)
    return table_in(folder, section)


def with_unread(listing: Listing, section: FilesTable) -> Listing:
    """The listing of samples that no table of the user's lists, with notes on a table and on columns that are named:
    labels are in annotations or class folders, or the set has its own.
    """
    notes = unread_columns(section)
    if section.csv is not None:
        labels = {"boxes": "boxes", "dense": "annotations"}.get(section.label_kind, f"labels of {section.dataset}")
        notes = (f"data.csv={section.csv} is not read: the {labels} have no table", *notes)
    return replace(listing, notes=(*listing.notes, *notes))


def _has_table(section: FilesTable) -> bool:
    return section.dataset == "folder" and section.label_kind in ("classes", "numbers")
