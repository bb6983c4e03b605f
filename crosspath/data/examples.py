"""What reading a data set gives: three parts of samples with labels, and an account of how they came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Samples(Protocol):
    """An array of samples that need not be in memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, sample shape)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Some samples, read or decoded now."""

    def rows_of(self, rows: NDArray[np.int64]) -> "Samples":
        """Some of these samples, still unread."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a (memory-mapped) array, read when they are asked for."""

    array: NDArray[Any]
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array these rows would make."""
        return (len(self.rows), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self.array[self.rows[index]])

    def rows_of(self, rows: NDArray[np.int64]) -> "Rows":
        """Some of these rows, still unread."""
        return Rows(self.array, self.rows[rows])


@dataclass(frozen=True)
class Examples:
    """One part of a data set. `inputs[indices]` reads samples; ids name them."""

    inputs: Samples | NDArray[Any]
    """(N, sample shape): image uint8 (3, H, W); audio float32 (T, F); points float32 (P, 3); video uint8 (3, T, H,
    W).
    """
    labels: NDArray[np.int64] | NDArray[np.uint8]
    """Class numbers (N,); where a sample may have several labels, 0 and 1 (N, K)."""
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Damaged:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class DataSet:
    """A data set in its fixed split."""

    modality: str
    classes: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    damaged: tuple[Damaged, ...]
    fingerprint: str
    """sha256 of the decoded samples, their labels and the fixed split; `labels_per_class` does not change it."""
    notes: Sequence[str] = ()
    """What a reader of the results should know, such as a class smaller than asked for."""
