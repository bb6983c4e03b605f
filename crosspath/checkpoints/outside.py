"""What a checkpoint names outside its folder: data, caches, addresses and auxiliaries. They are read only if it is the
user's own; else the user names them in the command.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosspath.config import Recipe
from crosspath.config.data import DataSection
from crosspath.errors import InputError
from crosspath.files import MANIFEST
from crosspath.modalities.load import with_absolute_folder
from crosspath.own import is_inside, is_own, remember

OTHER_DATA = ("fbank_folder", "train_shards", "validation_shards", "test_shards")
"""Settings that name data beside `data.folder`, where a section has them."""


def remember_outside(folder: Path, recipe: Recipe, auxiliaries: Mapping[str, Mapping[str, Any]]) -> None:
    """Note that this user's command wrote the checkpoint in `folder`, if it names anything outside."""
    if auxiliaries or recipe.data.cache_folder is not None or _data_settings(recipe.data):
        remember(folder / MANIFEST)


def is_own_checkpoint(path: Path) -> bool:
    """Whether this user wrote the checkpoint, whose files are those of its manifest: that is checked before."""
    return is_own((path if path.is_dir() else path.parent) / MANIFEST)


def data_section(recipe: Recipe, root: Path | None, where: Path, *, own: bool) -> DataSection:
    """The `data` section of a checkpoint's recipe, for reading: with `root` in place of its folder, where one is given.

    Raises
    ------
    InputError
        For data outside the checkpoint that the user has not named, unless the checkpoint is the user's `own`.
    """
    section = with_absolute_folder(recipe.data, root)
    if own:
        return section
    home = where if where.is_dir() else where.parent
    for name, value in _data_settings(section):
        if not (root is not None and name == "folder") and ("://" in value or not is_inside(value, home)):
            option = "--data DIR" if name == "folder" else "--recipe FILE, a recipe of your own"
            expected = "data that the command names, for a checkpoint from elsewhere"
            raise InputError(f"data.{name} of {where}", expected, value, f"name them with {option}")
    return section.model_copy(update={"cache_folder": None})


def check_origin(name: str, origin: str, where: Path) -> None:
    """Raise `InputError` for a frozen auxiliary outside a checkpoint from elsewhere."""
    if origin.startswith(("hf:", "timm:")) or not is_inside(origin, where if where.is_dir() else where.parent):
        found = f"{origin}, which a checkpoint from elsewhere names"
        todo = f"if you trust it, name it with --auxiliary {name}={origin}"
        raise InputError(f"auxiliary {name} of {where}", "a frozen auxiliary that the command names", found, todo)


def _data_settings(section: DataSection) -> list[tuple[str, str]]:
    """(setting, value) of everything in a section that leads to data."""
    names = ("folder", *OTHER_DATA) if section.dataset == "shards" else ("folder", OTHER_DATA[0])
    values = [(name, getattr(section, name, None)) for name in names]
    return [(name, str(value)) for name, value in values if value is not None]
