"""Sets in COCO's exact layout, written for tests: pictures as PNG, JSON with gaps between the numbers of categories."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosspath.data.boxes import CLASS, Rows
from crosspath.data.generated.shapes import SHAPES, synthetic_shapes

CATEGORY_IDS = (2, 7, 18)


def annotations_of(pictures: Sequence[Rows], names: Sequence[str], size: int) -> dict[str, Any]:
    """The JSON of pictures of one size, with the keys that the published files have."""
    rows = [(number, row) for number, rows in enumerate(pictures) for row in rows if row[CLASS] == row[CLASS]]
    return {
        "info": {"description": "generated"},
        "licenses": [],
        "images": [
            {"id": 100 + number, "file_name": name, "width": size, "height": size, "license": 1}
            for number, name in enumerate(names)
        ],
        "annotations": [
            {
                "id": 1000 + place,
                "image_id": 100 + number,
                "category_id": CATEGORY_IDS[int(row[CLASS])],
                "bbox": [row[0], row[1], row[2] - row[0], row[3] - row[1]],
                "area": row[6],
                "iscrowd": int(row[5]),
                "segmentation": [],
            }
            for place, (number, row) in enumerate(rows)
        ],
        # Not in order, as nothing promises it.
        "categories": [
            {"id": number, "name": name, "supercategory": "shape"}
            for number, name in reversed(list(zip(CATEGORY_IDS, SHAPES, strict=True)))
        ],
    }


def write_coco(
    folder: Path, counts: Mapping[str, int], size: int = 48, change: Callable[[str, dict[str, Any]], None] | None = None
) -> tuple[NDArray[np.uint8], list[Rows]]:
    """`annotations/instances_<part>.json` and `<part>/` with generated shapes, {part: number of pictures}; `change`
    edits the JSON of a part. Returns pictures and boxes, in the order of the parts.
    """
    inputs, rows = synthetic_shapes(sum(counts.values()), size, 3)
    (folder / "annotations").mkdir(parents=True)
    start = 0
    for part, count in counts.items():
        (folder / part).mkdir()
        names = [f"{number:012d}.png" for number in range(start, start + count)]
        for picture, name in zip(inputs[start : start + count], names, strict=True):
            Image.fromarray(picture.transpose(1, 2, 0)).save(folder / part / name)
        tree = annotations_of(rows[start : start + count], names, size)
        if change is not None:
            change(part, tree)
        path = folder / "annotations" / f"instances_{part}.json"
        path.write_text(json.dumps(tree), encoding="utf-8")
        start += count
    return inputs, rows
