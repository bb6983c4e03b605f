"""Samples that are decoded when they are asked for: sets too large to decode once, and augmentations of whole files.

Held-out views come from a few threads, training views from worker processes. What a sample looks like follows from
seed, epoch and sample number, so the number of workers changes nothing but the time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from crosspath.config.data import Data
from crosspath.config.training import Augment
from crosspath.data.examples import Damaged, Examples
from crosspath.data.items import DamageError, Item, Reader, TrainingView, place_of
from crosspath.data.replacement import first_readable
from crosspath.errors import InputError

THREADS = 4


class Views(Protocol):
    """Opens a decoder of (item, sample number) to what an epoch sees of a streamed sample."""

    def __call__(
        self,
        reader: Any,
        augment: Any,
        items: Sequence[Item],
        classes: int,
        seed: int,
        epoch: int,
        damaged: Callable[[int, str], None],
    ) -> AbstractContextManager[Callable[[Item, int], TrainingView]]: ...


def reader_views(
    reader: Any,
    augment: Any,
    items: Sequence[Item],
    classes: int,
    seed: int,
    epoch: int,
    damaged: Callable[[int, str], None],
) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
    """The reader's own training views, sample by sample."""
    views: AbstractContextManager[Callable[[Item, int], TrainingView]] = reader.training_views(augment, seed, epoch)
    return views


@dataclass(frozen=True)
class StreamedSamples:
    """One part of a set, undecoded; indexing gives held-out views, as if they had been decoded before."""

    section: Data
    reader: Reader
    items: tuple[Item, ...]
    classes: int
    views_of: Views = reader_views
    """What training sees of the samples."""
    damaged: list[Damaged] = field(default_factory=list)
    """Files that turned out to be damaged, where `data.skip_damaged` goes on without them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array of all samples."""
        return (len(self.items), *self.reader.sample[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.reader.sample[1]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """The held-out views of some samples.

        Raises `InputError` for a damaged file, with `data.skip_damaged` too: what a model is judged on must not change
        while it is read.
        """
        places = np.arange(len(self.items))[index]
        chosen = [self.items[place] for place in np.atleast_1d(places)]
        with self.reader.open_decoder() as decode, ThreadPoolExecutor(THREADS) as pool:
            samples = list(pool.map(lambda item: self._whole(decode, item), chosen))
        stacked = np.stack(samples) if samples else np.empty((0, *self.shape[1:]), self.dtype)
        return stacked if np.ndim(places) else stacked[0]

    def rows_of(self, rows: NDArray[np.int64]) -> "StreamedSamples":
        """Some of these samples."""
        return replace(self, items=tuple(self.items[row] for row in rows))

    def views(self, rows: NDArray[np.int64], segments: int, crops: int) -> NDArray[np.uint8]:
        """The clips and crops of the video test protocol: (B, segments · crops, 3, T, S, S)."""
        reader: Any = self.reader

        def decode(item: Item) -> NDArray[Any]:
            found: NDArray[Any] = reader.views(item, segments, crops)
            return found

        with ThreadPoolExecutor(THREADS) as pool:
            return np.stack(list(pool.map(lambda row: self._whole(decode, self.items[row]), rows)))

    def _whole(self, decode: Any, item: Item) -> NDArray[Any]:
        try:
            return np.asarray(decode(item), self.dtype)
        except (DamageError, OSError) as damage:
            raise damaged_file_error(self.section, item, str(damage)) from None


@dataclass(frozen=True)
class TrainingViews:
    """What an epoch sees of some samples."""

    rows: NDArray[np.int64]
    """Which samples these are: those asked for, but for damaged ones, in whose place the next whole one stands."""
    inputs: NDArray[Any]
    targets_BK: NDArray[np.float32] | None  # noqa: N815
    """Where they were mixed before they became samples."""


def training_batches(
    streamed: StreamedSamples,
    augment: Augment,
    batches: Sequence[NDArray[np.int64]],
    seed: int,
    epoch: int,
    workers: int,
) -> Iterator[TrainingViews]:
    """The training views of each batch of sample numbers, in order, read ahead by `workers` processes.

    Raises
    ------
    InputError
        For a damaged file, unless `data.skip_damaged` puts the next whole sample in its place.
    """
    loader = DataLoader(
        _ViewDataset(streamed, augment, seed, epoch),
        batch_sampler=[batch.tolist() for batch in batches],
        num_workers=workers,
        collate_fn=_collate,
        # Without its own generator the loader would draw from the one that dropout draws from.
        generator=torch.Generator(),
    )
    for found, faults in loader:
        for place, reason in faults:
            item = streamed.items[place]
            if isinstance(reason, InputError):
                raise reason
            if not streamed.section.skip_damaged:
                raise damaged_file_error(streamed.section, item, reason)
            damaged = Damaged(place_of(item), reason)
            if damaged not in streamed.damaged:
                streamed.damaged.append(damaged)
        yield found


def damaged_files(examples: Examples) -> list[Damaged]:
    """The damaged files that a streamed part has met so far, in this process; none of a decoded part."""
    return examples.inputs.damaged if isinstance(examples.inputs, StreamedSamples) else []


def damaged_file_error(section: Data, item: Item, reason: str) -> InputError:
    """The error for a damaged file of a streamed set."""
    todo = "restore or remove it; `crosspath data check DIR` finds them all"
    return InputError(place_of(item), f"a readable {section.modality} file", reason, todo)


Fault = tuple[int, str | InputError]
"""A sample number, and what is wrong with its file; or the error that no other sample could stand in for."""


class _ViewDataset(Dataset[tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]]):
    """By sample number: (the sample that was whole, its view, its mixed targets, damaged ones on the way)."""

    def __init__(self, streamed: StreamedSamples, augment: Augment, seed: int, epoch: int) -> None:
        self.streamed, self.augment, self.seed, self.epoch = streamed, augment, seed, epoch
        self._view: Any = None
        self._faults: list[Fault] = []

    def __getitem__(self, row: int) -> tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]:
        if self._view is None:
            # Opened in the process that reads: open files are not shared.
            self._open = ExitStack()
            self._view = self._open.enter_context(self._opened())
        self._faults, items = [], self.streamed.items
        try:
            place, (inputs, targets_K) = first_readable(
                items, row, lambda row: self._view(items[row], row), self._damaged
            )
        except InputError as error:
            # Raised here, in a worker, its four parts would be lost.
            self._faults.append((row, error))
            return row, np.zeros(self.streamed.shape[1:], self.streamed.dtype), None, self._faults
        return place, np.ascontiguousarray(inputs, self.streamed.dtype), targets_K, self._faults

    def _damaged(self, place: int, reason: str) -> None:
        self._faults.append((place, reason))

    def _opened(self) -> Any:
        streamed = self.streamed
        return streamed.views_of(
            streamed.reader, self.augment, streamed.items, streamed.classes, self.seed, self.epoch, self._damaged
        )


def _collate(samples: list[tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]]) -> Any:
    """One batch, and all faults met on the way."""
    rows, inputs, targets, faults = zip(*samples, strict=True)
    mixed = None if targets[0] is None else np.stack(targets)
    return TrainingViews(np.array(rows), np.stack(inputs), mixed), [fault for found in faults for fault in found]
