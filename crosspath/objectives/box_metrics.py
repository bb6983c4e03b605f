"""Average precision of boxes as COCO defines it, by faster-coco-eval."""

from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crosspath.data.boxes import AREA, CLASS, CORNERS, CROWD, HEIGHT, WIDTH, factors_of, in_pictures
from crosspath.errors import InputError
from crosspath.models.detector import KIND, SCORE

NAMES = ("box_ap", "box_ap50", "box_ap75", "box_ap_small", "box_ap_medium", "box_ap_large")
"""In the order of COCO's summary. Areas are those of the annotated pictures, below 32², to 96² and above."""


def box_metrics(detections_NQ6: Tensor, boxes_NM9: Tensor, size: int) -> dict[str, float]:
    """Average precisions as fractions, of detections and boxes in pixels of squares of `size`.

    `box_ap` is the mean over IoU 0.50 to 0.95 and over the classes that have a box; `box_ap50` and `box_ap75` are those
    of one IoU; the others count boxes of some areas. At most 100 detections a picture count. A crowd is never missed,
    and what lies in it is no error. What no box enters is left out; without boxes the result is empty. Where a
    score is NaN, all are.

    Raises
    ------
    InputError
        Where faster-coco-eval is not installed.
    """
    from_boxes, from_detections = _annotations(boxes_NM9, size), _results(detections_NQ6, boxes_NM9, size)
    if not any(not box["iscrowd"] for box in from_boxes["annotations"]):
        return {}
    if bool(detections_NQ6[..., SCORE].isnan().any()):
        return dict.fromkeys(NAMES, nan)
    values = _evaluate(from_boxes, from_detections)
    return {name: float(value) for name, value in zip(NAMES, values, strict=True) if value >= 0}


def require_evaluator() -> None:
    """Raise `InputError` where faster-coco-eval is not installed."""
    from importlib.util import find_spec

    if find_spec("faster_coco_eval") is None:
        todo = "pip install 'crosspath[detection]'"
        raise InputError("box_ap", "faster-coco-eval, which computes it", "none", todo)


def _evaluate(truth: dict[str, Any], results_R7: NDArray[np.float64]) -> list[float]:
    require_evaluator()
    from faster_coco_eval import COCO, COCOeval_faster

    annotations = COCO(truth)
    evaluation = COCOeval_faster(annotations, annotations.loadRes(results_R7), "bbox", print_function=_nothing)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return list(evaluation.stats[: len(NAMES)])


def _nothing(*texts: object) -> None:
    """In place of printing."""


def _annotations(boxes_NM9: Tensor, size: int) -> dict[str, Any]:
    """The boxes as COCO's file has them, in pixels of the annotated pictures; numbers begin at 1."""
    boxes = boxes_NM9.double().numpy()
    pictures, places = np.nonzero(~np.isnan(boxes[..., CLASS]))
    rows_RX = boxes[pictures, places]
    corners_R4 = rows_RX[:, CORNERS] / factors_of(_sides(boxes), size)[pictures]
    annotations = [
        {
            "id": number,
            "image_id": picture + 1,
            "category_id": int(row[CLASS]) + 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": row[AREA],
            "iscrowd": int(row[CROWD]),
        }
        for number, (picture, row, (x0, y0, x1, y1)) in enumerate(
            zip(pictures.tolist(), rows_RX, corners_R4.tolist(), strict=True), 1
        )
    ]
    categories = sorted({annotation["category_id"] for annotation in annotations})
    return {
        "images": [{"id": number + 1} for number in range(len(boxes))],
        "annotations": annotations,
        "categories": [{"id": number, "name": str(number)} for number in categories],
    }


def _results(detections_NQ6: Tensor, boxes_NM9: Tensor, size: int) -> NDArray[np.float64]:
    """Rows of (picture, x, y, width, height, score, category), as faster-coco-eval reads them, of what `predict`
    gives."""
    detections = detections_NQ6.double().numpy()
    pictures, places = np.nonzero(detections[..., KIND] >= 0)
    rows_RX = detections[pictures, places]
    corners_R4, left_R = in_pictures(rows_RX[:, CORNERS], _sides(boxes_NM9.double().numpy())[pictures], size)
    sides_R2 = corners_R4[:, 2:] - corners_R4[:, :2]
    columns = (pictures + 1, corners_R4[:, :2], sides_R2, rows_RX[:, SCORE], rows_RX[:, KIND] + 1)
    return np.column_stack(columns)[left_R]


def _sides(boxes_NM9: NDArray[np.float64]) -> NDArray[np.int64]:
    """Width and height of each picture (N, 2)."""
    return boxes_NM9[:, 0, [WIDTH, HEIGHT]].astype(np.int64)
