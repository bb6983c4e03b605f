"""Semantic segmentation: the class of each pixel. Training on random squares, held-out pictures at their own size.

K classes, S the side of the square that the model reads, H and W of a picture.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad

from crosspath.config import Recipe
from crosspath.data.annotations import MOST_CLASSES, NOT_LABELLED, OUTSIDE
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.modalities.annotations import divide
from crosspath.models.build import build_pixel_segmenter
from crosspath.objectives.drawing import Drawing, Names
from crosspath.objectives.objective import Batch, Objective, all_tokens
from crosspath.objectives.sample_pictures import draw_pixels, mask_file

WINDOWS_AT_ONCE = 16
OVERLAP = 1 / 3
"""Of neighbouring windows, in each direction: published are windows of 512 pixels every 341."""


def pixel_cross_entropies(logits_BKHW: Tensor, classes_BHW: Tensor) -> Tensor:
    """For each picture (B,) the sum of its labelled pixels' cross entropies over the number of all its pixels, as
    published: a picture without labels costs nothing, and a part of a batch what it costs in the whole.
    """
    logits = logits_BKHW.to(torch.promote_types(logits_BKHW.dtype, torch.float32))
    return cross_entropy(logits, classes_BHW, ignore_index=NOT_LABELLED, reduction="none").mean(dim=(1, 2))


def picture_logits(model: nn.Module, recipe: Recipe, picture_3HW: Tensor) -> Tensor:
    """Logits (K, H, W) of a prepared picture of any size, from windows that overlap.

    The picture is resized to the short side `data.resize`, where that is given, cut into squares of S pixels, and the
    logits of each pixel are averaged over its windows, then resized to the picture's own size. What a window lacks has
    the mean colour.
    """
    height, width = picture_3HW.shape[1:]
    short = getattr(recipe.data, "resize", None)
    factor = 1.0 if short is None else short / min(height, width)
    if factor != 1.0:
        size = (max(round(height * factor), 1), max(round(width * factor), 1))
        picture_3HW = interpolate(
            picture_3HW[None], size=size, mode="bilinear", align_corners=False, antialias=factor < 1.0
        )[0]
    side = _side(recipe)
    rows, columns = picture_3HW.shape[1:]
    padded = pad(picture_3HW, (0, max(side - columns, 0), 0, max(side - rows, 0)))
    places = list(_windows(padded.shape[1], padded.shape[2], side))
    total: Tensor | None = None
    counts = padded.new_zeros(padded.shape[1:])
    for start in range(0, len(places), WINDOWS_AT_ONCE):
        some = places[start : start + WINDOWS_AT_ONCE]
        batch = torch.stack([padded[:, top : top + side, left : left + side] for top, left in some])
        for (top, left), logits_KSS in zip(some, model(batch).float(), strict=True):
            total = padded.new_zeros(len(logits_KSS), *padded.shape[1:]) if total is None else total
            total[:, top : top + side, left : left + side] += logits_KSS
            counts[top : top + side, left : left + side] += 1
    assert total is not None
    logits_KHW = (total / counts)[:, :rows, :columns]
    if (rows, columns) == (height, width):
        return logits_KHW
    return interpolate(logits_KHW[None], size=(height, width), mode="bilinear", align_corners=False)[0]


def count_pixels(logits_KHW: Tensor, classes_HW: Tensor) -> Tensor:
    """(4, K) of one picture, its labelled pixels alone: those of each class that are right, those given to it, those
    that have it, and the sum of the latter's cross entropies.
    """
    classes = len(logits_KHW)
    confusion_KK = require_torchmetrics().multiclass_confusion_matrix(
        logits_KHW.argmax(dim=0)[None], classes_HW[None], classes, ignore_index=NOT_LABELLED, validate_args=False
    )
    costs_HW = cross_entropy(logits_KHW[None], classes_HW[None], ignore_index=NOT_LABELLED, reduction="none")[0]
    has_label = classes_HW != NOT_LABELLED
    costs_K = costs_HW.new_zeros(classes, dtype=torch.float64)
    costs_K.index_add_(0, classes_HW[has_label], costs_HW[has_label].double())
    counts = [confusion_KK.diagonal(), confusion_KK.sum(dim=0), confusion_KK.sum(dim=1)]
    return torch.stack([*(count.double() for count in counts), costs_K])


def segmentation_metrics(counts_N4K: Tensor) -> dict[str, float]:
    """`miou`, `pixel_accuracy`, `loss`, and `iou/K` of each class by its number, over the pixels of all pictures.

    A class that no pixel has and none was given has no IoU and does not enter the mean, as published. Without any
    labelled pixel the result is empty.
    """
    right_K, predicted_K, present_K, costs_K = counts_N4K.double().sum(dim=0)
    if not len(counts_N4K) or not present_K.sum():
        return {}
    union_K = predicted_K + present_K - right_K
    ious = {label: float(right_K[label] / union) for label, union in enumerate(union_K.tolist()) if union}
    return {
        "miou": sum(ious.values()) / len(ious),
        "pixel_accuracy": float(right_K.sum() / present_K.sum()),
        "loss": float(costs_K.sum() / present_K.sum()),
        **{f"iou/{label}": value for label, value in ious.items()},
    }


def require_torchmetrics() -> Any:
    """torchmetrics' functions for classes, which take seconds to import. Raises `InputError` where there are none."""
    try:
        from torchmetrics.functional import classification
    except ImportError:
        todo = "pip install 'crosspath[segmentation]'"
        raise InputError("objective", "torchmetrics, which counts pixels", "it is not installed", todo) from None
    return classification


def _windows(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    """(top, left) of the windows, row by row; the last of a row or column ends with the picture."""
    stride = max(round(side * (1 - OVERLAP)), 1)
    rows, columns = (ceil((length - side) / stride) + 1 for length in (height, width))
    for row in range(rows):
        for column in range(columns):
            yield min(row * stride, height - side), min(column * stride, width - side)


def _side(recipe: Recipe) -> int:
    return int(getattr(recipe.data, "image_size", 0))


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    assert recipe.segmentation is not None
    inputs, classes_BHW = divide(recipe.data, batch.inputs)
    logits, auxiliary = model(inputs, True)
    losses_B = pixel_cross_entropies(logits, classes_BHW)
    if auxiliary is None:
        return losses_B
    return losses_B + recipe.segmentation.auxiliary_weight * pixel_cross_entropies(auxiliary, classes_BHW)


def _outputs(model: nn.Module, recipe: Recipe, batch: Tensor, rows_B: Tensor) -> Tensor:
    """(B, 4, K): see `count_pixels`."""
    inputs, classes_BHW = divide(recipe.data, batch)
    counts = []
    for picture, classes_HW in zip(inputs, classes_BHW, strict=True):
        inside = classes_HW != OUTSIDE
        height, width = int(inside[:, 0].sum()), int(inside[0].sum())
        logits_KHW = picture_logits(model, recipe, picture[:, :height, :width])
        counts.append(count_pixels(logits_KHW, classes_HW[:height, :width]))
    return torch.stack(counts)


def _metrics(counts_N4K: Tensor, labels: Tensor, recipe: Recipe) -> dict[str, float]:
    return segmentation_metrics(counts_N4K)


def _answers(model: nn.Module, recipe: Recipe, inputs_B3HW: Tensor, labels: Tensor | None) -> Tensor:
    """The class (B, H, W) of each pixel; NaN where the model's outputs are not finite, which `predict` refuses."""
    logits_BKHW = torch.stack([picture_logits(model, recipe, picture) for picture in inputs_B3HW])
    return logits_BKHW.argmax(dim=1).float().masked_fill(~logits_BKHW.isfinite().all(dim=1), torch.nan)


def _predictions(classes_HW: Tensor, recipe: Recipe, names: Names, top: int) -> dict[str, Any]:
    """{"predictions": [{"class", "share"}, ...]}: the classes that have pixels with their share of the picture, the
    largest first."""
    counts_K = torch.bincount(classes_HW.flatten().to(torch.int64).cpu(), minlength=len(names))
    best = counts_K.sort(descending=True, stable=True)
    shares = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    pixels = classes_HW.numel()
    return {"predictions": [{"class": names[label], "share": count / pixels} for count, label in shares if count][:top]}


def _check(recipe: Recipe, data: DataSet) -> None:
    """Every part has labelled pixels, and the training part those of two classes: one alone is learnt at once, and its
    score is perfect.
    """
    require_torchmetrics()
    todo = (
        "see what the values of the masks mean: the file of classes has a line for each, and data.ignored_values, "
        "255 unless it is set, are not labelled"
    )
    parts = (("training", data.train, 2), ("validation", data.validation, 1), ("test", data.test, 1))
    for name, examples, fewest in parts:
        found = _classes_in(examples, fewest)
        if len(examples) and len(found) < fewest:
            expected = f"labelled pixels{' of two classes or more' if fewest > 1 else ''} in its masks"
            only = f"{data.classes[found[0]]} alone" if found else "none"
            raise InputError(f"the {name} part of {recipe.name}", expected, only, todo)


def _classes_in(examples: Examples, fewest: int) -> list[int]:
    """Classes that pixels have. Pictures are read until there are `fewest`: of most sets one, of none all."""
    found: set[int] = set()
    for row in range(len(examples)):
        values = np.unique(examples.inputs[row : row + 1][:, -1])
        found.update(values[values < MOST_CLASSES].tolist())
        if len(found) >= fewest:
            break
    return sorted(found)


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "segmentation"


SEGMENTATION = Objective(
    name="segmentation",
    verb="train",
    serves=_serves,
    build=build_pixel_segmenter,
    losses=_losses,
    outputs=_outputs,
    metrics=_metrics,
    selects_by="miou",
    labelled=True,
    visible=all_tokens,
    check=_check,
    predictions=_predictions,
    most=MOST_CLASSES,
    drawing=Drawing(answers=_answers, sample=draw_pixels, files=mask_file),
    hub_task="image-segmentation",
)
