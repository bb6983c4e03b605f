"""Read a held-out part with a masked token model: the same masks at every reading, so that readings compare."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.data.views.normalise import prepare_held_out
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.masked import MASK_SEED
from crosspath.objectives.masked_tokens import NamedTokens, name_hidden, naming_accuracies, naming_losses


@torch.no_grad()
def named_rows(
    model: nn.Module, recipe: Recipe, examples: Examples, rows: Sequence[int], compute: Compute
) -> NamedTokens:
    """What the model says of the hidden tokens of the examples at `rows`; a mask follows from the place in `examples`.

    The model stands on `compute.device`; it runs in evaluation mode and gets its own mode back.
    """
    places = np.asarray(rows)
    training = model.training
    model.eval()
    try:
        batch = prepare_held_out(recipe.data, examples.inputs[places], compute.device)
        with compute.autocast():
            return name_hidden(model, recipe, batch, MASK_SEED, 0, torch.as_tensor(places))
    finally:
        model.train(training)


def read_tokens(model: nn.Module, recipe: Recipe, examples: Examples, rows: Sequence[int], compute: Compute) -> Tensor:
    """Loss and accuracy on the hidden tokens of each of the examples at `rows`: (N, 2) float32, on the CPU."""
    size = recipe.evaluate.batch_size
    read = []
    for start in range(0, len(rows), size):
        found = named_rows(model, recipe, examples, rows[start : start + size], compute)
        read.append(torch.stack([naming_losses(found), naming_accuracies(found)], dim=1).float().cpu())
    return torch.cat(read)


def token_metrics(read_N2: Tensor) -> dict[str, float]:
    """The means of what `read_tokens` gives: `{"loss", "accuracy"}`."""
    loss, accuracy = read_N2.double().mean(dim=0).tolist()
    return {"loss": loss, "accuracy": accuracy}
