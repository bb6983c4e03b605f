"""Which data set a folder holds: a published one, or the user's own, of one modality."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.sets import PUBLISHED_SETS
from crosspath.config import Recipe
from crosspath.config.data import DataSection
from crosspath.data.class_layout import ARCHIVES, describe_unread
from crosspath.data.folder_tree import suffix_of, tree_of
from crosspath.errors import InputError
from crosspath.modalities import MODALITIES, Modality

NOTES = (".txt",)
"""Suffixes of files that often lie beside samples of another kind: no evidence where there are others."""


def recognise_set(folder: Path) -> PublishedSet | None:
    """The published set that has this folder's name, and is not plainly another; None for any other folder.

    Raises
    ------
    InputError
        For a missing folder, a published set under another name, and a data root of several sets.
    """
    if not folder.is_dir() and not is_set_file(folder):
        raise InputError(folder, "the folder of a data set", "none", "check the path")
    name = with_name(folder).name
    for entry in PUBLISHED_SETS.values():
        if entry.folder == name:
            return None if _is_own(entry, folder) else entry
    sets = [entry for entry in PUBLISHED_SETS.values() if (folder / entry.folder).is_dir()]
    inside = [entry.folder for entry in sets if not _is_own(entry, folder / entry.folder)]
    if inside:
        todo = f"name one of them, such as {folder / inside[0]}"
        raise InputError(folder, "the folder of one data set", f"a data root with {', '.join(inside)}", todo)
    for entry in PUBLISHED_SETS.values():
        if _matches(entry, folder):
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {entry.folder}, where readers look", f"{entry.name} as {name}", todo)
    return None


def guess_section(folder: Path) -> DataSection:
    """The `data` section for a user's class folders, of the modality of most files: that of its recipe `*/folder`.
    Files that two modalities read, such as .mp4, count for both; in a tie the modality with more files that only it
    reads is taken. Text files count only where nothing else is found.

    Raises
    ------
    InputError
        For a folder without files of any modality.
    """
    modalities = [modality for modality in MODALITIES.values() if modality.suffixes]
    owner = next((modality for modality in modalities if modality.claims(folder)), None)
    if owner is not None:
        return _section(owner, folder)
    if folder.is_file():
        return _section(next(modality for modality in modalities if modality.reads_file(folder)), folder)
    endings = Counter(suffix_of(names[-1]) for names in tree_of(folder).files)
    others = Counter({suffix: count for suffix, count in endings.items() if suffix not in NOTES})
    best = max(modalities, key=lambda modality: _counts(modality, others))
    if not _counts(best, others)[0]:
        best = max(modalities, key=lambda modality: _counts(modality, endings))
    if not _counts(best, endings)[0]:
        raise _no_media_error(folder, endings, [modality.content for modality in modalities])
    return _section(best, folder)


def is_set_file(path: Path) -> bool:
    """Whether a single file holds a whole data set of some modality."""
    return path.is_file() and any(modality.reads_file(path) for modality in MODALITIES.values())


def own_recipe(section: DataSection) -> Recipe | None:
    """The shipped recipe that trains on a user's files of this modality, with this section; None without one."""
    modality = MODALITIES[section.modality]
    kind = "folder" if section.folder is None else modality.recipe_for(section.folder)
    make = modality.recipes.get(f"{section.modality}/{kind}")
    return None if make is None else make().model_copy(update={"data": section})


def sections_of_set(entry: PublishedSet, folder: Path) -> list[DataSection]:
    """The `data` section of every variant of a set that is present: from its first recipe, else the defaults."""
    from crosspath.recipes import PRETRAINING, RECIPES

    recipe_sections = [recipe().data for table in (RECIPES, PRETRAINING) for recipe in table.values()]
    sections = []
    for dataset in entry.here(folder) or entry.datasets:
        default = MODALITIES[entry.modality].data_section({"dataset": dataset})
        sections.append(next((section for section in recipe_sections if section.dataset == dataset), default))
    return sections


def with_name(folder: Path) -> Path:
    """The folder with a name, also if given as `.` or ending in `..`."""
    return folder.resolve() if folder.name in ("", "..") else folder.absolute()


def _section(modality: Modality[Any, Any, Any], folder: Path) -> DataSection:
    recipe = own_recipe(modality.data_section({"folder": folder}))
    default = modality.data_section({}) if recipe is None else modality.recipes[recipe.name]().data
    section: DataSection = modality.inspect(default.model_copy(update={"folder": folder}))
    return section


def _counts(modality: Modality[Any, Any, Any], endings: Mapping[str, int]) -> tuple[int, int]:
    """(files that the modality reads, those of them that no other one does)."""
    own = [suffix for suffix in modality.suffixes if suffix not in modality.containers]
    return sum(endings[suffix] for suffix in modality.suffixes), sum(endings[suffix] for suffix in own)


def _no_media_error(folder: Path, endings: Mapping[str, int], contents: list[str]) -> InputError:
    kinds = sorted((suffix or "without suffix", count) for suffix, count in endings.items())
    found = f"none (but {describe_unread(kinds)})" if kinds else "none"
    todo = "choose another folder, or name its recipe with --recipe NAME"
    if any(suffix in ARCHIVES for suffix in endings):
        todo = (
            "unpack the archives, so that each class has a folder of its own; shards are read with --recipe NAME "
            "--set data.dataset=shards --set data.train_shards=NAMES"
        )
    *others, last = contents
    return InputError(folder, f"{', '.join(others)} or {last}", found, todo)


def _is_own(entry: PublishedSet, folder: Path) -> bool:
    """Whether a folder with the name of a published set holds class folders of the user's own instead."""
    if folder.is_file() or (entry.has_piece(folder) and (entry.is_marked(folder) or not _only_folders(entry))):
        return False
    return any(
        len(names) > 1 and suffix_of(names[-1]) in MODALITIES[entry.modality].suffixes
        for names in tree_of(folder).files
    )


def _only_folders(entry: PublishedSet) -> bool:
    """Whether every piece of a set is a file in some folder, as in class folders of anybody's."""
    return all(piece.pattern.endswith("/*") for piece in entry.pieces)


def _matches(entry: PublishedSet, folder: Path) -> bool:
    """Whether a folder has all pieces of a published set, its marks, and a file name that no other set has."""
    others = {piece.pattern for other in PUBLISHED_SETS.values() if other is not entry for piece in other.pieces}
    own = {piece.pattern for piece in entry.pieces if "*" not in piece.pattern} - others
    return any((folder / name).exists() for name in own) and not entry.missing(folder) and entry.is_marked(folder)
