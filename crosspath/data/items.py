"""What a set lists before anything is decoded: one item for each sample; and what a reader of a modality must offer."""

import gc
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.config.data.section import LabelKind
from crosspath.errors import InputError
from crosspath.limits import Limit

Part = Literal["train", "val", "test"] | None
"""None: the set has no parts of its own; `splits.py` assigns one."""
Label = int | tuple[int, ...] | tuple[float, ...] | tuple[tuple[float, ...], ...]
"""Of one sample: a class number, several, a number for each column, or a row for each box."""
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names that a split column or a folder may use for a part, in any case."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sample, not decoded yet."""

    id: str
    """Its name inside the set, the same on every machine."""
    label: Label
    """A class number, a tuple of several, of numbers, or of boxes: see `Listing.label_kind`."""
    part: Part
    path: Path
    inside: str | int | tuple[int, int] | None = None
    """Where in the file: a member of a zip, a row of an array, frames [start, stop) of a clip, or bytes [start, stop)
    of a `.tar`."""
    address: str | None = None
    """URL of a `.tar` that is not on this disk; `path` is then its name only."""
    stamp: str
    """Differs once the file has changed."""


@dataclass(frozen=True)
class Listing:
    """All samples of a set."""

    classes: tuple[str, ...]
    items: tuple[Item, ...]
    skipped_files: tuple[tuple[Path, str], ...] = ()
    """(path, reason) of missing or damaged files that `data.skip_damaged` leaves out."""
    unread: tuple[tuple[str, int], ...] = ()
    """(kind, number) of the files beside the samples that are not read; a kind is a suffix such as `.heic`."""
    notes: tuple[str, ...] = ()
    """Remarks for the user on how the files are read."""
    label_kind: LabelKind = "classes"
    """What the items' labels are; `classes` are then the names of what a model's outputs mean: of columns of numbers,
    of the classes of boxes, of what annotations tell apart."""


@contextmanager
def without_collector() -> Iterator[None]:
    """Lists many samples in half the time: the garbage collector would go through all of them again and again, and
    find none to free.
    """
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()


class DamageError(Exception):
    """A file is damaged; the message says how. Whoever decodes files catches it and reports the file."""


def require_within(limit: Limit, amount: int) -> None:
    """Refuses a file that asks for more than a limit allows, before it is read. Raises `DamageError`."""
    reason = limit.excess(amount)
    if reason is not None:
        raise DamageError(reason)


TrainingView = tuple[NDArray[Any], NDArray[np.float32] | None]
"""An augmented sample, and its targets (K,) where it was mixed with another one."""


class Reader(Protocol):
    """Reads one modality: lists the samples of a folder and decodes them."""

    def listing(self, folder: Path) -> Listing:
        """Every sample of the set at `folder`. Raises `InputError` for missing files and faulty tables."""

    def sources(self, folder: Path) -> list[list[str]] | None:
        """Name and stamp of each file, for sets whose samples cannot be listed without opening files with a media
        library; else None, and the cache key follows from the listing.
        """

    def open_decoder(self) -> AbstractContextManager[Callable[[Item], NDArray[Any]]]:
        """Opens a function that decodes an item to an array of `sample`'s shape and type, or raises `DamageError`."""

    def training_views(
        self, section: Augment, seed: int, epoch: int
    ) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
        """Opens a function from (item, sample number) to its augmented view in an epoch, for streamed sets."""

    def decode_file(self, path: Path) -> NDArray[Any]:
        """Decodes one file of the user's own, as items are decoded; raises `DamageError`."""

    @property
    def sample(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a decoded sample."""

    @property
    def settings(self) -> dict[str, Any]:
        """All options on which listing and decoding depend; part of the cache key."""


def remarks_of(reader: Reader) -> tuple[str, ...]:
    """What a reader has done to the samples that it decoded, for the run's notes: of one with `remarks`."""
    remarks = getattr(reader, "remarks", None)
    return () if remarks is None else tuple(remarks())


def place_of(item: Item) -> Path:
    """The file of an item, or its member of an archive, for messages."""
    if isinstance(item.inside, str):
        return item.path / item.inside
    if item.path.suffix == ".tar" and isinstance(item.inside, tuple):
        return item.path / item.id.split(".tar/", 1)[1]
    return item.path


def file_stamp(path: Path, *, frames: bool = False) -> str:
    """Size and modification time of a file, or of a folder of frames. Raises `InputError` for a pipe or a device: a
    reader would wait at it.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or (frames and stat.S_ISDIR(status.st_mode))):
        raise InputError(path, "a file", "a folder, a pipe or a device", "remove it from the list, or name the file")
    return status_stamp(status)


def status_stamp(status: os.stat_result) -> str:
    """`file_stamp`, where the status of the file is at hand."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def join_listings(listings: Sequence[Listing], items: Iterable[Item]) -> Listing:
    """Several listings of the same classes as one, with these items."""
    unread = Counter[str]()
    for listing in listings:
        unread.update(dict(listing.unread))
    skipped_files = tuple(fault for listing in listings for fault in listing.skipped_files)
    notes = tuple(dict.fromkeys(note for listing in listings for note in listing.notes))
    first, counts = listings[0], tuple(sorted(unread.items()))
    return Listing(first.classes, tuple(items), skipped_files, counts, notes, first.label_kind)
