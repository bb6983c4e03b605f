"""Classification, of one label a sample or of several."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.models.build import build_model
from crosspath.objectives.drawing import model_outputs
from crosspath.objectives.masking import draw_visible_patches
from crosspath.objectives.metrics import classification_metrics, multi_label_metrics
from crosspath.objectives.mistakes import MISTAKES
from crosspath.objectives.objective import (
    Batch,
    Objective,
    all_tokens,
    head_by_batch,
    require_in_each_part,
    token_grid,
)

Probabilities = Callable[[Tensor], Tensor]


def soft_cross_entropies(logits_BK: Tensor, targets_BK: Tensor, smoothing: float = 0.0) -> Tensor:
    """For each sample (B,) the cross entropy between its target distribution and its prediction.

    Computed in float32 (or wider) whatever the logits' type. `targets_BK` rows sum to one (one-hot, or mixed by
    mixup and cutmix); `smoothing` moves that part of each row to the uniform distribution over K classes
    (label smoothing, Szegedy et al. 2016, arXiv 1512.00567, section 7).
    """
    log_probabilities_BK = log_softmax(logits_BK if logits_BK.dtype.itemsize >= 4 else logits_BK.float(), dim=-1)
    classes = logits_BK.shape[-1]
    smoothed_BK = targets_BK.to(log_probabilities_BK.dtype) * (1.0 - smoothing) + smoothing / classes
    return -(smoothed_BK * log_probabilities_BK).sum(dim=-1)


def binary_cross_entropies(logits_BK: Tensor, targets_BK: Tensor, smoothing: float = 0.0) -> Tensor:
    """For each sample (B,) the binary cross entropy of its logits, averaged over the classes.

    Computed in float32 (or wider). Targets are probabilities in [0, 1]; `smoothing` moves that part of each to 0.5.
    """
    logits_BK = logits_BK.to(torch.promote_types(logits_BK.dtype, torch.float32))
    smoothed_BK = targets_BK.to(logits_BK.dtype) * (1.0 - smoothing) + 0.5 * smoothing
    return binary_cross_entropy_with_logits(logits_BK, smoothed_BK, reduction="none").mean(dim=-1)


def training_logits(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    """Logits (B, K) of a training batch, of whose tokens the augmentation may leave some rows out."""
    logits_BK: Tensor
    shares = recipe.augment.dropped_rows
    if shares:
        times, mels = token_grid(model)
        visible_BV = draw_visible_patches(
            (shares[0], shares[1]), (times, mels), recipe.train.seed, batch.epoch, batch.ids_B
        )
        logits_BK = model(batch.inputs, visible_BV.to(batch.inputs.device))
    else:
        logits_BK = model(batch.inputs)
    return logits_BK


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    assert batch.targets is not None
    return soft_cross_entropies(training_logits(model, recipe, batch), batch.targets, recipe.train.label_smoothing)


def _binary_losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    assert batch.targets is not None
    smoothing = recipe.train.label_smoothing
    return binary_cross_entropies(training_logits(model, recipe, batch), batch.targets, smoothing)


def _softmax(logits_BK: Tensor) -> Tensor:
    return logits_BK.softmax(dim=-1)


def _best_classes(
    logits_K: Tensor, names: tuple[str, ...], top: int, probabilities_of: Probabilities
) -> dict[str, Any]:
    """{"predictions": [{"class", "probability"}, ...]}, the most probable class first."""
    best = probabilities_of(logits_K.double().cpu()).topk(min(top, len(names)))
    pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return {"predictions": [{"class": names[index], "probability": probability} for probability, index in pairs]}


def _one_prediction(logits_K: Tensor, recipe: Recipe, names: tuple[str, ...], top: int) -> dict[str, Any]:
    return _best_classes(logits_K, names, top, _softmax)


def _several_predictions(logits_K: Tensor, recipe: Recipe, names: tuple[str, ...], top: int) -> dict[str, Any]:
    return _best_classes(logits_K, names, top, torch.sigmoid)


def _metrics(logits_NK: Tensor, labels: Tensor, recipe: Recipe) -> dict[str, float]:
    return classification_metrics(logits_NK, labels)


def _multi_label_metrics(logits_NK: Tensor, labels: Tensor, recipe: Recipe) -> dict[str, float]:
    return multi_label_metrics(logits_NK, labels)


def _require_positives(recipe: Recipe, data: DataSet) -> None:
    todo = "write 1, or its name, where a sample has a label, or divide the samples otherwise"
    require_in_each_part(
        recipe, data, "samples with a label", lambda examples: bool(np.asarray(examples.labels).any()), todo
    )


def _one_label(recipe: Recipe) -> bool:
    return recipe.objective == "classification" and not recipe.data.several_labels


def _several_labels(recipe: Recipe) -> bool:
    return recipe.objective == "classification" and recipe.data.several_labels


CLASSIFICATION = Objective(
    name="classification",
    verb="train",
    serves=_one_label,
    build=build_model,
    losses=_losses,
    outputs=model_outputs,
    metrics=_metrics,
    selects_by="accuracy",
    labelled=True,
    by_batch=head_by_batch,
    pools=True,
    probabilities=_softmax,
    predictions=_one_prediction,
    exported="softmax over the classes",
    visible=all_tokens,
    drawing=MISTAKES,
)
SEVERAL_LABELS = Objective(
    name="several labels",
    verb="train",
    serves=_several_labels,
    build=build_model,
    losses=_binary_losses,
    outputs=model_outputs,
    metrics=_multi_label_metrics,
    selects_by="map",
    labelled=True,
    by_batch=head_by_batch,
    pools=True,
    probabilities=torch.sigmoid,
    predictions=_several_predictions,
    exported="sigmoid of each",
    visible=all_tokens,
    check=_require_positives,
)
