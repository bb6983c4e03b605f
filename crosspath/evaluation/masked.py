"""Read a held-out part with a masked autoencoder: the same masks at every reading, so that readings compare."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.data.views.normalise import prepare_held_out
from crosspath.evaluation.devices import Compute
from crosspath.objectives.masked_modeling import masked_errors

MASK_SEED = 0x3A5C
"""Of the masks of held-out samples. Fixed: `train.seed` must not change what is asked."""


@torch.no_grad()
def masked_losses(
    model: nn.Module, recipe: Recipe, examples: Examples, rows: Sequence[int], compute: Compute
) -> Tensor:
    """The error on the hidden tokens of each of the examples at `rows` (float32, on the CPU).

    A sample's mask follows from its place in `examples`. The model stands on `compute.device`; it runs in evaluation
    mode and gets its own mode back.
    """
    training = model.training
    model.eval()
    size = recipe.evaluate.batch_size
    found = []
    try:
        for start in range(0, len(rows), size):
            places = np.asarray(rows[start : start + size])
            batch = prepare_held_out(recipe.data, examples.inputs[places], compute.device)
            with compute.autocast():
                errors_B = masked_errors(model, recipe, batch, MASK_SEED, 0, torch.as_tensor(places))
            found.append(errors_B.float().cpu())
    finally:
        model.train(training)
    return torch.cat(found)


def read_masked(model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute) -> dict[str, float]:
    """The mean error on the hidden tokens of a held-out part: `{"loss"}`."""
    losses_N = masked_losses(model, recipe, examples, range(len(examples)), compute)
    return {"loss": float(losses_N.double().mean())}
