"""Part segmentation: the part of each point of a cloud, whose object's category is given, as published."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from crosspath.config import Recipe
from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.data.examples import DataSet
from crosspath.data.part_numbers import parts_of_samples
from crosspath.data.readers.points import drawn_order
from crosspath.errors import InputError
from crosspath.modalities.annotations import divide
from crosspath.models.build import build_part_segmenter
from crosspath.objectives.drawing import Answer, Drawing, Names
from crosspath.objectives.objective import Batch, Objective, all_tokens, require_in_each_part
from crosspath.objectives.part_metrics import (
    Parts,
    columns_of_categories,
    columns_of_points,
    part_counts,
    part_metrics,
)
from crosspath.objectives.sample_pictures import draw_parts, parts_file

if TYPE_CHECKING:
    from PIL.Image import Image


def point_losses(logits_BPK: Tensor, columns_BP: Tensor) -> Tensor:
    """For each sample (B,) the mean negative log-likelihood of its labelled points, over all columns as published, in
    float32 or wider.
    """
    wide_BPK = logits_BPK if logits_BPK.dtype.itemsize >= 4 else logits_BPK.float()
    counted_BP = columns_BP >= 0
    own_BP1 = columns_BP.clamp(min=0)[:, :, None]
    losses_BP = -log_softmax(wide_BPK, dim=-1).gather(2, own_BP1).squeeze(2)
    return losses_BP.masked_fill(~counted_BP, 0.0).sum(dim=1) / counted_BP.sum(dim=1).clamp(min=1)


def parts_of(recipe: Recipe) -> Parts:
    """The part numbers of each category. Raises `InputError` for a recipe without them."""
    parts: Parts | None = getattr(recipe.data, "parts", None)
    if parts is None:
        expected, todo = "the part numbers of each category", "take the recipe of a run, which has them"
        raise InputError("data.parts", expected, "none", todo)
    return parts


def segment(model: nn.Module, recipe: Recipe, batch_BP4: Tensor, categories_B: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, P, K), and the column of each point (B, P), of a prepared batch of annotated clouds."""
    points_BP3, parts_BP = divide(recipe.data, batch_BP4)
    columns_BP = columns_of_points(parts_BP, categories_B, parts_of(recipe))
    real_BP = parts_BP != OUTSIDE
    logits_BKP = model(points_BP3, categories_B, None if bool(real_BP.all()) else real_BP)
    return logits_BKP.transpose(1, 2), columns_BP


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    assert batch.targets is not None
    return point_losses(*segment(model, recipe, batch.inputs, batch.targets))


def _outputs(model: nn.Module, recipe: Recipe, batch: Tensor, categories_B: Tensor) -> Tensor:
    categories_B = categories_B.to(batch.device)
    logits_BPK, columns_BP = segment(model, recipe, batch, categories_B)
    members_CK = columns_of_categories(parts_of(recipe)).to(batch.device)
    return part_counts(logits_BPK.float(), columns_BP, categories_B, members_CK)


def _metrics(counts_N3K: Tensor, categories_N: Tensor, recipe: Recipe) -> dict[str, float]:
    return part_metrics(counts_N3K, categories_N, columns_of_categories(parts_of(recipe)))


def _answers(model: nn.Module, recipe: Recipe, clouds_BN3: Tensor, categories_B: Tensor | None) -> Tensor:
    """The part number (B, N) of every point of clouds in the order in which they were drawn: the encoder reads the
    first `data.points` of them, as it reads a held-out cloud.
    """
    assert categories_B is not None
    points, parts = getattr(recipe.data, "points", clouds_BN3.shape[1]), parts_of(recipe)
    sample_BP3, real_BP = clouds_BN3[:, :points], None
    if (missing := points - sample_BP3.shape[1]) > 0:
        real_BP = torch.arange(points, device=clouds_BN3.device).expand(len(clouds_BN3), -1) < sample_BP3.shape[1]
        sample_BP3 = torch.cat([sample_BP3, sample_BP3[:, :1].expand(-1, missing, -1)], dim=1)
    logits_BKN = model(sample_BP3, categories_B, real_BP, clouds_BN3).float()
    own_BK1 = columns_of_categories(parts).to(clouds_BN3.device)[categories_B][:, :, None]
    numbers_K = torch.tensor([number for numbers in parts for number in numbers], device=clouds_BN3.device)
    best_BN = logits_BKN.masked_fill(~own_BK1, -torch.inf).argmax(dim=1)
    # What is not finite has no best part, and `predict` refuses it.
    return torch.where(logits_BKN.isfinite().all(dim=1), numbers_K[best_BN].float(), torch.nan)


def _predictions(parts_N: Tensor, recipe: Recipe, names: Names, top: int) -> dict[str, Any]:
    """{"predictions": [{"part", "points"}, ...]}, the part with most points first."""
    numbers, counts = np.unique(parts_N.cpu().numpy().astype(np.int64), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:top]
    return {"predictions": [{"part": int(numbers[place]), "points": int(counts[place])} for place in order]}


def _draw(recipe: Recipe, answer: Answer, names: Names) -> "Image":
    most = max(number for numbers in parts_of(recipe) for number in numbers)
    return draw_parts(recipe, answer, [f"part {number}" for number in range(most + 1)])


def _files(recipe: Recipe, answer: Answer, names: Names) -> Mapping[str, bytes]:
    """`.parts.txt`, rows of x, y, z (centred and scaled) and part, and `.parts.npy`, the parts alone (N,): of every
    point, in the order of the file.
    """
    places = np.argsort(drawn_order(len(answer.answer)))
    in_file_order = answer._replace(read=lambda: answer.read()[places], answer=answer.answer[places])
    buffer = io.BytesIO()
    np.save(buffer, in_file_order.answer.astype(np.uint8))
    return {**parts_file(recipe, in_file_order, names), ".parts.npy": buffer.getvalue()}


def _check(recipe: Recipe, data: DataSet) -> None:
    """Every category has parts, no sample has a part that its category does not have, and not every category has one
    part alone: the model could answer nothing else, and its score is perfect.
    """
    parts = parts_of(recipe)
    todo = "correct the files, or list every part with --set data.parts=[[0,1,2],[3,4]]"
    if len(parts) != len(data.classes) or not all(parts):
        found = f"{[len(numbers) for numbers in parts]} parts for {len(data.classes)} categories"
        raise InputError("data.parts", "parts of every category", found, todo)
    require_in_each_part(
        recipe,
        data,
        "clouds with labelled points",
        lambda examples: any(len(numbers) for *_, numbers in parts_of_samples(examples)),
        "see which column of the files is the part, or divide the files otherwise",
    )
    if recipe.data.stream:
        return  # reading all of it would take as long as an epoch: a wrong part is met on the way
    pairs: set[tuple[int, int]] = set()
    for examples in (data.train, data.validation, data.test):
        for name, category, numbers in parts_of_samples(examples):
            if examples is data.train:
                pairs.update((category, number) for number in numbers.tolist())
            others = [number for number in numbers.tolist() if number not in parts[category]]
            if others:
                own = ", ".join(map(str, parts[category]))
                raise InputError(name, f"parts of {data.classes[category]}: {own}", f"part {others[0]}", todo)
    if len(pairs) == len({category for category, _ in pairs}):
        expected, todo = "points of two parts or more in a category", "see which column of the files is the part"
        raise InputError(f"the training part of {recipe.name}", expected, "one part in each", todo)


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "part_segmentation"


PART_SEGMENTATION = Objective(
    name="part segmentation",
    verb="train",
    serves=_serves,
    build=build_part_segmenter,
    losses=_losses,
    outputs=_outputs,
    outputs_by="labels",
    most=NOT_LABELLED,
    metrics=_metrics,
    selects_by="instance_miou",
    labelled=True,
    by_batch=lambda recipe: True,
    check=_check,
    predictions=_predictions,
    drawing=Drawing(answers=_answers, sample=_draw, files=_files),
    visible=all_tokens,
)
