"""Class folders inside a zip."""

import zipfile
from functools import lru_cache
from pathlib import Path, PurePosixPath

from crosspath.data.class_layout import class_layout
from crosspath.data.folder_tree import Names, Tree, is_hidden, suffix_of
from crosspath.data.items import Item, Listing, Part
from crosspath.errors import InputError


def list_zip(path: Path, part: Part, suffixes: tuple[str, ...]) -> Listing:
    """The images of class folders inside a zip, with or without folders around them all, and with or without `train/`,
    `val/`, `test/`; all in `part`, if given.

    The listing of an unchanged archive stays in memory: a study's runs ask for the same one hundreds of times.

    Raises
    ------
    InputError
        For a missing or damaged archive, no class folders, and a class without images.
    """
    try:
        state = path.stat()
    except OSError:
        return _read_zip(path, part, suffixes, None)
    return _read_zip(path, part, suffixes, (state.st_size, state.st_mtime_ns, state.st_ino))


@lru_cache(maxsize=4)
def _read_zip(path: Path, part: Part, suffixes: tuple[str, ...], state: tuple[int, ...] | None) -> Listing:
    """`state` differs once the file has changed."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except FileNotFoundError:
        raise InputError(path, "a zip of class folders", "none", "check the data folder") from None
    except Exception as error:  # many types: a damaged list, a name that is no text
        raise InputError(path, "a zip of class folders", f"a damaged one ({error})", "download it again") from None
    back = next((entry.filename for entry in entries if "\\" in entry.filename), None)
    if back is not None and not any("/" in entry.filename for entry in entries):
        todo = "write the archive again with a program that separates folders by /"
        raise InputError(path, "members in folders", f"back-slashes, which separate none: {back}", todo)
    tree = _without_outer_folders(_tree_of(path, entries), suffixes)
    layout = class_layout(path, tree, suffixes, "images", part)
    items = (
        Item(
            id=f"{path.name}/{entry.filename}",
            label=label,
            part=own,
            path=path,
            inside=entry.filename,
            stamp=f"{entry.file_size}-{entry.CRC}",
        )
        for own, label, _, entry in sorted(layout.samples, key=lambda sample: sample[3].filename)
    )
    return Listing(layout.classes, tuple(items), (), layout.unread, layout.notes)


def _tree_of(path: Path, entries: list[zipfile.ZipInfo]) -> Tree[zipfile.ZipInfo]:
    """What lies in the archive, which lists files and some or all of their folders."""
    tree: Tree[zipfile.ZipInfo] = Tree()
    for entry in entries:
        names = parts_of(entry.filename)
        visible_depth = len(names)
        if is_hidden(names):
            visible_depth = next(depth for depth, name in enumerate(names) if is_hidden([name]))
        if visible_depth < len(names):
            tree.hidden_names.add(names[: visible_depth + 1])
        depth = min(visible_depth, len(names) if entry.is_dir() else len(names) - 1)
        if depth and names[:depth] not in tree.folders:
            tree.folders |= {names[:end] for end in range(1, depth + 1)}
        if visible_depth == len(names) and not entry.is_dir():
            if names in tree.files:
                todo = "write the archive again: only one of the two can be read"
                raise InputError(path / entry.filename, "every member once", "it twice", todo)
            tree.files[names] = entry
    return tree


def parts_of(name: str) -> Names:
    """`PurePosixPath(name).parts`, in a tenth of the time."""
    if name.startswith("/"):
        return PurePosixPath(name).parts
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _without_outer_folders(tree: Tree[zipfile.ZipInfo], suffixes: tuple[str, ...]) -> Tree[zipfile.ZipInfo]:
    """What lies in the folder that holds the class folders: the one with all images, as far down as it has one."""
    while True:
        images = [names for names in tree.files if len(names) > 1 and suffix_of(names[-1]) in suffixes]
        outer = {names[:1] for names in images}
        if len(outer) != 1 or all(len(names) == 2 for names in images):
            return tree
        inner = tree.below(outer.copy().pop())
        # What lies outside counts as unread, as a file beside the class folders.
        inner.files |= {("/".join(names),): entry for names, entry in tree.files.items() if names[:1] not in outer}
        inner.hidden_names |= {("/".join(names),) for names in tree.hidden_names if names[:1] not in outer}
        tree = inner
