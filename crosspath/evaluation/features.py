"""The encoder's features of samples, pooled as asked for."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.checkpoints.load import Checkpoint
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.held_out import batch_size_on, require_finite
from crosspath.modalities.batches import prepare_held_out
from crosspath.models.heads import mean_of_real
from crosspath.objectives import objective_of
from crosspath.tokenizers import Tokens

Pool = Literal["head", "mean", "cls", "tokens"]
POOLS: tuple[str, ...] = get_args(Pool)


def choose_pool(source: Checkpoint, pool: str | None) -> Pool:
    """`pool`, or what is usual for the model: `head` of a classifier, `mean` of any other.

    Raises
    ------
    InputError
        For another word, `head` of a model without one, and `cls` of an encoder without a class token.
    """
    classifier = objective_of(source.recipe).pools
    if pool is None:
        return "head" if classifier else "mean"
    if pool not in POOLS:
        raise InputError("pool", f"one of {', '.join(POOLS)}", repr(pool), "choose one of these")
    if pool == "head" and not classifier:
        raise InputError("pool", "mean, cls or tokens for a model without a classifier", "head", "choose one of these")
    encoder: Any = source.model.encoder
    if pool == "cls" and not encoder.has_cls:
        raise InputError("pool", "an encoder with a class token", "none", "choose mean or tokens")
    return pool  # type: ignore[return-value]  # it is one of POOLS


@torch.no_grad()
def features_of(
    source: Checkpoint, samples: NDArray[Any], pool: Pool, compute: Compute, where: Sequence[object]
) -> list[NDArray[np.float32]]:
    """The features (D,) of each of the decoded samples (S, ...); with `tokens` (N, D), those of its own tokens, without
    padding. `where` names each sample.

    `head` is what a classifier's layers read: pooled as the head pools, and normalised as it does. `mean` leaves out
    the class token. The model stands on `compute.device`, in evaluation mode.

    Raises
    ------
    InputError
        For features that are not finite.
    """
    size = batch_size_on(compute.device, source.model, source.recipe)
    model: Any = source.model
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(samples), size):
        batch = prepare_held_out(source.recipe.data, samples[start : start + size], compute.device)
        with compute.autocast():
            tokens = model.tokenizer(batch)
            features = _pooled(model, tokens, pool).float().cpu()
        real_BN = None if pool != "tokens" or tokens.real_BN is None else tokens.real_BN.cpu()
        for place, row in enumerate(features):
            row = row if real_BN is None else row[real_BN[place]]
            require_finite(row, source.path, where[start + place])
            rows.append(row.numpy())
    return rows


def _pooled(model: Any, tokens: Tokens, pool: Pool) -> Tensor:
    """(B, D), or with `tokens` (B, N, D)."""
    features_BND: Tensor = model.encoder(tokens)
    if pool == "head":
        head = model.head
        pooled_BD: Tensor = head.normalise(head.pool(features_BND, model.encoder.has_cls, tokens.real_BN))
        return pooled_BD
    if pool == "cls":
        return features_BND[:, 0]
    tokens_BND = features_BND[:, 1:] if model.encoder.has_cls else features_BND
    if pool == "tokens":
        return tokens_BND
    if tokens.real_BN is None:
        return tokens_BND.mean(dim=1)
    return mean_of_real(tokens_BND, tokens.real_BN)
