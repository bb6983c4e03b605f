"""ModelNet40, ShapeNet-55 and ShapeNetPart as published: a file for each cloud, and lists of the parts.

The pickled caches that published code writes beside them are neither read nor written.
"""

import json
from collections.abc import Callable
from pathlib import Path

from crosspath.data.folders import folder_below
from crosspath.data.items import Item, Listing, Part, file_stamp
from crosspath.data.listed_files import refuse_duplicate, require_file
from crosspath.data.text_files import class_names, numbered_lines, read_text
from crosspath.errors import InputError

CATEGORIES = "synsetoffset2category.txt"
PART_LISTS: tuple[tuple[Part, str], ...] = (("train", "train"), ("test", "test"))


def modelnet40(folder: Path) -> Listing:
    """ModelNet40 (Wu et al. 2015) resampled to 10,000 points with normals, of which x, y and z are read.

    `modelnet40_normal_resampled/modelnet40_shape_names.txt` has a class name on each line; `modelnet40_train.txt` and
    `modelnet40_test.txt` have ids such as `night_stand_0001`; a cloud is `<class>/<id>.txt`. There is no validation
    list: a part of training is held out.

    Raises
    ------
    InputError
        For a missing folder or list, and for a row with an unknown class, a missing file or a repeated id.
    """
    root = folder_below(folder, "modelnet40_normal_resampled", "modelnet40_shape_names.txt and modelnet40_train.txt")
    classes = class_names(root / "modelnet40_shape_names.txt")
    items = []
    first_places: dict[str, str] = {}
    for part, list_name in PART_LISTS:
        table = root / f"modelnet40_{list_name}.txt"
        for row, name in numbered_lines(table, "ids of clouds, one on each line"):
            refuse_duplicate(first_places, name, f"{table} row {row}")
            category = name.rpartition("_")[0]
            if category not in classes:
                expected, todo = "<class>_<number> with a class of modelnet40_shape_names.txt", "correct the row"
                raise InputError(f"{table} row {row}", expected, repr(name), todo)
            items.append(_item(root, f"{category}/{name}.txt", classes.index(category), part, table, row))
    return Listing(tuple(classes), tuple(items))


def shapenet55(folder: Path) -> Listing:
    """ShapeNet-55 (Yu et al. 2021): `shapenet55/ShapeNet-55/train.txt` and `test.txt`, clouds in
    `shapenet55/shapenet_pc/`.

    A line is a file name `<taxonomy>-<model>.npy`; the file is an array (8192, 3). Classes are the sorted taxonomy
    numbers. There is no validation list: a part of training is held out.

    Raises
    ------
    InputError
        For a missing folder or list, and for a row whose file is missing or repeated.
    """
    root = folder_below(folder, "shapenet55", "ShapeNet-55/train.txt, ShapeNet-55/test.txt and shapenet_pc/")
    rows = []
    first_places: dict[str, str] = {}
    for part, name in PART_LISTS:
        table = root / "ShapeNet-55" / f"{name}.txt"
        for row, line in numbered_lines(table, "names of .npy files, one on each line"):
            refuse_duplicate(first_places, line, f"{table} row {row}")
            taxonomy, dash, _ = line.partition("-")
            if not dash:
                raise InputError(f"{table} row {row}", "<taxonomy>-<model>.npy", repr(line), "correct the row")
            rows.append((part, table, row, line, taxonomy))
    classes = sorted({taxonomy for *_, taxonomy in rows})
    items = [
        _item(root / "shapenet_pc", line, classes.index(taxonomy), part, table, row)
        for part, table, row, line, taxonomy in rows
    ]
    return Listing(tuple(classes), tuple(items))


def shapenetpart(folder: Path) -> Listing:
    """ShapeNetPart (Yi et al. 2016) with normals and part numbers; the label of a cloud is its category.

    `shapenetcore_partanno_segmentation_benchmark_v0_normal/synsetoffset2category.txt` has a category and its offset on
    each line; `train_test_split/shuffled_{train,val,test}_file_list.json` have strings `shape_data/<offset>/<id>`; a
    cloud is `<offset>/<id>.txt`, with rows of x y z nx ny nz part (`part_clouds.py`).

    Raises
    ------
    InputError
        For a missing folder or list, and for an entry with an unknown category, a missing file or a repeated name.
    """
    name = "shapenetcore_partanno_segmentation_benchmark_v0_normal"
    return list_parts(folder_below(folder, name, f"{CATEGORIES} and train_test_split/"))


def has_part_lists(folder: Path) -> bool:
    """Whether a folder has ShapeNetPart's layout."""
    return (folder / CATEGORIES).is_file()


def list_parts(root: Path) -> Listing:
    """As `shapenetpart`, of a folder with its layout and any categories. Raises `InputError`: see there."""
    classes: dict[str, str] = {}
    table = root / CATEGORIES
    for row, line in numbered_lines(table, "a category and its offset on each line"):
        match line.split():
            case [category, offset]:
                if offset in classes or category in classes.values():
                    raise InputError(f"{table} row {row}", "every category and offset once", line, "correct the row")
                classes[offset] = category
            case _:
                raise InputError(f"{table} row {row}", "a category and its offset", repr(line), "correct the row")
    offsets = list(classes)
    items = []
    first_places: dict[str, str] = {}
    parts: tuple[Part, ...] = ("train", "val", "test")
    for part in parts:
        table = root / "train_test_split" / f"shuffled_{part}_file_list.json"
        for entry, text in enumerate(_strings(table), 1):
            refuse_duplicate(first_places, text, f"{table} row {entry}")
            match text.split("/"):
                case [_, offset, shape] if offset in classes:
                    items.append(_item(root, f"{offset}/{shape}.txt", offsets.index(offset), part, table, entry))
                case _:
                    expected = f"shape_data/<offset>/<id> with an offset of {CATEGORIES}"
                    raise InputError(f"{table} row {entry}", expected, repr(text), "correct the row")
    return Listing(tuple(classes.values()), tuple(items))


PUBLISHED_SETS: dict[str, Callable[[Path], Listing]] = {
    "modelnet40": modelnet40,
    "shapenet55": shapenet55,
    "shapenetpart": shapenetpart,
}
"""Functions of the data root, by `data.dataset`."""


def _item(root: Path, name: str, label: int, part: Part, table: Path, row: int) -> Item:
    path = require_file(root / name, table, row)
    return Item(id=name, label=label, part=part, path=path, stamp=file_stamp(path))


def _strings(path: Path) -> list[str]:
    text = read_text(path, "a JSON list of shapes")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(path, "a JSON list of shapes", str(error), "download it again") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise InputError(path, "a JSON list of strings", type(entries).__name__, "download it again")
    return entries
