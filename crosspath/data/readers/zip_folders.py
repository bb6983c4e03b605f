"""Class folders inside a zip."""

import zipfile
from functools import lru_cache
from pathlib import Path, PurePosixPath

from crosspath.data.folders import is_hidden, no_files_error
from crosspath.data.items import PART_NAMES, Item, Listing, Part
from crosspath.errors import InputError

Member = tuple[tuple[str, ...], zipfile.ZipInfo]
"""The folders and the name of a file below the class folders' parent, and its entry in the archive."""


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
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, "a zip of class folders", f"a damaged one ({error})", "download it again") from None
    members = _images(entries, suffixes)
    if members:
        _refuse_empty_folders(path, entries, members, suffixes)
    members_of_parts = _by_part(_without_outer_folders(members), part)
    if not members_of_parts:
        todo = "put the images of each class into a folder of its own"
        raise InputError(path, "images in class folders", "none", todo)
    classes = sorted({folders[0] for _, (folders, _) in members_of_parts})
    training_classes = {folders[0] for own, (folders, _) in members_of_parts if own in ("train", None)}
    for name in classes:
        if name not in training_classes and part is None:
            raise no_files_error(f"{path} {name}/", "images", suffixes)
    items = (
        Item(
            id=f"{path.name}/{entry.filename}",
            label=classes.index(folders[0]),
            part=own,
            path=path,
            inside=entry.filename,
            stamp=f"{entry.file_size}-{entry.CRC}",
        )
        for own, (folders, entry) in sorted(members_of_parts, key=lambda member: member[1][1].filename)
    )
    return Listing(tuple(classes), tuple(items))


def _images(entries: list[zipfile.ZipInfo], suffixes: tuple[str, ...]) -> list[Member]:
    """The visible images in folders."""
    paths = [(PurePosixPath(entry.filename), entry) for entry in entries if not entry.is_dir()]
    return [
        (path.parts, entry)
        for path, entry in paths
        if len(path.parts) > 1 and not is_hidden(path.parts) and path.suffix.lower() in suffixes
    ]


def _refuse_empty_folders(
    path: Path, entries: list[zipfile.ZipInfo], members: list[Member], suffixes: tuple[str, ...]
) -> None:
    with_images = {parent for _, entry in members for parent in PurePosixPath(entry.filename).parents}
    folders = {PurePosixPath(entry.filename) for entry in entries if entry.is_dir()}
    empty = sorted(folder for folder in folders - with_images if not is_hidden(folder.parts))
    if empty:
        raise no_files_error(path / empty[0], "images", suffixes)


def _without_outer_folders(members: list[Member]) -> list[Member]:
    """The members relative to the parent of the class folders."""
    while len({folders[0] for folders, _ in members}) == 1 and any(len(folders) > 2 for folders, _ in members):
        members = [(folders[1:], entry) for folders, entry in members if len(folders) > 2]
    return members


def _by_part(members: list[Member], part: Part) -> list[tuple[Part, Member]]:
    """(part, member) for each member; where `train/` is one of the folders, these folders are the parts."""
    parts = [PART_NAMES.get(folders[0].lower()) for folders, _ in members]
    if part is not None or "train" not in parts:
        return [(part, member) for member in members]
    return [
        (own, (folders[1:], entry))
        for own, (folders, entry) in zip(parts, members, strict=True)
        if own is not None and len(folders) > 2
    ]
