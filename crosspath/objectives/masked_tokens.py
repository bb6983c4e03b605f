"""Masked modelling of text: which tokens are hidden, and how well the model names them.

Of bracket sequences only closers are hidden. Each is then decided by what stays visible: the nesting shows where its
partner stands, and the partner's kind is its own. B batch, L tokens of a sequence, M masked ones, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crosspath.config import Recipe
from crosspath.config.data import TextData
from crosspath.data.randomness import uniform
from crosspath.errors import InputError


class NamedTokens(NamedTuple):
    """What the model says of the hidden tokens, beside what they are."""

    logits_BMV: Tensor  # noqa: N815
    targets_BM: Tensor  # noqa: N815
    masked_BM: Tensor  # noqa: N815
    """Their places, ascending."""


def name_hidden(
    model: nn.Module, recipe: Recipe, batch_BL: Tensor, seed: int, epoch: int, ids_B: Tensor
) -> NamedTokens:
    """Hide closers of a prepared batch and let a `MaskedTokens` model name them; masks follow from the counters."""
    assert isinstance(recipe.data, TextData)
    assert recipe.masking is not None
    count = hidden_count(recipe.data, recipe.masking.ratio)
    noise_BL = uniform(seed, epoch, ids_B.to(batch_BL.device), "mask", batch_BL.shape[1])
    masked_BM = hidden_closers(noise_BL, batch_BL, recipe.data.kinds, count)
    logits_BMV = model(batch_BL, masked_BM)
    return NamedTokens(logits_BMV, batch_BL.gather(1, masked_BM), masked_BM)


def hidden_count(section: TextData, ratio: float) -> int:
    """How many closers of a sequence are hidden: int(ratio·L/2), the same number of each, drawn evenly. The published
    procedural warm-up (arXiv 2511.13945) hides each by chance, so that their number varies.

    Raises
    ------
    InputError
        When the ratio hides none of so few.
    """
    closers = section.length // 2
    count = int(ratio * closers)
    if count == 0:
        raise InputError("masking.ratio", "at least one hidden closer", f"none of {closers}", "choose another share")
    return count


def hidden_closers(noise_BL: Tensor, ids_BL: Tensor, kinds: int, count: int) -> Tensor:
    """The places (B, count), ascending, of the closers with the smallest noise (below 1)."""
    order_BL = noise_BL.masked_fill(ids_BL < kinds, 1.0).argsort(dim=1, stable=True)
    return order_BL[:, :count].sort(dim=1).values


def naming_losses(found: NamedTokens) -> Tensor:
    """The mean cross entropy of each sample (B,) on its hidden tokens, over the vocabulary, in float32 or wider."""
    logits_BMV = found.logits_BMV.to(torch.promote_types(found.logits_BMV.dtype, torch.float32))
    losses = cross_entropy(logits_BMV.flatten(0, 1), found.targets_BM.flatten(), reduction="none")
    return losses.view(found.targets_BM.shape).mean(dim=1)


def naming_accuracies(found: NamedTokens) -> Tensor:
    """The share of the hidden tokens of each sample (B,) that the model names rightly."""
    return (found.logits_BMV.argmax(dim=2) == found.targets_BM).float().mean(dim=1)
