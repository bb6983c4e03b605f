"""Detection: boxes with their classes, by a detector of torchvision on the encoder.

A sample's loss is the sum of what the library gives for this sample alone: RetinaNet's terms, each divided by the
number of the sample's own matched anchors; Faster R-CNN's, by that of its own drawn anchors and regions. The mean over
a batch is RetinaNet's own loss of that batch to rounding, and Faster R-CNN's where samples have as many regions.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.boxes import CORNERS, CROWD, in_pictures
from crosspath.data.examples import DataSet
from crosspath.modalities import modality_of
from crosspath.models.build import build_detector
from crosspath.models.detector import KIND
from crosspath.objectives.box_metrics import box_metrics, require_evaluator
from crosspath.objectives.box_pictures import draw_boxes
from crosspath.objectives.drawing import Drawing, model_outputs
from crosspath.objectives.objective import Batch, Objective, all_tokens, require_in_each_part

MOST = 100
"""Boxes of a picture that are predicted, as COCO counts them."""


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    losses_B: Tensor = model(batch.inputs, batch.targets)
    return losses_B


def _metrics(detections_NQ6: Tensor, boxes_NM9: Tensor, recipe: Recipe) -> dict[str, float]:
    return box_metrics(detections_NQ6, boxes_NM9, size_of_square(recipe)) if len(boxes_NM9) else {}


def size_of_square(recipe: Recipe) -> int:
    """Pixels of the square that samples are."""
    return modality_of(recipe).sample_shape(recipe.data)[-1]


def _to_picture(detections_Q6: Tensor, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    """In pixels of a picture of that width and height; what reaches into the filled part is cut off, and a box of which
    nothing is left becomes none."""
    result_Q6 = detections_Q6.double()
    sides_Q2 = np.tile(np.array(size, np.int64), (len(result_Q6), 1))
    corners_Q4, left_Q = in_pictures(result_Q6[:, CORNERS].numpy(), sides_Q2, size_of_square(recipe))
    result_Q6[:, CORNERS] = torch.from_numpy(corners_Q4)
    result_Q6[~torch.from_numpy(left_Q), KIND] = -1
    return result_Q6


def _boxes(detections_Q6: Tensor, recipe: Recipe, names: tuple[str, ...], top: int) -> dict[str, Any]:
    """{"predictions": [{"class", "score", "box"}, ...]}, the highest score first; `category_id` where the recipe has
    the numbers of the classes. A box is (x0, y0, x1, y1)."""
    numbers = getattr(recipe.data, "category_ids", None)
    boxes = []
    for *corners, score, kind in detections_Q6[detections_Q6[:, KIND] >= 0][:top].tolist():
        category = {} if numbers is None else {"category_id": numbers[int(kind)]}
        boxes.append({"class": names[int(kind)], **category, "score": score, "box": corners})
    return {"predictions": boxes}


def _check(recipe: Recipe, data: DataSet) -> None:
    """What computes the metric is there before hours of training, and there are boxes to train on and to find."""
    require_evaluator()
    todo = "name files whose pictures have boxes, or divide the pictures otherwise"
    expected = "pictures with boxes other than crowds"
    require_in_each_part(
        recipe, data, expected, lambda examples: bool((np.asarray(examples.labels)[..., CROWD] == 0).any()), todo
    )


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "detection"


DETECTION = Objective(
    name="detection",
    verb="train",
    serves=_serves,
    build=build_detector,
    losses=_losses,
    outputs=model_outputs,
    metrics=_metrics,
    selects_by="box_ap",
    labelled=True,
    hub_task="object-detection",
    predictions=_boxes,
    most=MOST,
    to_picture=_to_picture,
    check=_check,
    drawing=Drawing(answers=model_outputs, sample=draw_boxes),
    visible=all_tokens,
)
