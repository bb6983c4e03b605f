"""A data set in memory or on disk: its samples and labels in three parts, and what was damaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64] | NDArray[np.uint8] | NDArray[np.float32]
"""One row a sample: class numbers int64 (N,); zeros and ones uint8 (N, K) where a sample may have several classes;
numbers float32 (N, K), a column each; boxes float32 (N, M, 9), rows that begin with (x0, y0, x1, y1, class),
NaN after the last (`crosspath.data.boxes`)."""


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
        """Reads or decodes some samples."""

    def rows_of(self, rows: NDArray[np.int64]) -> "Samples":
        """A selection of these samples, without reading them."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a memory-mapped array, read when indexed."""

    array: NDArray[Any]
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, sample shape)."""
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
        """A selection of these rows, without reading them."""
        return Rows(self.array, self.rows[rows])


@dataclass(frozen=True)
class Examples:
    """One part of a data set. `inputs[indices]` reads samples."""

    inputs: Samples | NDArray[Any]
    """(N, sample shape): image uint8 (3, H, W); audio float32 (T, F); points float32 (P, 3); video uint8 (3, T, H,
    W); text int32 (L + 1,), its tokens, -1 behind them, and last how many there are without the limit L; brackets
    int64 (L,); series float32 (C, T). Annotated samples have one plane or column more: image uint8 (4, H, W), points
    float32 (P, 4); the largest of them is theirs where pictures have unequal sizes.
    """
    labels: Labels
    ids: tuple[str, ...]
    """Names of the samples within the set, the same on every machine."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DamagedFile:
    """A file that could not be read, and why."""

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
    damaged_files: tuple[DamagedFile, ...]
    fingerprint: str
    """sha256 of the decoded samples, their labels and the split; `labels_per_class` does not change it."""
    notes: Sequence[str] = ()
    """Remarks for the run's log, such as a class with fewer labels than requested."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """How many files beside the samples are not read, by kind: a suffix such as `.heic`, or `hidden`."""
