"""Samples of class folders, and the folders of published sets."""

import os
from pathlib import Path

from crosspath.data.class_layout import class_layout, no_files_error
from crosspath.data.folder_tree import DiskFile, Names, Tree, is_hidden, tree_of
from crosspath.data.items import Item, Listing, Part, status_stamp
from crosspath.data.linked_files import SampleFiles
from crosspath.errors import InputError

__all__ = ["class_folder_items", "folder_below", "is_hidden", "no_files_error"]


def class_folder_items(
    folder: Path,
    suffixes: tuple[str, ...],
    kind: str,
    tree: Tree[DiskFile] | None = None,
    *,
    part: Part = None,
    files: SampleFiles | None = None,
) -> Listing:
    """The files of `folder/<class>/`, or of the same below `train/`, `val/` and `test/`; `class_layout` says in which
    order and what is refused. Links are followed; those that lead nowhere are listed as skipped.

    Parameters
    ----------
    tree
        What lies below the folder, where that is at hand.
    part
        That of the whole folder, where it is one of several.
    files
        The samples of the other parts; whoever gives them says what links they have.

    Raises
    ------
    InputError
        Also for a missing folder, and for a file that links make two samples.
    """
    if not folder.is_dir():
        raise InputError(folder, f"a folder of class folders with {kind}", "none", "check data.folder")
    tree = tree or tree_of(folder)
    layout = class_layout(folder, tree, suffixes, kind, part)
    items = []
    own = files or SampleFiles()
    for place, label, names, file in layout.samples:
        status = _status(file.path)
        own.add(file, place, label, status)
        items.append(Item(id="/".join(names), label=label, part=place, path=file.path, stamp=status_stamp(status)))
    notes = layout.notes if files is not None else (*layout.notes, *own.notes())
    return Listing(layout.classes, tuple(items), missing_samples(tree, suffixes), layout.unread, notes)


def folder_below(root: Path, name: str, inside: str) -> Path:
    """The folder of a published set below the data root.

    Raises
    ------
    InputError
        When it is missing; `inside` says what it should hold.
    """
    folder = root / name
    if not folder.is_dir():
        todo = "name its parent with --data DIR or CROSSPATH_DATA; `crosspath data list` shows where sets come from"
        raise InputError(folder, f"a folder with {inside}", "none", todo)
    return folder


def missing_samples(tree: Tree[DiskFile], suffixes: tuple[str, ...]) -> tuple[tuple[Path, str], ...]:
    """(path, reason) of links to a sample or a folder that is no longer there, and of pipes in place of samples."""
    links: list[tuple[Names, tuple[Path, str]]] = sorted(tree.broken_links.items())
    return tuple((path, reason) for _, (path, reason) in links if path.suffix.lower() in ("", *suffixes))


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(path, "a file that can be read", reason, "check its permissions") from None
