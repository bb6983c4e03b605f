"""The table of a user's own pictures or clouds: it says their labels, whatever the layout of its folder says."""

from pathlib import Path

from crosspath.config.data.files_table import FilesTable
from crosspath.data.tables import table_in
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


def unread_table_notes(section: FilesTable) -> tuple[str, ...]:
    """A note on a table that is named where labels are in annotations, or for a set that has its own."""
    if section.csv is None or _has_table(section):
        return ()
    labels = {"boxes": "boxes", "dense": "annotations"}.get(section.label_kind, f"labels of {section.dataset}")
    return (f"data.csv={section.csv} is not read: the {labels} have no table",)


def _has_table(section: FilesTable) -> bool:
    return section.dataset == "folder" and section.label_kind in ("classes", "numbers")
