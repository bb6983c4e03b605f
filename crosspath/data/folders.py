"""Samples of class folders, and the folders of shipped sets."""

from collections.abc import Iterable
from pathlib import Path

from crosspath.data.items import PART_NAMES, Item, Listing, Part, file_stamp
from crosspath.errors import InputError


def class_folder_items(folder: Path, suffixes: tuple[str, ...], kind: str) -> Listing:
    """`folder/<class>/files`, or the same below `train/`, `val/` and `test/`.

    Raises
    ------
    InputError
        For a missing folder, no class folders, or a class without files.
    """
    if not folder.is_dir():
        raise InputError(folder, f"a folder of class folders with {kind}", "none", "check data.folder")
    parts: list[tuple[Part, Path]] = [
        (PART_NAMES[path.name.lower()], path)
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name.lower() in PART_NAMES
    ]
    if "train" not in dict(parts):
        parts = [(None, folder)]
    classes = sorted({path.name for _, root in parts for path in root.iterdir() if _visible_folder(path)})
    if not classes:
        raise InputError(
            folder, f"class folders with {kind}", "none", "put the files of each class into a folder of its own"
        )
    items = []
    for part, root in parts:
        for label, name in enumerate(classes):
            files = sorted(
                path
                for path in (root / name).rglob("*")
                if path.suffix.lower() in suffixes
                and not is_hidden(path.relative_to(root / name).parts)
                and path.is_file()
            )
            if not files and part in ("train", None):
                raise no_files_error(root / name, kind, suffixes)
            for path in files:
                name_inside = path.relative_to(folder).as_posix()
                items.append(Item(id=name_inside, label=label, part=part, path=path, stamp=file_stamp(path)))
    return Listing(tuple(classes), tuple(items))


def folder_below(root: Path, name: str, inside: str) -> Path:
    """The folder of a shipped set below the data root.

    Raises
    ------
    InputError
        When it is missing: what was expected inside, and what to do.
    """
    folder = root / name
    if not folder.is_dir():
        raise InputError(folder, f"a folder with {inside}", "none", "name its parent with --data DIR or CROSSPATH_DATA")
    return folder


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether a path below a class folder is bookkeeping, not data (`.ipynb_checkpoints/`, `__MACOSX/`)."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def no_files_error(where: object, kind: str, suffixes: tuple[str, ...]) -> InputError:
    """The error for a class that has nothing to train on."""
    return InputError(where, f"{kind} ({', '.join(suffixes)})", "none", "fill the folder or remove it")


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not is_hidden([path.name])
