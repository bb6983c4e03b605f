"""What is known of a published data set before any of it is on disk. Facts only; `known.py` holds the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crosspath.modalities.load import set_folders


@dataclass(frozen=True)
class Piece:
    """Something that must lie in a set's folder."""

    pattern: str
    """Path below the folder, `*` for any name."""
    what: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One file to download from the set's publisher."""

    address: str
    name: str
    """What it is called on disk; its suffix says how it is packed."""
    size: int | None = None
    sha256: str | None = None
    """None where the publisher names none and no public record agrees on one: it is then recorded, not verified."""


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A data set that recipes read by name."""

    name: str
    modality: Literal["image", "audio", "point", "video"]
    datasets: tuple[str, ...]
    """Values of `data.dataset` that read it."""
    classes: int
    samples: Mapping[str, int]
    """Published number of samples of each part."""
    licence: str
    terms: str
    """Where licence or terms are published."""
    tree: tuple[Piece, ...] = ()
    """What must be there in any case."""
    variants: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)
    """{name: pieces}, of which one variant must be whole: other layouts, or parts that one of `datasets` needs, under
    its name."""
    archives: tuple[Archive, ...] = ()
    """What `crosspath data get` downloads; empty where `steps` must be taken instead."""
    steps: tuple[str, ...] = ()
    """What a person does to get the set, in order."""
    note: str = ""

    @property
    def folder(self) -> str:
        """Its folder below the data root, which is where its readers look."""
        return set_folders()[self.datasets[0]]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces, those of every variant among them."""
        return (*self.tree, *(piece for pieces in self.variants.values() for piece in pieces))

    def missing(self, folder: Path) -> tuple[Piece, ...]:
        """The pieces that are not in `folder`; of its variants those of the one that lacks least."""
        lacking = [_lacking(pieces, folder) for pieces in self.variants.values()]
        return _lacking(self.tree, folder) + min(lacking, key=len, default=())

    def here(self, folder: Path) -> tuple[str, ...]:
        """Those of `datasets` that can be read from `folder`."""
        if self.missing(folder):
            return ()
        return tuple(name for name in self.datasets if not _lacking(self.variants.get(name, ()), folder))


def _lacking(pieces: tuple[Piece, ...], folder: Path) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if next(folder.glob(piece.pattern), None) is None)
