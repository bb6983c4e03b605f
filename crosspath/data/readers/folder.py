"""A reader for any modality whose samples are single files in class folders, given a function that reads one file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment
from crosspath.data.folders import class_folder_items
from crosspath.data.items import DamageError, Item, Listing, TrainingView


class FolderReader:
    """Class folders of files, each decoded by `read` to an array of one shape and type.

    `settings` are the options of the `data` section on which `read` depends; they are part of the cache key. An error
    of `read` is reported as damage: libraries that decode files raise all kinds of errors for broken ones.
    """

    def __init__(
        self,
        read: Callable[[Path], NDArray[Any]],
        *,
        suffixes: tuple[str, ...],
        content: str,
        shape: tuple[int, ...],
        dtype: Any = np.float32,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.read = read
        self.suffixes = suffixes
        self.content = content
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = (shape, np.dtype(dtype))
        self.settings: dict[str, Any] = dict(settings or {})

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """Class folders, with or without `train/`, `val/` and `test/` above them."""
        return class_folder_items(folder, self.suffixes, self.content)

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; no file stays open."""
        yield lambda item: self.decode_file(item.path)

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """Decoded samples; they are augmented in batches."""
        yield lambda item, sample: (self.decode_file(item.path), None)

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One file; raises `DamageError`."""
        try:
            sample = np.asarray(self.read(path))
        except (DamageError, OSError, MemoryError):
            raise
        except Exception as error:
            kind = "" if isinstance(error, ValueError | EOFError) else f"{type(error).__name__}: "
            raise DamageError(kind + str(error).replace("\n", " ")) from error
        shape, dtype = self.sample
        if sample.shape != shape:
            raise DamageError(f"an array of shape {sample.shape} instead of {shape}")
        if not np.isfinite(sample).all():
            raise DamageError("it has values that are not finite")
        return sample.astype(dtype)
