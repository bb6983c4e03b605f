"""PartNet's h5 files for semantic segmentation (Mo et al. 2019, arXiv 1812.02713, section 5.1).

`sem_seg_h5/<Category>-<level>/` has `train_files.txt`, `val_files.txt` and `test_files.txt`, which name h5 files
beside them with `data` (N, P, 3), `label_seg` (N, P) and `data_num` (N,), how many of the P points count. Part 0 is
"other": no loss and no metric counts it. Each category and level is a task, and a network, of its own.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.annotations import NOT_LABELLED
from crosspath.data.folders import folder_below
from crosspath.data.items import DamageError, Item, Listing, Part, file_stamp
from crosspath.data.listed_files import refuse_duplicate
from crosspath.data.readers.h5_clouds import open_dataset, open_h5
from crosspath.data.readers.part_clouds import with_parts
from crosspath.data.text_files import numbered_lines
from crosspath.errors import InputError

OTHER = 0
FOLDER = "sem_seg_h5"
LISTS: tuple[tuple[Part, str], ...] = (
    ("train", "train_files.txt"),
    ("val", "val_files.txt"),
    ("test", "test_files.txt"),
)


@dataclass(frozen=True)
class PartNet:
    """The files of one category at one level, which exist and are not opened yet."""

    category: str
    files: tuple[tuple[Part, str, Path], ...]
    """Part, name inside the set, path."""

    def sources(self) -> list[list[str]]:
        """The category, and part, name and stamp of each file: what a cache entry depends on."""
        return [[self.category], *([str(part), name, file_stamp(path)] for part, name, path in self.files)]

    def listing(self) -> Listing:
        """One sample for each row. Raises `InputError` for a damaged file and missing keys."""
        return Listing(
            (self.category,), tuple(item for file in self.files for item in _items(*file)), label_kind="dense"
        )


def partnet(folder: Path, category: str | None, level: int) -> PartNet:
    """The files of a category and level below the data root.

    Raises
    ------
    InputError
        For no category, one that is not there, and a missing folder, list or file.
    """
    inside = f"<Category>-<level>/{LISTS[0][1]}"
    root = folder_below(folder, FOLDER, inside)
    here = sorted(path.name for path in root.iterdir() if (path / LISTS[0][1]).is_file())
    name = f"{category}-{level}"
    if category is None or name not in here:
        expected = f"{inside} of data.category and data.level: {', '.join(here) or 'none is there'}"
        todo = "set both: --set data.category=Chair --set data.level=3"
        raise InputError(root, expected, f"data.category {category} and data.level {level}", todo)
    files = []
    first_places: dict[str, str] = {}
    for part, table in LISTS:
        for row, line in numbered_lines(root / name / table, "names of h5 files, one on each line"):
            path = root / name / Path(line).name
            refuse_duplicate(first_places, path.name, f"{root / name / table} row {row}")
            if not path.is_file():
                raise InputError(f"{root / name / table} row {row}", "an h5 file beside it", line, "download it again")
            files.append((part, f"{name}/{path.name}", path))
    return PartNet(category, tuple(files))


def open_rows(path: Path, stack: ExitStack) -> Callable[[int], NDArray[np.float64]]:
    """A function from a row of an h5 file, open as long as `stack`, to its points (P, 4) of x, y, z and part. Both
    raise `DamageError`.
    """
    file = open_h5(path, stack)
    clouds, parts = open_dataset(file, "data"), open_dataset(file, "label_seg")
    counts = open_dataset(file, "data_num") if "data_num" in file else None

    def read(row: int) -> NDArray[np.float64]:
        try:
            xyz, own = np.asarray(clouds[row]), np.asarray(parts[row]).reshape(-1)
            count = len(xyz) if counts is None else int(np.asarray(counts[row]).reshape(-1)[0])
        except Exception as error:  # h5py raises many types on damaged files
            raise DamageError(f"it cannot be read ({error})".replace("\n", " ")) from None
        if xyz.ndim != 2 or xyz.shape[1] != 3 or len(own) != len(xyz) or not 0 < count <= len(xyz):
            raise DamageError(f"expected points (P, 3), as many parts and a number of points, found {xyz.shape}")
        return with_parts(xyz[:count], np.where(own[:count] == OTHER, NOT_LABELLED, own[:count]))

    return read


def _items(part: Part, name: str, path: Path) -> list[Item]:
    try:
        with ExitStack() as stack:
            file: Any = open_h5(path, stack)
            sizes = {key: open_dataset(file, key).shape for key in ("data", "label_seg")}
    except DamageError as damage:
        raise InputError(path, "clouds `data` and their parts `label_seg`", str(damage), "download it again") from None
    if sizes["data"][:2] != sizes["label_seg"][:2]:
        found = f"{sizes['data']} and {sizes['label_seg']}"
        raise InputError(path, "a part for each point", found, "download it again")
    stamp = file_stamp(path)
    rows = range(sizes["data"][0])
    return [Item(id=f"{name}/{row}", label=0, part=part, path=path, inside=row, stamp=stamp) for row in rows]
