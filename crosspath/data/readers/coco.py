"""Boxes in COCO's JSON: from its images, annotations and categories to one row of numbers a box.

What a file says wrongly is refused with the file and the number of the annotation; what is left out or clipped is said
in a note. Layout of files and folders: `coco_folders.py`.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from crosspath.data.boxes import Fit, Rows, empty_rows
from crosspath.errors import InputError
from crosspath.limits import BYTES

SECTIONS = ("images", "annotations", "categories")
ROUNDING = 1.0
"""Pixels that a box may reach beyond its picture before it is said that it was clipped."""
MOST_PIXELS = 2**24
"""Of a side of a picture; float32, which boxes are stored in, has every whole number up to there."""
MOST_BOXES = 2_000
"""Of one picture; published sets have up to a few hundred."""


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """One picture of a file, and its boxes as `crosspath.data.boxes` describes them."""

    number: int
    """Its `id`."""
    file_name: str
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class CocoFile:
    """What one file of annotations says."""

    path: Path
    categories: Mapping[int, str]
    """Names by their numbers, in the order of the numbers."""
    images: tuple[CocoImage, ...]
    notes: tuple[str, ...]


def read_coco(path: Path, size: int) -> CocoFile:
    """The pictures of a file, with boxes in pixels of a square of `size`.

    A class is the place of its category among the sorted `id`s. `iscrowd` and `area` count as 0 and width x height
    where they are absent. A box without area is left out, and one that reaches beyond its picture is clipped: notes
    say how many. Pictures without boxes stay.

    Raises
    ------
    InputError
        For text that is not COCO's JSON; numbers that are given twice; an annotation of an unknown picture or category;
        and a box that is not four finite numbers, has a negative side, or lies outside its picture; boxes that are
        all in shares of their pictures.
    """
    tree = _tree(path)
    categories = _categories(tree, path)
    classes = {number: place for place, number in enumerate(categories)}
    images = {number: _image(entry, number, path) for number, entry in _by_id(tree, "images", path)}
    first_files: dict[str, int] = {}
    for number, (name, _, _) in images.items():
        if first_files.setdefault(name, number) != number:
            where, found = f"{path} image {number}", f"{name}, also of image {first_files[name]}"
            raise InputError(where, "a file_name of its own", found, "give a picture one entry")
    boxes: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    flat_boxes, clipped_boxes = _Remark(), _Remark()
    for number, entry in _by_id(tree, "annotations", path):
        where = f"{path} annotation {number}"
        owner, category = entry.get("image_id"), entry.get("category_id")
        if not _is_number(owner) or owner not in images:
            raise InputError(where, "the image_id of one of its images", repr(owner), "correct or remove it")
        if not _is_number(category) or category not in classes:
            raise InputError(where, "the category_id of one of its categories", repr(category), "correct or remove it")
        row = _row(entry, classes[category], Fit(*images[owner][1:], size), where, flat_boxes, clipped_boxes, number)
        if row is not None:
            boxes[owner].append(row)
            if len(boxes[owner]) > MOST_BOXES:
                raise InputError(f"{path} image {owner}", f"at most {MOST_BOXES:,} boxes", "more", "divide the picture")
    _refuse_shares(tree["annotations"], path)
    pictures = tuple(
        CocoImage(number=number, file_name=name, rows=tuple(boxes.get(number, ())) or empty_rows(*sides))
        for number, (name, *sides) in images.items()
    )
    notes = (
        flat_boxes.text(f"{path}: left out", "without area"),
        clipped_boxes.text(f"{path}: clipped to their pictures", f"that reach more than {ROUNDING:g} pixel beyond"),
    )
    return CocoFile(path=path, categories=categories, images=pictures, notes=tuple(note for note in notes if note))


def read_categories(path: Path) -> Mapping[int, str]:
    """Names by their numbers, in the order of the numbers. Raises `InputError` as `read_coco` does for them."""
    return _categories(_tree(path), path)


def holds_boxes(path: Path) -> bool:
    """Whether a file is COCO's JSON with a box in it: files of captions and of classes have none."""
    try:
        return any(isinstance(entry, dict) and "bbox" in entry for entry in _tree(path)["annotations"])
    except (InputError, OSError):
        return False


class _Remark:
    """Counts annotations and keeps the first."""

    def __init__(self) -> None:
        self.count, self.first = 0, 0

    def add(self, number: int) -> None:
        self.count, self.first = self.count + 1, self.first or number

    def text(self, what: str, of_which_kind: str) -> str:
        boxes = "box" if self.count == 1 else "boxes"
        return f"{what}: {self.count} {boxes} {of_which_kind}, first annotation {self.first}" if self.count else ""


def _row(
    entry: Mapping[str, Any], label: int, fit: Fit, where: str, flat_boxes: _Remark, clipped_boxes: _Remark, number: int
) -> tuple[float, ...] | None:
    """A box; None for one without area."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_finite(value) for value in box):
        todo = "write bbox as [x, y, width, height] in pixels"
        raise InputError(where, "a bbox of four finite numbers", json.dumps(box)[:80], todo)
    left, top, width, height = map(float, box)
    crowd, area = entry.get("iscrowd", 0), entry.get("area", width * height)
    if crowd not in (0, 1):
        raise InputError(where, "iscrowd 0 or 1", repr(crowd), "correct it")
    if not _is_finite(area) or area < 0:
        raise InputError(where, "a finite area, 0 or more", repr(area), "correct it, or leave it out")
    if width < 0 or height < 0:
        todo = "write bbox as [x, y, width, height], not as two corners"
        raise InputError(where, "a width and height of 0 or more", f"{width:g} x {height:g}", todo)
    x0, y0 = max(left, 0.0), max(top, 0.0)
    x1, y1 = min(left + width, float(fit.width)), min(top + height, float(fit.height))
    if x0 > fit.width or y0 > fit.height or x1 < 0 or y1 < 0:
        found = f"{box} in a picture of {fit.width} x {fit.height}"
        raise InputError(where, "a box inside its picture", found, "correct or remove it")
    across, down = fit.factors
    # In the float32 of the labels a sliver may have no width.
    if (x1 - x0) * across < _SLIVER or (y1 - y0) * down < _SLIVER:
        flat_boxes.add(number)
        return None
    beyond = max(-left, -top, left + width - fit.width, top + height - fit.height)
    if beyond > ROUNDING:
        clipped_boxes.add(number)
    corners = (x0 * across, y0 * down, x1 * across, y1 * down)
    return (*corners, float(label), float(crowd), float(area), float(fit.width), float(fit.height))


def _refuse_shares(annotations: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Raise `InputError` where every box with an area lies within 0 to 1: they are shares of the pictures, as YOLO
    writes them."""
    boxes = {entry["id"]: entry["bbox"] for entry in annotations if min(entry["bbox"][2:]) > 0}
    if boxes and max(map(max, boxes.values())) <= 1:
        number, box = next(iter(boxes.items()))
        todo = "multiply by the width and height of the picture"
        raise InputError(f"{path} annotation {number}", "a bbox in pixels", f"{box}, all within 0 to 1", todo)


_SLIVER = 1e-2
"""Pixels of the square below which a side counts as 0."""


def _tree(path: Path) -> Mapping[str, Any]:
    expected, todo = f"COCO's JSON, an object with {', '.join(SECTIONS)}", "export it as COCO object detection"
    reason = BYTES.excess(path.stat().st_size)
    if reason is not None:
        raise InputError(path, "a file of annotations within the limit", reason.partition(":")[0], reason)
    try:
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            path, "a file that can be read", error.strerror or str(error), "check its permissions"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(path, expected, "text that is not JSON", todo) from None
    if not isinstance(tree, dict):
        raise InputError(path, expected, f"a {type(tree).__name__}", todo)
    for name in SECTIONS:
        if not isinstance(tree.get(name), list):
            raise InputError(path, expected, f"no list of {name}", todo)
    return tree


def _by_id(tree: Mapping[str, Any], section: str, path: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """(id, entry) of a section. Raises `InputError` for entries without one, and for an id that two have."""
    kind, first = section.removesuffix("s") if section != "categories" else "category", set[int]()
    for place, entry in enumerate(tree[section]):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not _is_number(number):
            raise InputError(f"{path} {section}[{place}]", "an id, a whole number", repr(number), "number the entries")
        if number in first:
            raise InputError(f"{path} {kind} {number}", "an id of its own", "two entries", "number the entries")
        first.add(number)
        yield number, entry


def _categories(tree: Mapping[str, Any], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, entry in _by_id(tree, "categories", path):
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{path} category {number}", "a name", repr(name), "complete it")
        if name in names.values():
            raise InputError(
                f"{path} category {number}", "a name of its own", f"{name!r} twice", "rename one of the two"
            )
        names[number] = name
    if not names:
        raise InputError(path, "one category or more", "none", "name what the boxes hold")
    return dict(sorted(names.items()))


def _image(entry: Mapping[str, Any], number: int, path: Path) -> tuple[str, int, int]:
    where, name = f"{path} image {number}", entry.get("file_name")
    width, height = entry.get("width"), entry.get("height")
    if not isinstance(name, str) or not name:
        raise InputError(where, "a file_name", repr(name), "complete it")
    if not (_is_number(width) and _is_number(height) and 0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise InputError(where, "width and height in pixels", f"{width!r} x {height!r}"[:80], "correct it")
    return name, width, height


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
