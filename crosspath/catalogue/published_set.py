"""The description of a published set: pieces, archives, licence. `sets.py` has the table."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crosspath.data.places import SET_FOLDERS

HEAD_BYTES = 1 << 14
"""Of a table or list, in which a mark is looked for."""


@dataclass(frozen=True)
class Piece:
    """A file or folder that a set's folder must contain."""

    pattern: str
    """Path relative to the folder, `*` for any name."""
    what: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to download from the set's publisher."""

    address: str
    name: str
    """File name on disk; its suffix gives the format."""
    size: int | None = None
    sha256: str | None = None
    """None if no checksum is published: it is then recorded, not verified."""


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A set that recipes read by name."""

    name: str
    modality: Literal["image", "audio", "point", "video", "series", "text"]
    datasets: tuple[str, ...]
    """Values of `data.dataset` for it."""
    classes: int
    samples: Mapping[str, int]
    """Published number of samples of each part."""
    licence: str
    terms: str
    """URL of the licence or terms."""
    tree: tuple[Piece, ...] = ()
    """Pieces that are always required."""
    variants: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)
    """{name: pieces}, of which one must be complete: other layouts, or the pieces that one of `datasets` needs, under
    its name."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """{pattern of a file: text that stands in it, or the name of a zip's member}, by which the set is told from others
    with the same pieces. Without text the file's presence is enough."""
    archives: tuple[Archive, ...] = ()
    """Downloads of `crosspath data get`; empty if the user must follow `steps`."""
    steps: tuple[str, ...] = ()
    """Instructions for the user to obtain the set, in order."""
    note: str = ""

    @property
    def folder(self) -> str:
        """Its folder below the data root."""
        return SET_FOLDERS[self.datasets[0]]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces, including those of every variant."""
        return (*self.tree, *(piece for pieces in self.variants.values() for piece in pieces))

    def missing(self, folder: Path) -> tuple[Piece, ...]:
        """The pieces missing in `folder`; of the variants those of the most complete one."""
        of_variants = [_missing(pieces, folder) for pieces in self.variants.values()]
        return _missing(self.tree, folder) + min(of_variants, key=len, default=())

    def is_marked(self, folder: Path) -> bool:
        """Whether `folder` holds what only this set has. Sets without `marks` have files with names of their own."""
        return all(_has_text(folder, pattern, text) for pattern, text in self.marks.items())

    def has_piece(self, folder: Path) -> bool:
        """Whether one or more of the pieces are in `folder`."""
        return len(_missing(self.pieces, folder)) < len(self.pieces)

    def here(self, folder: Path) -> tuple[str, ...]:
        """The `datasets` that can be read from `folder`."""
        if self.missing(folder):
            return ()
        return tuple(name for name in self.datasets if not _missing(self.variants.get(name, ()), folder))


def _missing(pieces: tuple[Piece, ...], folder: Path) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if next(folder.glob(piece.pattern), None) is None)


def _has_text(folder: Path, pattern: str, text: str) -> bool:
    path = next(folder.glob(pattern), None)
    if path is None:
        return False
    if not text:
        return True
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return any(text in name for name in archive.namelist())
        with path.open("rb") as file:
            return text in file.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except (OSError, zipfile.BadZipFile):
        return False
