"""Samples decoded on access, for sets too large to decode once and for augmentation of whole files.

Held-out samples are decoded by a few threads, training views by worker processes. A view follows from seed, epoch and
sample number, so the number of workers changes only the speed.
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

from crosspath.config.augment import Augment
from crosspath.config.data import Data
from crosspath.data.annotations import stack_samples
from crosspath.data.decoding import decode_in
from crosspath.data.examples import DamagedFile, Examples
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
        report_damage: Callable[[int, str], None],
    ) -> AbstractContextManager[Callable[[Item, int], TrainingView]]: ...


def reader_views(
    reader: Any,
    augment: Any,
    items: Sequence[Item],
    classes: int,
    seed: int,
    epoch: int,
    report_damage: Callable[[int, str], None],
) -> AbstractContextManager[Callable[[Item, int], TrainingView]]:
    """The reader's own training views, sample by sample."""
    views: AbstractContextManager[Callable[[Item, int], TrainingView]] = reader.training_views(augment, seed, epoch)
    return views


@dataclass(frozen=True)
class StreamedSamples:
    """One part of a set, decoded when indexed, with the same result as for a decoded set."""

    section: Data
    reader: Reader
    items: tuple[Item, ...]
    classes: int
    views_of: Views = reader_views
    """What training sees of the samples."""
    damaged_files: list[DamagedFile] = field(default_factory=list)
    """Damaged files met during training that `data.skip_damaged` skips."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, sample shape)."""
        return (len(self.items), *self.reader.sample[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.reader.sample[1]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Decodes some samples.

        Raises `InputError` for a damaged file, also with `data.skip_damaged`: the samples of an evaluation must not
        change.
        """
        rows = np.arange(len(self.items))[index]
        items = [self.items[row] for row in np.atleast_1d(rows)]
        with self.reader.open_decoder() as decode, ThreadPoolExecutor(THREADS) as pool:
            samples = list(decode_in(pool, lambda item: self._decode(decode, item), items))
        batch = stack_samples(samples) if samples else np.empty((0, *self.shape[1:]), self.dtype)
        return batch if np.ndim(rows) else batch[0]

    def rows_of(self, rows: NDArray[np.int64]) -> "StreamedSamples":
        """A selection of these samples."""
        return replace(self, items=tuple(self.items[row] for row in rows))

    def with_labels(self, labels: Sequence[int], classes: int) -> "StreamedSamples":
        """These samples with the labels of other classes: training views that mix samples read them."""
        items = (replace(item, label=label) for item, label in zip(self.items, labels, strict=True))
        return replace(self, items=tuple(items), classes=classes)

    def decode_rows(self, rows: NDArray[np.int64], decode: Callable[[Item], NDArray[Any]]) -> NDArray[Any]:
        """What `decode` makes of these samples' files (B, ...). Raises `InputError` for a damaged one."""
        with ThreadPoolExecutor(THREADS) as pool:
            return np.stack(list(decode_in(pool, lambda row: self._decode(decode, self.items[row]), rows.tolist())))

    def _decode(self, decode: Any, item: Item) -> NDArray[Any]:
        try:
            return np.asarray(decode(item), self.dtype)
        except (DamageError, OSError) as damage:
            raise damaged_file_error(self.section, item, str(damage)) from None


@dataclass(frozen=True)
class TrainingViews:
    """A batch of augmented samples."""

    rows: NDArray[np.int64]
    """The sample numbers; a damaged sample is replaced by the next readable one."""
    inputs: NDArray[Any]
    targets_BK: NDArray[np.float32] | None  # noqa: N815
    """For samples mixed as waveforms; else None."""


def training_batches(
    samples: StreamedSamples,
    augment: Augment,
    batches: Sequence[NDArray[np.int64]],
    seed: int,
    epoch: int,
    workers: int,
) -> Iterator[TrainingViews]:
    """The training views of each batch of sample numbers, in order, prefetched by `workers` processes.

    Raises
    ------
    InputError
        For a damaged file, unless `data.skip_damaged` replaces it by the next readable one.
    """
    loader = DataLoader(
        _ViewDataset(samples, augment, seed, epoch),
        batch_sampler=[batch.tolist() for batch in batches],
        num_workers=workers,
        collate_fn=_collate,
        # Without its own generator the loader would draw from the one that dropout uses.
        generator=torch.Generator(),
    )
    for views, faults in loader:
        for row, reason in faults:
            item = samples.items[row]
            if isinstance(reason, InputError):
                raise reason
            if not samples.section.skip_damaged:
                raise damaged_file_error(samples.section, item, reason)
            file = DamagedFile(place_of(item), reason)
            if file not in samples.damaged_files:
                samples.damaged_files.append(file)
        yield views


def damaged_files(examples: Examples) -> list[DamagedFile]:
    """The damaged files met so far in this process; none in a decoded part."""
    return examples.inputs.damaged_files if isinstance(examples.inputs, StreamedSamples) else []


def damaged_file_error(section: Data, item: Item, reason: str) -> InputError:
    """The error for a damaged file of a streamed set."""
    todo = "restore or remove it; `crosspath data check DIR` lists all of them"
    return InputError(place_of(item), f"a readable {section.modality} file", reason, todo)


Fault = tuple[int, str | InputError]
"""A sample number, and the reason why its file is damaged, or the error if no sample could replace it."""


class _ViewDataset(Dataset[tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]]):
    """By sample number: (number of the sample read, its view, its mixed targets, damaged samples skipped)."""

    def __init__(self, samples: StreamedSamples, augment: Augment, seed: int, epoch: int) -> None:
        self.samples, self.augment, self.seed, self.epoch = samples, augment, seed, epoch
        self._view: Any = None
        self._faults: list[Fault] = []

    def __getitem__(self, row: int) -> tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]:
        if self._view is None:
            # In the worker process, since open files cannot be shared.
            self._open = ExitStack()
            self._view = self._open.enter_context(self._open_views())
        self._faults, items = [], self.samples.items
        try:
            place, (inputs, targets_K) = first_readable(
                items, row, lambda row: self._view(items[row], row), self._add_fault
            )
        except InputError as error:
            # An exception raised in a worker would lose its fields.
            self._faults.append((row, error))
            return row, np.zeros(self.samples.shape[1:], self.samples.dtype), None, self._faults
        return place, np.ascontiguousarray(inputs, self.samples.dtype), targets_K, self._faults

    def _add_fault(self, row: int, reason: str) -> None:
        self._faults.append((row, reason))

    def _open_views(self) -> Any:
        samples = self.samples
        return samples.views_of(
            samples.reader, self.augment, samples.items, samples.classes, self.seed, self.epoch, self._add_fault
        )


def _collate(samples: list[tuple[int, NDArray[Any], NDArray[np.float32] | None, list[Fault]]]) -> Any:
    """One batch, and the faults of all its samples."""
    rows, inputs, targets, faults = zip(*samples, strict=True)
    targets_BK = None if targets[0] is None else np.stack(targets)
    return TrainingViews(np.array(rows), np.stack(inputs), targets_BK), [
        fault for sample_faults in faults for fault in sample_faults
    ]
