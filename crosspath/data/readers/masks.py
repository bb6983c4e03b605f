"""Index masks beside pictures, in ADE20K's layout: the class of each pixel as the value of an 8-bit PNG.

    FOLDER/images/training/X.jpg        FOLDER/annotations/training/X.png
    FOLDER/images/validation/Y.jpg      FOLDER/annotations/validation/Y.png
    FOLDER/objectInfo150.txt, the published table, or FOLDER/classes.txt

Parts are folders named as elsewhere (`train`, `val`, `test`, or as above); without them the usual split is drawn. A
picture and its mask have the same name up to the suffix. `classes.txt` has one class name per line; the first line
is that of value 0. In the published table value 0 is not labelled, and names begin with 1.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from glob import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.class_layout import no_files_error
from crosspath.data.folder_tree import DiskFile, Names, Tree, suffix_of, tree_of
from crosspath.data.items import PART_NAMES, DamageError, Item, Listing, Part, file_stamp
from crosspath.data.linked_files import SampleFiles
from crosspath.data.readers.mask_values import mask_values, read_mask
from crosspath.data.readers.pictures import read_picture, turned_size
from crosspath.errors import InputError

PICTURES, MASKS = "images", "annotations"
MASK = ".png"
"""The suffix of masks."""


def has_masks(folder: Path) -> bool:
    """Whether a folder holds `images`, and masks in `annotations`: COCO's file of boxes may lie there instead."""
    if not ((folder / PICTURES).is_dir() and (folder / MASKS).is_dir()):
        return False
    return any(suffix_of(names[-1]) == MASK for names in tree_of(folder / MASKS).files)


def refuse_masks_as_class(where: Path, classes: Collection[str]) -> None:
    """Raise `InputError` for class folders of which one is called as pictures are and all others as their masks."""
    others = {name for name in classes if name.casefold() != PICTURES}
    if others and len(others) < len(classes) and all(name.casefold() in (MASKS, "masks", "labels") for name in others):
        todo = (
            f"save index masks as .png in {MASKS}/ and train image/masks; for the pictures alone, move {PICTURES} into "
            "a folder of its own; for classes, rename the folders"
        )
        raise InputError(where, "class folders", f"{PICTURES} beside {', '.join(sorted(others))}", todo)


def list_masked_pictures(
    folder: Path,
    suffixes: tuple[str, ...],
    ignored_values: tuple[int, ...] | None,
    parts: dict[str, Part] | None = None,
) -> Listing:
    """Every picture with its mask. A picture without a mask is listed as skipped, and so is a link to nowhere.

    `ignored_values` are the values that are not labelled; 255 when not given, and 0 where the published table names the
    classes. `parts` are the names of the folders of parts, instead of the usual ones.

    Raises
    ------
    InputError
        For missing folders, a missing or faulty file of classes, and a name that several pictures or masks share.
    """
    _require_folders(folder)
    classes = mask_values(folder, ignored_values).classes
    pictures, masks = tree_of(folder / PICTURES), tree_of(folder / MASKS)
    by_stem = _by_stem(folder / MASKS, masks, (MASK,), "masks")
    samples = _by_stem(folder / PICTURES, pictures, suffixes, "pictures")
    if not samples:
        raise no_files_error(folder / PICTURES, "images", suffixes, _kinds(pictures, suffixes))
    files = SampleFiles()
    items, skipped_files = [], list(pictures.broken_links.values()) + list(masks.broken_links.values())
    for stem, file in sorted(samples.items()):
        if stem not in by_stem:
            skipped_files.append((file.path, f"it has no mask {MASKS}/{'/'.join(stem)}{MASK}"))
            continue
        mask = by_stem[stem].path
        item = _item(stem, file, parts, files)
        sizes, times = zip(*(stamp.partition("-")[::2] for stamp in (item.stamp, file_stamp(mask))), strict=True)
        items.append(replace(item, stamp="-".join(("+".join(sizes), "+".join(times)))))
    _refuse_mixed_parts(folder, items)
    without = len(by_stem.keys() - samples.keys())
    notes = (f"{without} of the masks belong to no picture",) if without else ()
    return Listing(classes, tuple(items), tuple(skipped_files), _kinds(pictures, suffixes), (*notes, *files.notes()))


def list_pictures(folder: Path, suffixes: tuple[str, ...], parts: dict[str, Part] | None = None) -> Listing:
    """The pictures alone, all of one class, for what needs no labels. Raises `InputError` for none."""
    _require_folders(folder)
    pictures = tree_of(folder / PICTURES)
    samples = _by_stem(folder / PICTURES, pictures, suffixes, "pictures")
    if not samples:
        raise no_files_error(folder / PICTURES, "images", suffixes, _kinds(pictures, suffixes))
    files = SampleFiles()
    items = tuple(_item(stem, file, parts, files) for stem, file in sorted(samples.items()))
    skipped_files, unread = tuple(pictures.broken_links.values()), _kinds(pictures, suffixes)
    return Listing(("pictures",), items, skipped_files, unread, files.notes())


def read_masked_picture(item: Item, ignored_values: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """The picture of an item of `list_masked_pictures` with its mask, uint8 (4, H, W), at its own size. Raises
    `DamageError` for a picture or a mask that cannot be read, or do not belong together.
    """
    root = item.path.parents[len(Path(item.id).parts)]
    mask = _any_case((root / MASKS / item.id).with_suffix(MASK))
    with item.path.open("rb") as file:
        if turned_size(file) is not None:
            raise DamageError("it is turned by its EXIF tag, and its mask may be or not: save both upright")
        picture = np.asarray(read_picture(file))
    name = mask.relative_to(root)
    try:
        classes = read_mask(mask, mask_values(root, ignored_values))
    except OSError as error:
        raise DamageError(f"its mask {name} cannot be read ({error.strerror or error})") from None
    except DamageError as damage:
        raise DamageError(f"its mask {name} {damage}") from None
    if classes.shape != picture.shape[:2]:
        sides = [" x ".join(map(str, reversed(shape))) for shape in (classes.shape, picture.shape[:2])]
        raise DamageError(f"its mask {name} has {sides[0]} pixels and the picture {sides[1]}: save it at that size")
    return np.concatenate([picture, classes[..., None]], axis=2).transpose(2, 0, 1)


def _require_folders(folder: Path) -> None:
    missing = next((name for name in (PICTURES, MASKS) if not (folder / name).is_dir()), None)
    if missing is not None:
        todo = f"put pictures into {PICTURES}/ and their index masks, under the same names, into {MASKS}/"
        raise InputError(folder, f"folders {PICTURES} and {MASKS}", f"no {missing}", todo)


def _item(stem: Names, file: DiskFile, parts: dict[str, Part] | None, files: SampleFiles) -> Item:
    """A picture, of the part whose folder it lies in. Raises `InputError` for a file that is another picture too."""
    name = "/".join((*stem[:-1], file.path.name))
    part = (PART_NAMES if parts is None else parts).get(stem[0].lower()) if len(stem) > 1 else None
    files.add(file, part, 0, file.path.stat())
    return Item(id=name, label=0, part=part, path=file.path, stamp=file_stamp(file.path))


def _by_stem(root: Path, tree: Tree[DiskFile], suffixes: tuple[str, ...], content: str) -> dict[Names, DiskFile]:
    """Files by their names without the suffix. Raises `InputError` for two of one name."""
    files: dict[Names, DiskFile] = {}
    several: dict[Names, list[str]] = defaultdict(list)
    for names, file in sorted(tree.files.items()):
        suffix = suffix_of(names[-1])
        if suffix in suffixes:
            stem = (*names[:-1], names[-1][: -len(suffix)])
            several[stem].append(names[-1])
            files[stem] = file
    for stem, own in several.items():
        if len(own) > 1:
            where = root.joinpath(*stem[:-1])
            raise InputError(where, f"{content} whose names differ before the suffix", " and ".join(own), "rename one")
    return files


def _kinds(tree: Tree[DiskFile], suffixes: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """(suffix, number) of the files that are no samples."""
    counts: dict[str, int] = defaultdict(int)
    for names in tree.files:
        suffix = suffix_of(names[-1])
        if suffix not in suffixes:
            counts[suffix or "without suffix"] += 1
    return tuple(sorted(counts.items()))


def _refuse_mixed_parts(folder: Path, items: list[Item]) -> None:
    """Folders of parts beside other pictures: those would be taken for training ones."""
    parts = {item.part for item in items if item.part is not None}
    other = next((item for item in items if item.part is None), None)
    if parts and other is not None:
        expected = "pictures in folders of parts (training, validation, test), or none in such a folder"
        raise InputError(folder / PICTURES / other.id, expected, "a picture beside them", "move it into one of them")
    if parts and "train" not in parts:
        raise InputError(folder / PICTURES, "a folder `training`", "none", "name the folder to train on `training`")


def _any_case(path: Path) -> Path:
    """The file of that name whose suffix may have capitals; the path itself where there is none."""
    if path.exists() or not path.parent.is_dir():
        return path
    return next((file for file in path.parent.glob(f"{escape(path.stem)}.*") if _is_same(file, path)), path)


def _is_same(file: Path, path: Path) -> bool:
    return file.stem == path.stem and file.suffix.lower() == path.suffix
