"""What a data set lists before anything is decoded: one item a sample, and how to tell that a file has changed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crosspath.config.training import Augment

Part = Literal["train", "val", "test"] | None
"""None: the set does not say; `splits.py` decides."""
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a table's split column may hold, and the folders that are parts, in any case."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sample to be decoded."""

    id: str
    """Its name inside the set, the same on every machine."""
    label: int | tuple[int, ...]
    """A class number; where a sample may have several, all of them."""
    part: Part
    path: Path
    inside: str | int | tuple[int, int] | None = None
    """A member of a zip, a row of an array, a frame range [start, stop) of a clip, or, of a file whose name ends in
    `.tar`, a byte range."""
    address: str | None = None
    """Of a `.tar` that lies elsewhere; `path` is then its name only."""
    stamp: str
    """Changes when the file does."""


@dataclass(frozen=True)
class Listing:
    """All samples of a set."""

    classes: tuple[str, ...]
    items: tuple[Item, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    """Files that are missing or damaged, and how, where `data.skip_damaged` leaves them out."""


class DamageError(Exception):
    """A file is damaged; the message says how. Caught where files are decoded, and turned into an account."""


TrainingView = tuple[NDArray[Any], NDArray[np.float32] | None]
"""A sample as training sees it, and its targets (K,) where they were mixed with another's."""


class Reader(Protocol):
    """Reads one modality: which samples there are, and the pixels, frames or points of one."""

    def listing(self, folder: Path) -> Listing:
        """Every sample of the set at `folder`. Raises `InputError` for what the user can mend."""

    def sources(self, folder: Path) -> list[list[str]] | None:
        """Name and stamp of each file of the set, where listing its samples would mean opening them with a media
        reader; None where the listing says it all.
        """

    def open_decoder(self) -> AbstractContextManager[Callable[[Item], NDArray[Any]]]:
        """A decoder of items in the cached sample type; raises `DamageError`."""

    def training_views(
        self, section: Augment, seed: int, epoch: int
    ) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
        """A decoder of (item, sample number) to what an epoch sees of it, for sets that are streamed."""

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One file of the user's own, in the cached sample type; raises `DamageError`."""

    @property
    def sample(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of a decoded sample."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes which samples there are and what decoding gives."""


def place_of(item: Item) -> Path:
    """The file of an item, or its member of an archive: what to name where something is wrong with it."""
    if isinstance(item.inside, str):
        return item.path / item.inside
    if item.path.suffix == ".tar" and isinstance(item.inside, tuple):
        return item.path / item.id.split(".tar/", 1)[1]
    return item.path


def file_stamp(path: Path) -> str:
    """Size and time of a file."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"
