"""Pictures of single samples: input, truth where it is known, and what the model says."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crosspath.config import Recipe
from crosspath.data.annotations import NOT_LABELLED
from crosspath.modalities import modality_of
from crosspath.objectives.drawing import Answer, Names
from crosspath.pictures.canvas import Panel, compose, fit_picture, legend_entries
from crosspath.pictures.clouds import VIEWS, cloud_view
from crosspath.pictures.masks import largest_classes, overlay
from crosspath.pictures.palette import class_colours

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_CLASSES = 12
"""Classes at most in a legend, the largest."""
UP, SHAPENET_UP = 2, 1
"""The upright axis of clouds, and of those that are ShapeNet's objects."""
SHAPENET = ("shapenetpart", "partnet")


def draw_pixels(recipe: Recipe, answer: Answer, names: Names) -> "Image":
    """The image, and the colour of each pixel's class over it: the truth's and the model's."""
    image, colours = pixels_of(recipe, answer), class_colours(len(names))
    masks = _beside_truth(answer)
    panels = [("input", fit_picture(image, 224, 320))]
    panels += [(title, fit_picture(overlay(image, mask, colours), 224, 320)) for title, mask in masks]
    labels = largest_classes(*(mask for _, mask in masks), classes=len(names), most=MOST_CLASSES)
    caption = _caption(answer, "pixels", len(names))
    return compose([panels], legend=legend_entries(names, colours, labels), caption=caption)


def mask_file(recipe: Recipe, answer: Answer, names: Names) -> Mapping[str, bytes]:
    """`.mask.png`, the class number of each pixel of the answer."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(answer.answer.astype(np.uint8)).save(buffer, "PNG")
    return {".mask.png": buffer.getvalue()}


def draw_parts(recipe: Recipe, answer: Answer, names: Names) -> "Image":
    """The cloud from the front and the side, in the colours of its parts; `names` are those of all parts."""
    points_P3, colours = answer.read()[:, :3], class_colours(len(names))
    up = SHAPENET_UP if getattr(recipe.data, "dataset", None) in SHAPENET else UP
    panels: list[Panel] = []
    for title, parts_P in _beside_truth(answer):
        known_P = parts_P < len(names)
        colours_P3 = np.where(known_P[:, None], colours[np.where(known_P, parts_P, 0)], np.uint8(190))
        panels += [(f"{title}, {view}", cloud_view(points_P3, colours_P3, turn, up=up)) for view, turn in VIEWS.items()]
    labels = largest_classes(*(parts for _, parts in _beside_truth(answer)), classes=len(names), most=MOST_CLASSES)
    caption = _caption(answer, "points", len(names))
    return compose([panels], legend=legend_entries(names, colours, labels), caption=caption)


def parts_file(recipe: Recipe, answer: Answer, names: Names) -> Mapping[str, bytes]:
    """`.parts.txt`, a line `x y z part` for each point that the model read."""
    buffer = io.BytesIO()
    rows = np.column_stack([answer.read()[:, :3], answer.answer])
    np.savetxt(buffer, rows, fmt=("%.6f", "%.6f", "%.6f", "%d"))
    return {".parts.txt": buffer.getvalue()}


def pixels_of(recipe: Recipe, answer: Answer) -> NDArray[np.uint8]:
    """The sample as its modality draws it (H, W, 3)."""
    picture = modality_of(recipe).picture
    assert picture is not None
    assert picture.pixels is not None
    return picture.pixels(answer.read(), recipe.data)


def _beside_truth(answer: Answer) -> list[tuple[str, NDArray[np.int64]]]:
    """The titles and classes to draw."""
    # An answer that is not finite has no class: it stays without a colour.
    prediction = ("prediction", np.nan_to_num(answer.answer, nan=NOT_LABELLED).astype(np.int64))
    return [prediction] if answer.truth is None else [("truth", answer.truth.astype(np.int64)), prediction]


def _caption(answer: Answer, unit: str, classes: int) -> str:
    """The sample's name, and the share of labelled pixels or points that are right."""
    if answer.truth is None:
        return answer.name
    has_label = answer.truth < classes
    right = 100 * float((answer.answer == answer.truth)[has_label].mean()) if has_label.any() else 0.0
    return f"{answer.name}: {right:.0f} % of {unit} right"
