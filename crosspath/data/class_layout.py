"""Which files below a folder are samples of which class and part, which are not read, and which layouts are refused."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from crosspath.counts import first_names
from crosspath.data.folder_tree import Names, Tree, suffix_of
from crosspath.data.items import PART_NAMES, Part
from crosspath.errors import InputError

F = TypeVar("F")
Roots = list[tuple[Part, Names]]
"""(part, its folder), in which the class folders lie."""
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
MOST_NAMES = 3
"""Names given in a message, of many."""


@dataclass(frozen=True)
class Layout(Generic[F]):
    """The samples below a folder, part by part and class by class."""

    classes: tuple[str, ...]
    samples: tuple[tuple[Part, int, Names, F], ...]
    """(part, class number, names, file)."""
    unread: tuple[tuple[str, int], ...]
    """(kind of files, their number) of what is not read: a suffix, `hidden`, `.png beside the class folders`."""
    notes: tuple[str, ...]


def class_layout(
    where: Path, tree: Tree[F], suffixes: tuple[str, ...], content: str, only_part: Part = None
) -> Layout[F]:
    """Class folders, or those below `train/`, `val/` and `test/`. A class has all files with `suffixes` below its
    folder, at any depth; classes are sorted by name.

    Parameters
    ----------
    content
        What the files hold, for messages: `images`.
    only_part
        The part of all samples; no folder is then taken for a part.

    Raises
    ------
    InputError
        For no class folders, a class or a part without files, folders named as parts beside others or inside a class,
        and class folders whose names differ only in blanks or Unicode form.
    """
    top = sorted(names[0] for names in tree.folders if len(names) == 1)
    roots: Roots = [(only_part, ())] if only_part is not None else part_roots(where, top)
    class_folders = {root: _folders_in(tree, root) for _, root in roots}
    for _, root in roots:
        _refuse_without_classes(where, tree, root, class_folders[root], suffixes, content)
        if only_part is None:
            _refuse_parts_in_classes(where, tree, root)
    classes = sorted({name for names in class_folders.values() for name in names})
    _refuse_twins(where, classes)
    of_class: dict[Names, list[Names]] = defaultdict(list)
    unread: Counter[str] = Counter()
    starts = {(*root, name) for root, names in class_folders.items() for name in names}
    for names in sorted(tree.files):
        suffix = suffix_of(names[-1])
        start = next((names[:depth] for depth in (1, 2) if names[:depth] in starts and len(names) > depth), None)
        if start is not None and suffix in suffixes:
            of_class[start].append(names)
        else:
            unread[(suffix or "without suffix") + ("" if start else " beside the class folders")] += 1
    samples = []
    for part, root in roots:
        for label, name in enumerate(classes):
            members = of_class[(*root, name)]
            if not members and (part in ("train", None) or only_part is not None):
                raise no_files_error(where.joinpath(*root, name), content, suffixes, _kinds(tree, (*root, name)))
            samples += [(part, label, names, tree.files[names]) for names in members]
    unread.update(suffix_of(names[-1]) for names in tree.broken_links)
    for suffix in ("", *suffixes):  # those links are faults
        unread.pop(suffix, None)
    if tree.hidden_names:
        unread["hidden"] = len(tree.hidden_names)
    notes = (*_nested_notes(of_class), *_other_notes(tree, classes))
    return Layout(tuple(classes), tuple(samples), tuple(sorted(unread.items())), notes)


def part_roots(where: Path, top: Sequence[str]) -> Roots:
    """The folders of the parts, or the folder itself for class folders without parts.

    Raises
    ------
    InputError
        For folders named as parts beside others, which may be a class called `train` or a stray folder, and for parts
        without `train`, or two folders for one part.
    """
    parts = [name for name in top if name.lower() in PART_NAMES]
    others = [name for name in top if name.lower() not in PART_NAMES]
    if not parts:
        return [(None, ())]
    if others:
        todo = (
            f"for a class called {parts[0]}, rename the folder (to {parts[0]}_class, say); for parts of the data,"
            f" move {first_names(others, MOST_NAMES)} out of {where}"
        )
        expected = "class folders, or folders of parts (train, val, test) and no others"
        raise InputError(
            where, expected, f"{first_names(parts, MOST_NAMES)} beside {first_names(others, MOST_NAMES)}", todo
        )
    roots: Roots = [(PART_NAMES[name.lower()], (name,)) for name in parts]
    for part in dict(roots):
        same = [name for other, (name, *_) in roots if other == part]
        if len(same) > 1:
            todo = f"move what {same[1]} holds into {same[0]}, and remove it"
            raise InputError(where, f"one folder for the part {part}", f"{' and '.join(same)}", todo)
    if "train" not in dict(roots):
        todo = (
            f"name the folder to train on `train`; for a class called {parts[0]}, rename its folder (to "
            f"{parts[0]}_class, say)"
        )
        raise InputError(
            where, "a folder `train` beside the other parts", f"only {first_names(parts, MOST_NAMES)}", todo
        )
    return roots


def describe_unread(unread: Iterable[tuple[str, int]]) -> str:
    """`6 .heic, 1 hidden`, for messages."""
    return ", ".join(f"{count:,} {kind}" for kind, count in unread)


def no_files_error(
    where: object, content: str, suffixes: tuple[str, ...], unread: Iterable[tuple[str, int]] = ()
) -> InputError:
    """The error for a class without files; `unread` are those of other kinds in its folder."""
    kinds = dict(unread)
    others = f" (but {describe_unread(kinds.items())})" if kinds else ""
    todo = "fill the folder or remove it"
    if any(kind in ARCHIVES for kind in kinds):
        todo = "unpack the archive into the folder"
    elif kinds:
        todo = "convert its files to one of these formats, or remove the folder"
    return InputError(where, f"{content} ({', '.join(suffixes)})", f"none{others}", todo)


def _folders_in(tree: Tree[F], root: Names) -> list[str]:
    return sorted(names[-1] for names in tree.folders if names[:-1] == root)


def _kinds(tree: Tree[F], start: Names) -> list[tuple[str, int]]:
    """(suffix, number) of the files below a folder."""
    inside = [names for names in tree.files if names[: len(start)] == start]
    kinds = Counter(suffix_of(names[-1]) or "without suffix" for names in inside)
    links = sum(names[: len(start)] == start for names in tree.broken_links)
    return sorted({**kinds, **({"links that lead nowhere, or pipes": links} if links else {})}.items())


def _refuse_without_classes(
    where: Path, tree: Tree[F], root: Names, classes: list[str], suffixes: tuple[str, ...], content: str
) -> None:
    links = [link for names, link in tree.broken_links.items() if len(names) == len(root) + 1 and names[:-1] == root]
    for path, reason in links:
        if path.suffix.lower() in ("", *suffixes):
            raise InputError(path, "a class folder", reason, "restore what it leads to, or remove it")
    if classes:
        return
    kinds = _kinds(tree, root)
    found = f"none (but {describe_unread(kinds)})" if kinds else "none"
    todo = "put the files of each class into a folder of its own"
    if any(kind in ARCHIVES for kind, _ in kinds):
        todo = "unpack the archives there, so that each class has a folder of its own"
    tables = sorted(names[-1] for names in tree.files if len(names) == 1 and suffix_of(names[-1]) == ".csv")
    if len(tables) == 1 and not root:
        todo += f"; or let the table name their classes: --set data.csv={tables[0]}"
    if root:
        todo += f" below {root[-1]}; or move {root[-1]} out of {where}"
        todo += "" if PART_NAMES[root[-1].lower()] == "train" else ": that part is then held out of training"
    raise InputError(where.joinpath(*root), f"class folders with {content}", found, todo)


def _refuse_parts_in_classes(where: Path, tree: Tree[F], root: Names) -> None:
    """`cat/train/` and `cat/test/` would be pooled and split anew."""
    depth = len(root) + 2
    inner = sorted(
        names
        for names in tree.folders
        if len(names) == depth and names[:-2] == root and names[-1].lower() in PART_NAMES
    )
    if not inner:
        return
    first = inner[0]
    place = where.joinpath(*first)
    new_place = where.joinpath(*root, first[-1], first[-2])
    todo = f"move it to {new_place}, and the parts of the other classes likewise; if it is no part, rename it"
    if root:
        todo = "rename it, or move its files one folder up"
    raise InputError(place, "class folders below the folders of parts, not above them", f"{first[-1]} in a class", todo)


def _refuse_twins(where: Path, classes: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(unicodedata.normalize("NFC", name.strip()), name)
        if other != name:
            # As escapes where the two would look alike.
            found = " and ".join(map(repr if other.isascii() else ascii, (other, name)))
            expected = "class folders whose names differ in more than blanks or Unicode form"
            raise InputError(where, expected, found, "move the files of one into the other, or rename one of them")


def _nested_notes(of_class: dict[Names, list[Names]]) -> list[str]:
    """Which classes have files in folders of their own."""
    inner = {
        start: sorted({names[len(start)] for names in members if len(names) > len(start) + 1})
        for start, members in of_class.items()
    }
    names = [
        f"{'/'.join(start)} ({first_names(folders, MOST_NAMES)})" for start, folders in sorted(inner.items()) if folders
    ]
    return (
        [f"files in sub-folders belong to the class folder above them: {first_names(names, MOST_NAMES)}"]
        if names
        else []
    )


def _other_notes(tree: Tree[F], classes: Sequence[str]) -> list[str]:
    notes = [f"the class folder {name!r} has blanks around its name" for name in classes if name != name.strip()]
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            notes.append(f"the class folders {other} and {name} differ in case only, and are two classes")
    archives = sorted("/".join(names) for names in tree.files if suffix_of(names[-1]) in ARCHIVES)
    if archives:
        notes.append(f"archives are not unpacked; skipped: {first_names(archives, MOST_NAMES)}")
    notes += [
        f"{'/'.join(names)} is a link to {target}, a folder around it, and is not followed"
        for names, target in sorted(tree.loops.items())
    ]
    return notes
