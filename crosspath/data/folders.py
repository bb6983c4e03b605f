"""Samples of class folders, and the folders of published sets."""

from collections.abc import Iterable
from pathlib import Path

from crosspath.data.items import PART_NAMES, Item, Listing, Part, file_stamp
from crosspath.errors import InputError


def class_folder_items(folder: Path, suffixes: tuple[str, ...], kind: str) -> Listing:
    """The files of `folder/<class>/`, or of the same below `train/`, `val/` and `test/`. Classes are sorted by name.

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
        for label, class_name in enumerate(classes):
            class_folder = root / class_name
            files = sorted(
                path
                for path in class_folder.rglob("*")
                if path.suffix.lower() in suffixes
                and not is_hidden(path.relative_to(class_folder).parts)
                and path.is_file()
            )
            if not files and part in ("train", None):
                raise no_files_error(class_folder, kind, suffixes)
            for path in files:
                name = path.relative_to(folder).as_posix()
                items.append(Item(id=name, label=label, part=part, path=path, stamp=file_stamp(path)))
    return Listing(tuple(classes), tuple(items))


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


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether a path has a part that is no data, such as `.ipynb_checkpoints/` or `__MACOSX/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def no_files_error(where: object, kind: str, suffixes: tuple[str, ...]) -> InputError:
    """The error for a class without files."""
    return InputError(where, f"{kind} ({', '.join(suffixes)})", "none", "fill the folder or remove it")


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not is_hidden([path.name])
