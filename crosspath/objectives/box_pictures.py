"""Pictures of boxes with class and score, the truth's beside the model's."""

from typing import TYPE_CHECKING

import numpy as np

from crosspath.config import Recipe
from crosspath.counts import quantity
from crosspath.data.boxes import CLASS, CORNERS, CROWD
from crosspath.models.detector import KIND, SCORE
from crosspath.objectives.drawing import Answer, Names
from crosspath.objectives.sample_pictures import pixels_of
from crosspath.pictures.boxes import with_boxes
from crosspath.pictures.canvas import compose, fit_picture
from crosspath.pictures.palette import class_colours

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SCORE = 0.3
"""Of a box that is drawn; the caption says how many have less."""
MOST = 20
"""Boxes that are drawn at most, the best."""
SIDES = (320, 480)
"""Pixels of the longer side of a picture, at least and at most."""


def draw_boxes(recipe: Recipe, answer: Answer, names: Names) -> "Image":
    """The image as the model reads it, with the boxes of the truth and those that the model is surest of."""
    image, colours = pixels_of(recipe, answer), class_colours(len(names))
    picture = fit_picture(image, *SIDES)
    factor = picture.shape[0] / image.shape[0]
    detections = answer.answer[answer.answer[:, KIND] >= 0]
    sure = detections[detections[:, SCORE] >= LEAST_SCORE]
    best = sure[:MOST]
    kinds = best[:, KIND].astype(int).tolist()
    scores = best[:, SCORE].tolist()
    predicted = with_boxes(picture, best[:, CORNERS] * factor, kinds, names, colours, scores)
    panels = [("prediction", predicted)]
    count = quantity(len(sure), "box", "boxes")
    shown_of = count if len(best) == len(sure) else f"the best {len(best)} of {count}"
    caption = f"{answer.name}: {shown_of} of score {LEAST_SCORE} or more, of {len(detections)}"
    if answer.truth is not None:
        boxes = answer.truth[~np.isnan(answer.truth[:, CLASS])]
        boxes = boxes[boxes[:, CROWD] == 0]
        true = with_boxes(picture, boxes[:, CORNERS] * factor, boxes[:, CLASS].astype(int).tolist(), names, colours)
        panels.insert(0, ("truth", true))
    return compose([panels], caption=caption)
