"""Folders of pictures with COCO's JSON beside them: which files are read, of which part, and where their pictures are.

`annotations/instances_train2017.json` with `train2017/`, as published; `train/_annotations.coco.json` beside the
pictures of each part; or one JSON with a folder of pictures.
"""

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from crosspath.counts import first_names
from crosspath.data.boxes import CLASS, Rows
from crosspath.data.folder_tree import DiskFile, Tree, suffix_of, tree_of
from crosspath.data.items import PART_NAMES, Item, Listing, Part, file_stamp
from crosspath.data.linked_files import SampleFiles
from crosspath.data.readers.coco import CocoFile, CocoImage, holds_boxes, read_categories, read_coco
from crosspath.errors import InputError
from crosspath.files import is_file

ANNOTATIONS = "annotations"
INSTANCES = "instances_"
"""Files of that name hold boxes; published sets have captions and keypoints beside them."""
PLACES = "annotations/*.json, *.json or train/*.json"


def list_coco(
    folder: Path, size: int, suffixes: tuple[str, ...], category_ids: tuple[int, ...] | None = None
) -> Listing:
    """The pictures that the files of a folder name, with boxes in pixels of squares of `size`; class numbers follow
    the numbers of the categories. Pictures, by their `suffixes`, that no file names are counted as unread.

    Parts are named by the files, or by the folders they lie in. Without a test part the validation part is the test
    part, as results on COCO are read, and validation pictures are held out of training: a note says so.

    Raises
    ------
    InputError
        For a folder without such files, two files of one part, files with different categories, a picture that links
        or names make two samples, and what `read_coco` refuses; where `category_ids` are given, for others in the
        files.
    """
    paths = annotation_files(folder)
    files = {part: read_coco(path, size) for part, path in paths.items()}
    first = next(iter(files.values()))
    _require_categories(list(files.values()), category_ids)
    if not any(_has_box(image.rows) for file in files.values() for image in file.images):
        raise InputError(first.path, "a box in one of its pictures", "none", "name a file with bbox in its annotations")
    items: list[Item] = []
    missing: list[tuple[Path, str]] = []
    notes = [note for file in files.values() for note in file.notes]
    val_is_test = "val" in files and "test" not in files
    if val_is_test:
        name = files["val"].path.relative_to(folder)
        notes.append(f"{name} is the test part; validation pictures are held out of training")
    for part, file in files.items():
        present, absent = _pictures(folder, file, "test" if part == "val" and val_is_test else part)
        items += present
        missing += absent
        empty = sum(not _has_box(image.rows) for image in file.images)
        if empty:
            notes.append(f"{file.path}: {empty} of {len(file.images)} pictures have no box")
    tree = tree_of(folder)
    notes += _refuse_shared(items, folder, tree)
    without = {"/".join(parts) for parts in tree.files} - {item.id for item in items}
    unread = Counter(f"{suffix} in no annotations" for name in without if (suffix := suffix_of(name)) in suffixes)
    return Listing(
        classes=tuple(first.categories.values()),
        items=tuple(items),
        skipped_files=tuple(missing),
        unread=tuple(sorted(unread.items())),
        notes=tuple(notes),
        label_kind="boxes",
    )


def _require_categories(files: list[CocoFile], category_ids: tuple[int, ...] | None) -> None:
    """Raise `InputError` for files with different categories, and for others than `category_ids`, where given."""
    first, *others = files
    for other in others:
        if other.categories != first.categories:
            numbers = sorted(set(first.categories.items()) ^ set(other.categories.items()))
            found = f"category {numbers[0][0]} ({numbers[0][1]}) in one of them only"
            raise InputError(other.path, f"the categories of {first.path.name}", found, "use one list of categories")
    if category_ids is not None and tuple(first.categories) != category_ids:
        expected, found = (first_names(list(map(str, ids)), 5) or "none" for ids in (category_ids, first.categories))
        todo = "number them so, or leave data.category_ids out to train on these; image/boxes reads sets of your own"
        raise InputError(first.path, f"the categories {expected} (data.category_ids)", found, todo)


def _pictures(folder: Path, file: CocoFile, part: Part) -> tuple[list[Item], list[tuple[Path, str]]]:
    """The pictures of a file that are there; and where others should be, with the reason."""
    items, missing, roots = [], [], _roots(folder, file.path)
    for image in file.images:
        path, roots = _find(image, file, roots)
        if path is None:
            reason = f"it is missing: image {image.number} of {file.path} names it"
            missing.append((roots[0] / image.file_name, reason))
            continue
        name = path.relative_to(folder).as_posix()
        # The stamp of a picture says nothing of its boxes, which are labels, and labels are part of a cache's key.
        items.append(Item(id=name, label=image.rows, part=part, path=path, stamp=file_stamp(path)))
    return items, missing


def category_ids_of(folder: Path) -> tuple[int, ...]:
    """The numbers of the categories in the files of a folder, in the order of the classes. Raises `InputError`: see
    `list_coco`.
    """
    path = next(iter(annotation_files(folder).values()))
    return tuple(read_categories(path))


def has_boxes(folder: Path) -> bool:
    """Whether a folder is one of pictures with boxes."""
    try:
        return all(map(holds_boxes, annotation_files(folder).values()))
    except (InputError, OSError):
        return False


def annotation_files(folder: Path) -> dict[Part, Path]:
    """The files of annotations of a folder by their parts; None where it has one file that names no part.

    Raises
    ------
    InputError
        For a folder without such files, and several of one part.
    """
    if not folder.is_dir():
        raise InputError(folder, f"a folder with COCO's annotations ({PLACES})", "none", "check data.folder")
    below = folder / ANNOTATIONS
    paths = sorted(path for path in below.glob("*.json") if not path.name.startswith("."))
    paths = [path for path in paths if path.name.startswith(INSTANCES)] or paths
    paths = paths or sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not paths:
        parts = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.lower() in PART_NAMES)
        paths = [path for part in parts for path in sorted(part.glob("*.json")) if not path.name.startswith(".")]
    if not paths:
        raise InputError(folder, f"COCO's annotations ({PLACES})", "no .json file there", "check data.folder")
    files: dict[Part, Path] = {}
    for path in paths:
        part = part_of_file(path, folder)
        if part in files or (part is None and len(paths) > 1):
            found = f"{path.name} beside {files[part].name}" if part in files else f"{path.name}, which names none"
            todo = "name the files after their parts, such as instances_train.json, and move others away"
            raise InputError(path, "one file for each of train, val and test", found, todo)
        files[part] = path
    if files.keys() & {"val", "test"} and "train" not in files:
        found = ", ".join(path.name for path in files.values())
        raise InputError(folder, "annotations of a training part", found, "add them, or give one file without a part")
    return files


def part_of_file(path: Path, folder: Path) -> Part:
    """The part that a file's name ends with, as in `instances_val2017.json`, or that of the folder it lies in."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    for word in reversed(words):
        if word in PART_NAMES:
            return PART_NAMES[word]
    return PART_NAMES.get(path.parent.name.lower()) if path.parent != folder else None


def _roots(folder: Path, path: Path) -> list[Path]:
    """Folders in which the pictures of a file may lie, the likely one first."""
    suffix = path.stem.removeprefix(INSTANCES)
    return [folder / suffix, folder / "images" / suffix, folder / "images", path.parent, folder]


def _find(image: CocoImage, file: CocoFile, roots: list[Path]) -> tuple[Path | None, list[Path]]:
    """The file of a picture, or None; and the folders with the one that had it first."""
    name = PurePosixPath(image.file_name.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        where, todo = f"{file.path} image {image.number}", "write the path below the folder of pictures"
        raise InputError(where, "a file_name below the folder", image.file_name, todo)
    for root in roots:
        path = root / name
        if is_file(path):
            return path, [root, *(other for other in roots if other != root)]
    return None, roots


def _refuse_shared(items: list[Item], folder: Path, tree: Tree[DiskFile]) -> tuple[str, ...]:
    """A picture of two parts would be tested on a model that was trained on it, whatever links lead to it. Returns
    notes.
    """
    places: dict[str, Part] = {}
    files = SampleFiles()
    for item in items:
        if item.id in places:
            found = f"it in {places[item.id]} and {item.part}"
            raise InputError(folder / item.id, "every picture once", found, "remove one of the two entries")
        places[item.id] = item.part
        hidden_file = DiskFile(item.path, item.path.is_symlink())
        files.add(tree.files.get(tuple(item.id.split("/")), hidden_file), item.part, 0, item.path.stat())
    return files.notes()


def _has_box(rows: Rows) -> bool:
    return rows[0][CLASS] == rows[0][CLASS]  # not NaN
