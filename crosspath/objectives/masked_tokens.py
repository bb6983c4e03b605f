"""Masked modelling of token numbers: which tokens are hidden, and how well the model predicts them.

Which tokens may be hidden is the modality's to say (`Discrete.maskable`). B batch, L tokens of a sequence, M masked
ones, V vocabulary.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.data.randomness import uniform
from crosspath.errors import InputError
from crosspath.modalities import modality_of
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.modality import Discrete
from crosspath.models.build import build_masked_tokens
from crosspath.models.evaluation_mode import evaluation_mode
from crosspath.objectives.objective import MASK_SEED, Batch, Objective, token_grid
from crosspath.objectives.sequences import write_sequences

SHOWN_INSTEAD = {"closers": (1.0, 0.0), "words": (0.8, 0.1)}
"""Of each kind of mask the shares of hidden tokens that the mask token and any other token replace; the rest stay."""
MOST_SEQUENCES = 6
"""Sequences on the page of a run."""


class TokenPredictions(NamedTuple):
    """The model's predictions of hidden tokens, and the truth."""

    logits_BMV: Tensor  # noqa: N815
    targets_BM: Tensor  # noqa: N815
    masked_BM: Tensor  # noqa: N815
    """Their places, ascending."""
    counted_BM: Tensor  # noqa: N815
    """Which of these places are hidden: a shorter sample hides fewer, and its last places fill the row."""


def predict_hidden(
    model: nn.Module, recipe: Recipe, batch_BL: Tensor, seed: int, epoch: int, ids_B: Tensor
) -> TokenPredictions:
    """Hide tokens of a prepared batch and predict them with a `MaskedTokens` model; masks follow from the counters."""
    assert recipe.masking is not None
    length, places_B = batch_BL.shape[1], ids_B.to(batch_BL.device)
    maskable_BL = _discrete(recipe).maskable(recipe.data, batch_BL)
    noise_BL = uniform(seed, epoch, places_B, "mask", length)
    counts_B = (
        (maskable_BL.sum(dim=1).double() * recipe.masking.ratio).long().clamp(min=1).minimum(maskable_BL.sum(dim=1))
    )
    masked_BM, counted_BM = hidden_places(noise_BL, maskable_BL, counts_B, min(hidden_count(recipe), length))
    beyond = torch.zeros(len(batch_BL), length + 1, dtype=torch.bool, device=batch_BL.device)
    covered_BL = beyond.scatter(1, masked_BM.masked_fill(~counted_BM, length), True)[:, :length]
    shown_BL = batch_BL
    mask_token, other = SHOWN_INSTEAD[recipe.masking.kind]
    if mask_token < 1:
        vocabulary = _discrete(recipe).vocabulary(recipe.data)
        chance_BL = uniform(seed, epoch, places_B, "shown", length)
        others_BL = (uniform(seed, epoch, places_B, "other", length) * vocabulary).long()
        swapped_BL = covered_BL & (chance_BL >= mask_token) & (chance_BL < mask_token + other)
        shown_BL, covered_BL = torch.where(swapped_BL, others_BL, batch_BL), covered_BL & (chance_BL < mask_token)
    logits_BMV = model(shown_BL, masked_BM, covered_BL)
    return TokenPredictions(logits_BMV, batch_BL.gather(1, masked_BM).clamp(min=0), masked_BM, counted_BM)


def hidden_count(recipe: Recipe) -> int:
    """How many tokens of a sequence are hidden, at most: int(ratio·(those that may be)), drawn evenly; of texts one, if
    there is one. The published procedural warm-up (arXiv 2511.13945) hides each by chance, so that their number varies.

    Raises
    ------
    InputError
        When the ratio hides none of so few.
    """
    assert recipe.masking is not None
    maskable = _discrete(recipe).maskable_count(recipe.data)
    count = int(recipe.masking.ratio * maskable)
    if count == 0:
        raise InputError("masking.ratio", "at least one hidden token", f"none of {maskable}", "choose another share")
    return count


def hidden_places(noise_BL: Tensor, maskable_BL: Tensor, counts_B: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The places (B, most), ascending, of each sample's `counts_B` maskable tokens with the smallest noise (below 1),
    and which of them count: after the places of a sample that hides fewer comes the last place of the row."""
    length = noise_BL.shape[1]
    order_BL = noise_BL.masked_fill(~maskable_BL, 1.0).argsort(dim=1, stable=True)
    beyond_BM = torch.arange(most, device=noise_BL.device) >= counts_B[:, None]
    places_BM = order_BL[:, :most].masked_fill(beyond_BM, length).sort(dim=1).values
    return places_BM.clamp(max=length - 1), places_BM < length


def prediction_losses(predictions: TokenPredictions) -> Tensor:
    """The mean cross entropy of each sample (B,) on its hidden tokens, over the vocabulary, in float32 or wider."""
    logits_BMV = predictions.logits_BMV.to(torch.promote_types(predictions.logits_BMV.dtype, torch.float32))
    losses = cross_entropy(logits_BMV.flatten(0, 1), predictions.targets_BM.flatten(), reduction="none")
    return _mean_of_counted(losses.view(predictions.targets_BM.shape), predictions.counted_BM)


def prediction_accuracies(predictions: TokenPredictions) -> Tensor:
    """The share of the hidden tokens of each sample (B,) that the model predicts correctly."""
    right_BM = predictions.logits_BMV.argmax(dim=2) == predictions.targets_BM
    return _mean_of_counted(right_BM.float(), predictions.counted_BM)


def _mean_of_counted(values_BM: Tensor, counted_BM: Tensor) -> Tensor:
    """The mean of each sample (B,); 0 for one that hides nothing."""
    return values_BM.masked_fill(~counted_BM, 0.0).sum(dim=1) / counted_BM.sum(dim=1).clamp(min=1)


def _discrete(recipe: Recipe) -> Discrete[Any]:
    discrete = modality_of(recipe).discrete
    assert discrete is not None
    return discrete


def _build(recipe: Recipe, classes: int) -> nn.Module:
    hidden_count(recipe)
    return build_masked_tokens(recipe)


def _losses(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    return prediction_losses(predict_hidden(model, recipe, batch.inputs, recipe.train.seed, batch.epoch, batch.ids_B))


def _outputs(model: nn.Module, recipe: Recipe, batch: Tensor, rows_B: Tensor) -> Tensor:
    """Loss and accuracy of each sample (B, 2), with the same masks at every evaluation."""
    predicted = predict_hidden(model, recipe, batch, MASK_SEED, 0, rows_B)
    return torch.stack([prediction_losses(predicted), prediction_accuracies(predicted)], dim=1)


def _metrics(outputs_N2: Tensor, labels: Tensor, recipe: Recipe) -> dict[str, float]:
    if not len(outputs_N2):
        return {}
    loss, accuracy = outputs_N2.double().mean(dim=0).tolist()
    return {"loss": loss, "accuracy": accuracy}


def _visible(recipe: Recipe, model: nn.Module) -> int:
    """All: hidden tokens are replaced, not left out."""
    hidden_count(recipe)
    return prod(token_grid(model))


def _serves(recipe: Recipe) -> bool:
    return recipe.objective == "masked_modeling" and modality_of(recipe).discrete is not None


def _show(
    model: nn.Module,
    recipe: Recipe,
    examples: Examples,
    folder: Path,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
    names: Sequence[str] = (),
) -> Path:
    """A page of held-out sequences with the model's predictions of their hidden tokens."""
    rows = np.unique(np.linspace(0, len(examples) - 1, min(MOST_SEQUENCES, len(examples))).round().astype(int))
    with evaluation_mode(model):
        batch = prepare_held_out(recipe.data, examples.inputs[rows], device)
        with torch.no_grad(), autocast():
            predicted = predict_hidden(model, recipe, batch, MASK_SEED, 0, torch.as_tensor(rows))
    parts = (predicted.masked_BM, predicted.logits_BMV.argmax(dim=2), predicted.counted_BM)
    rows_of_parts = zip(*(part.cpu().tolist() for part in parts), strict=True)
    predictions = [
        {place: token for place, token, counts in zip(*sample, strict=True) if counts} for sample in rows_of_parts
    ]
    sequences = batch.cpu().tolist()
    names = [examples.ids[row] for row in rows]
    cells = [_discrete(recipe).cells(recipe.data, *pair) for pair in zip(sequences, predictions, strict=True)]
    return write_sequences(recipe.name, names, sequences, predictions, cells, folder)


MASKED_TOKENS = Objective(
    name="masked tokens",
    verb="pretrain",
    serves=_serves,
    build=_build,
    losses=_losses,
    outputs=_outputs,
    metrics=_metrics,
    selects_by="accuracy",
    visible=_visible,
    show=_show,
)
