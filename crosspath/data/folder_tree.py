"""What lies below a folder, links included, before anyone asks which of it are samples."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from crosspath.errors import InputError

F = TypeVar("F")
Names = tuple[str, ...]
"""The folders and the name of a file, below the folder or archive that was named."""
SYSTEM = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "$recycle.bin", "lost+found")
)
"""What operating systems and storage devices leave in folders, in lower case."""


@dataclass
class Tree(Generic[F]):
    """The visible files below a folder or in an archive, and what else lies there."""

    files: dict[Names, F] = field(default_factory=dict)
    folders: set[Names] = field(default_factory=set)
    """All visible folders, empty ones too."""
    hidden_names: set[Names] = field(default_factory=set)
    """Hidden files and folders, without what lies in them."""
    broken_links: dict[Names, tuple[Path, str]] = field(default_factory=dict)
    """Links that lead nowhere: their path, and where they lead."""
    loops: dict[Names, str] = field(default_factory=dict)
    """Links to a folder that holds them, and where they lead; they are not followed."""

    def below(self, names: Names) -> "Tree[F]":
        """What lies below one of the folders, named from there."""
        depth = len(names)

        def inside(other: Names) -> bool:
            return len(other) > depth and other[:depth] == names

        return Tree(
            {other[depth:]: file for other, file in self.files.items() if inside(other)},
            {other[depth:] for other in self.folders if inside(other)},
            {other[depth:] for other in self.hidden_names if inside(other)},
            {other[depth:]: link for other, link in self.broken_links.items() if inside(other)},
            {other[depth:]: link for other, link in self.loops.items() if inside(other)},
        )


@dataclass(frozen=True)
class DiskFile:
    """A file of a folder."""

    path: Path
    by_link: bool
    """Whether it, or a folder above it, is a link."""


def tree_of(folder: Path) -> Tree[DiskFile]:
    """Everything below a folder. Links are followed, except those that lead to a folder around them.

    Raises
    ------
    InputError
        For a folder below it that cannot be opened.
    """
    tree: Tree[DiskFile] = Tree()
    _add_folder(tree, folder, (), by_link=False, around={_identity(folder)})
    return tree


def suffix_of(name: str) -> str:
    """`.jpg` of the last part of a name, in lower case, by the rule of `PurePath.suffix`: sets list it for every file,
    several times.
    """
    name = name.rpartition("/")[2]
    place = name.rfind(".")
    return name[place:].lower() if 0 < place < len(name) - 1 else ""


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether a path has a part that is no data, such as `.ipynb_checkpoints/`, `__MACOSX/` or `Thumbs.db`."""
    return any(part.startswith(".") or part.lower() in SYSTEM for part in parts)


def _add_folder(
    tree: Tree[DiskFile], folder: Path, names: Names, *, by_link: bool, around: set[tuple[int, int]]
) -> None:
    for entry in _entries(folder):
        own = (*names, entry.name)
        path, own_by_link = Path(entry.path), by_link or entry.is_symlink()
        if is_hidden([entry.name]):
            tree.hidden_names.add(own)
        elif entry.is_dir():
            identity = _identity(path)
            if identity in around:
                tree.loops[own] = os.path.realpath(path)
                continue
            tree.folders.add(own)
            _add_folder(tree, path, own, by_link=own_by_link, around=around | {identity})
        elif entry.is_symlink() and not path.exists():
            tree.broken_links[own] = (path, f"a link that leads nowhere (to {path.readlink()})")
        elif not entry.is_file():
            tree.broken_links[own] = (path, "a pipe or a device")  # a reader would wait for it
        else:
            tree.files[own] = DiskFile(path, own_by_link)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(folder, "a folder that can be read", reason, "check its permissions") from None


def _identity(folder: Path) -> tuple[int, int]:
    """The same for every path to a folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino
