"""Whether links make two samples of one file, which would count twice, in two classes or in a part that is held out."""

import os

from crosspath.counts import quantity
from crosspath.data.folder_tree import DiskFile
from crosspath.data.items import Part
from crosspath.data.listed_files import file_identity
from crosspath.errors import InputError


class SampleFiles:
    """The files that are samples so far, each with its part and class."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[DiskFile, Part, int]] = {}
        self._copies = 0

    def add(self, file: DiskFile, part: Part, label: int, status: os.stat_result) -> None:
        """Raises `InputError` for a file that is a sample already: by a symbolic link, or by a hard link in another
        part or class. Hard links of one class in one part are how some programs store copies.
        """
        first = self._first.setdefault(file_identity(file.path, status), (file, part, label))
        first_file, *place = first
        if first_file is file:
            return
        if not (file.by_link or first_file.by_link) and place == [part, label]:
            self._copies += 1
            return
        todo = "remove one of the two, or the link that leads to it"
        raise InputError(file.path, "every file once", f"the file that is {first_file.path} as well", todo)

    def notes(self) -> tuple[str, ...]:
        """How many samples are hard links to another one."""
        files = quantity(self._copies, "sample is a hard link", "samples are hard links")
        return (f"{files} to another one, and counted beside it",) if self._copies else ()
