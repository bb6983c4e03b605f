"""Regression: one number or several for each sample.

The model's outputs and the loss are in standard deviations of each column over the training part, whose mean and
deviation stand in the recipe (`data.target_mean`, `data.target_std`); metrics and predictions are in the user's units.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.models.build import build_model
from crosspath.models.modality_model import ModalityModel
from crosspath.objectives.classification import training_logits
from crosspath.objectives.drawing import Answer, Drawing, Names
from crosspath.objectives.objective import Batch, Objective, all_tokens, head_by_batch
from crosspath.pictures.scatter import scatter

if TYPE_CHECKING:
    from PIL.Image import Image

LOSSES: Mapping[str, Callable[..., Tensor]] = {"mse": mse_loss, "huber": huber_loss}
UNIT = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
"""At the end of a column's name: `height (cm)`, `height [cm]`."""


def standardise(numbers_NK: Tensor, recipe: Recipe) -> Tensor:
    """Numbers in the user's units as (number - mean) / deviation of their columns."""
    mean_K, std_K = _mean_and_std(recipe, numbers_NK)
    return (numbers_NK - mean_K) / std_K


def in_units(outputs_NK: Tensor, recipe: Recipe) -> Tensor:
    """The model's outputs in the user's units, float64."""
    outputs_NK = outputs_NK.double()
    mean_K, std_K = _mean_and_std(recipe, outputs_NK)
    return outputs_NK * std_K + mean_K


def unit_of(column: str) -> str | None:
    """The unit that a column's name ends with; None without one."""
    unit = UNIT.search(column)
    return None if unit is None else unit[1].strip()


def regression_metrics(predictions_NK: Tensor, numbers_NK: Tensor, columns: tuple[str, ...] = ()) -> dict[str, float]:
    """`mae`, `rmse` and `r2` in the user's units, each the mean over the columns; and of several `columns` those of
    each, as `mae/NAME`. As scikit-learn defines them: a column that never changes has R² 1 where every prediction is
    exact, else 0. R² needs two samples; without any the result is empty.
    """
    if len(numbers_NK) == 0:
        return {}
    predictions_NK, numbers_NK = predictions_NK.double(), numbers_NK.double()
    errors_NK = predictions_NK - numbers_NK
    of_columns = {"mae": errors_NK.abs().mean(dim=0), "rmse": errors_NK.square().mean(dim=0).sqrt()}
    if len(numbers_NK) > 1:
        residual_K = errors_NK.square().sum(dim=0)
        total_K = (numbers_NK - numbers_NK.mean(dim=0)).square().sum(dim=0)
        share_K = torch.where(total_K > 0, 1 - residual_K / total_K.clamp_min(1e-300), (residual_K == 0).double())
        of_columns = {"r2": share_K, **of_columns}
    metrics = {name: float(values_K.mean()) for name, values_K in of_columns.items()}
    if len(columns) > 1:
        for name, values_K in of_columns.items():
            metrics |= {f"{name}/{column}": float(value) for column, value in zip(columns, values_K, strict=True)}
    return metrics


def _mean_and_std(recipe: Recipe, like: Tensor) -> tuple[Tensor, Tensor]:
    section = recipe.data
    if section.target_mean is None or section.target_std is None:
        todo = "take the recipe of a run, which has them, or set data.target_mean and data.target_std"
        raise InputError("data.target_mean", "the mean of each column over the training samples", "none", todo)
    mean_K, std_K = (torch.tensor(values, dtype=torch.float64) for values in (section.target_mean, section.target_std))
    return mean_K.to(like.device, like.dtype), std_K.to(like.device, like.dtype)


def _outputs(model: nn.Module, recipe: Recipe, batch: Tensor, rows_B: Tensor) -> Tensor:
    """Standardised numbers (B, K), the head in float32: half precision has three digits only."""
    whole_or_head: Any = model  # either has `pooled` and `head`
    pooled_BD = whole_or_head.pooled(batch)
    with torch.autocast(batch.device.type, enabled=False):
        outputs_BK: Tensor = whole_or_head.head.classify(pooled_BD.float())
    return outputs_BK


@torch.no_grad()
def store_units(model: nn.Module, recipe: Recipe) -> None:
    """Change the head's last layer so that the model's outputs are in the user's units."""
    assert isinstance(model, ModalityModel)
    last = model.head.linear
    mean_K, std_K = _mean_and_std(recipe, last.weight)
    last.weight.mul_(std_K[:, None])
    last.bias.mul_(std_K).add_(mean_K)


def _label_rows(numbers_NK: Tensor, recipe: Recipe, columns: int) -> Tensor:
    return standardise(numbers_NK.double(), recipe)


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    assert batch.targets is not None
    outputs_BK = training_logits(model, recipe, batch)
    outputs_BK = outputs_BK.to(torch.promote_types(outputs_BK.dtype, torch.float32))
    targets_BK = standardise(batch.targets.to(outputs_BK.dtype), recipe)
    return LOSSES[recipe.train.regression_loss](outputs_BK, targets_BK, reduction="none").mean(dim=1)


def _metrics(outputs_NK: Tensor, labels_NK: Tensor, recipe: Recipe) -> dict[str, float]:
    if len(labels_NK) == 0:
        return {}
    columns = recipe.data.label_columns or ()
    loss = mse_loss(outputs_NK.double(), standardise(labels_NK.double(), recipe))
    return {**regression_metrics(in_units(outputs_NK, recipe), labels_NK, columns), "loss": float(loss)}


def _predictions(outputs_K: Tensor, recipe: Recipe, columns: tuple[str, ...], top: int) -> dict[str, Any]:
    """{"numbers": [{"column", "value"}, ...]}, with "unit" where the column's name says one."""
    values = in_units(outputs_K.cpu(), recipe).tolist()
    entries: list[dict[str, Any]] = [
        {"column": name, "value": value} for name, value in zip(columns, values, strict=True)
    ]
    for entry in entries:
        if (unit := unit_of(entry["column"])) is not None:
            entry["unit"] = unit
    return {"numbers": entries}


def _numbers(model: nn.Module, recipe: Recipe, inputs: Tensor, labels: Tensor | None) -> Tensor:
    return in_units(_outputs(model, recipe, inputs, torch.arange(len(inputs))), recipe)


def draw_numbers(recipe: Recipe, answers: Sequence[Answer], names: Names) -> Mapping[str, "Image"]:
    """`scatter` of predicted over true numbers; of several columns `scatter-0`, `scatter-1`, ..."""
    true_NK = np.array([answer.truth for answer in answers], np.float64)
    predicted_NK = np.array([answer.answer for answer in answers], np.float64)
    files = ["scatter"] if len(names) == 1 else [f"scatter-{number}" for number in range(len(names))]
    columns = zip(files, true_NK.T, predicted_NK.T, names, strict=True)
    return {file: scatter(true_N, predicted_N, name) for file, true_N, predicted_N, name in columns}


NUMBERS = Drawing(answers=_numbers, part=draw_numbers)


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "regression"


REGRESSION = Objective(
    name="regression",
    verb="train",
    serves=_serves,
    build=build_model,
    losses=_losses,
    outputs=_outputs,
    metrics=_metrics,
    selects_by="r2",
    fewest=2,
    labelled=True,
    label_rows=_label_rows,
    by_batch=head_by_batch,
    pools=True,
    predictions=_predictions,
    exported="numbers in the units of their columns",
    before_export=store_units,
    visible=all_tokens,
    drawing=NUMBERS,
)
