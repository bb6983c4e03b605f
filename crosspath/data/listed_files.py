"""Files that tables and lists name: where they are, why one is not found, and which are named twice."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from crosspath.data.folder_tree import tree_of
from crosspath.errors import InputError
from crosspath.files import is_file

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class ListedFiles:
    """Finds files of a table: absolute, relative to `folder` or to the table, or by name alone in a sub-folder."""

    def __init__(self, folder: Path, table: Path) -> None:
        self.folder = folder
        self.table = table

    def find(self, name: str, line: int) -> Path:
        """The file of that name in a row of the table.

        Raises
        ------
        InputError
            With the row, for a name that leads to no file or to several.
        """
        where = f"{self.table} row {line}"
        if not name:
            raise InputError(where, "the name of a file", "none", "complete or remove the row")
        if ADDRESS.match(name):
            todo = "download the file and write its path"
            raise InputError(where, "the path of a file", f"{name}, a URL", todo)
        paths = self._with_name(name)
        if not paths and "/" not in name:
            paths = self._by_name.get(name, [])
        identities = {file_identity(path): path for path in paths}
        if len(identities) > 1:
            found = " and ".join(map(str, list(identities.values())[:2]))
            raise InputError(where, f"one file {name}", found, "write its absolute path, or its path below data.folder")
        if not paths:
            found, todo = self._explain(name)
            raise InputError(where, "the name of a file", found, todo)
        return paths[0]

    def sample_id(self, name: str, path: Path) -> str:
        """The name of a sample within its set: as in the table; absolute ones relative to `folder`, where inside."""
        if Path(name).is_absolute() and path.is_relative_to(self.folder.absolute()):
            return path.relative_to(self.folder.absolute()).as_posix()
        return name

    def unread(self, suffixes: tuple[str, ...], identities: Collection[str]) -> tuple[tuple[str, int], ...]:
        """(kind, number) of the files below the folder with one of the suffixes that no row names; not the table."""
        identities = {*identities, file_identity(self.table)}
        counts = Counter(
            f"{path.suffix.lower()} not in the table"
            for path in self._tree
            if path.suffix.lower() in suffixes and file_identity(path) not in identities
        )
        return tuple(sorted(counts.items()))

    def _with_name(self, name: str) -> list[Path]:
        # Some systems store accents apart from their letters.
        spellings = dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))))
        paths = [root / spelling for root in (self.folder, self.table.parent) for spelling in spellings]
        return [path for path in dict.fromkeys(paths) if is_file(path)]

    @cached_property
    def _tree(self) -> list[Path]:
        """Every file below the folder."""
        return [file.path for file in tree_of(self.folder).files.values()] if self.folder.is_dir() else []

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        result: dict[str, list[Path]] = {}
        for path in self._tree:
            result.setdefault(path.name, []).append(path)
        return result

    def _explain(self, name: str) -> tuple[str, str]:
        """What is wrong with a name, and what to do: rows are often written for another system or by another rule."""
        for reason, other in (("back-slashes", name.replace("\\", "/")), ("percent escapes", unquote(name))):
            if other != name and self._with_name(other):
                return f"{name} with {reason}", f"write {other}"
        file_name = name.rpartition("/")[2].casefold()
        for near in sorted(self._by_name):
            if near.casefold() == file_name or Path(near).stem.casefold() == file_name:
                place = self._by_name[near][0].relative_to(self.folder)
                return f"{name}, which is missing; there is {place}", f"write {place}"
        kind = "; back-slashes separate no folders here" if "\\" in name else ""
        return f"{name}, which is missing{kind}", "restore the file or remove the row"


def require_file(path: Path, table: Path, line: int) -> Path:
    """The path, given in a row of a table. Raises `InputError` with the row when there is no such file."""
    if not is_file(path):
        missing = f"{path.name}, which is missing"
        raise InputError(f"{table} row {line}", "the name of a file", missing, "restore the file or remove the row")
    return path


def file_identity(path: Path, status: os.stat_result | None = None) -> str:
    """The same for every spelling of a path and every link to its file; `status` is the file's, where it is at hand."""
    status = status or path.stat()
    return f"{status.st_dev}-{status.st_ino}" if status.st_ino else os.path.normcase(path.resolve())


def refuse_duplicate(
    first_places: dict[str, str], name: str, where: str, *, identity: str | None = None, detail: str = ""
) -> None:
    """Notes in `first_places` where a sample is listed. Raises `InputError` where it is listed a second time.

    `identity` is that of its file, where several names may lead to it; `detail` is what the row says of it.
    """
    key = name if identity is None else identity
    if key in first_places:
        # A file in two parts would be tested on a model that was trained on it.
        raise InputError(
            where, "every file once", f"{name}{detail}, also in {first_places[key]}", "remove one of the rows"
        )
    first_places[key] = f"{where}{detail}"
