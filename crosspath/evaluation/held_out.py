"""The loop over a held-out part: the outputs of a model for each sample, by the recipe's objective."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.modalities import modality_of
from crosspath.modalities.batches import prepare_held_out
from crosspath.models.evaluation_mode import evaluation_mode
from crosspath.objectives import objective_of

TOKENS_AT_ONCE = 4096
"""With more, the values between two layers leave a processor's cache: at 64 tokens a sample and width 128, 256 samples
at once take 1.3 times as long as 64. With few, the cost of calling each operation counts.
"""


@torch.no_grad()
def held_out_outputs(
    model: nn.Module,
    recipe: Recipe,
    examples: Examples,
    compute: Compute,
    rows: Sequence[int] | None = None,
    *,
    protocol: bool = False,
) -> Tensor:
    """The objective's outputs (N, ...) in float32 on the CPU for the examples at `rows`, all of them when not given.

    With `protocol` several views of each sample count, where the recipe's `evaluate` section asks for them and the
    model's head reads a sample's pooled features: clips and crops of a video (of a classifier the logarithm of the mean
    probability comes back), random subsets of a cloud (the mean outputs). The model stands on `compute.device`; it runs
    in evaluation mode and gets its own mode back.
    """
    objective = objective_of(recipe)
    test = modality_of(recipe).protocol(recipe) if protocol and objective.pools else None
    size = max(1, batch_size_on(compute.device, model, recipe) // (1 if test is None else test.views))
    rows = range(len(examples)) if rows is None else rows

    def outputs_of(batch: Tensor, rows_B: Tensor) -> Tensor:
        with compute.autocast():
            return objective.outputs(model, recipe, batch, rows_B).float()

    def read(some: Sequence[int]) -> Tensor:
        places = np.asarray(some)
        rows_B = torch.as_tensor(places if objective.outputs_by == "rows" else np.asarray(examples.labels[places]))
        if test is not None:
            return test.logits(examples, places, compute.device, lambda batch: outputs_of(batch, rows_B))
        return outputs_of(prepare_held_out(recipe.data, examples.inputs[places], compute.device), rows_B)

    with evaluation_mode(model):
        return torch.cat([read(rows[start : start + size]).cpu() for start in range(0, len(rows), size)])


def batch_size_on(device: torch.device, model: nn.Module, recipe: Recipe) -> int:
    """How many samples, or views of them, are read at once: `evaluate.batch_size`, and on a processor at most as many
    as have `TOKENS_AT_ONCE` tokens for each of its threads.
    """
    size, tokens = recipe.evaluate.batch_size, getattr(getattr(model, "tokenizer", None), "num_tokens", None)
    if device.type != "cpu" or not isinstance(tokens, int):
        return size
    return max(1, min(size, TOKENS_AT_ONCE * torch.get_num_threads() // tokens))


def require_finite(outputs: Tensor, where: object, sample: object) -> None:
    """Raise `InputError` for outputs of which no class is the most probable one, and which JSON cannot hold."""
    if not outputs.isfinite().all():
        todo = "restore the checkpoint, or train it again with a lower learning rate"
        raise InputError(where, "a model with finite outputs", f"NaN or infinity for {sample}", todo)


def held_out_metrics(outputs: Tensor, recipe: Recipe, examples: Examples) -> dict[str, float]:
    """The objective's metrics of a complete held-out part; empty without samples."""
    return objective_of(recipe).metrics(outputs, torch.as_tensor(np.asarray(examples.labels)), recipe)


def predict_logits(
    model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute, *, protocol: bool = False
) -> Tensor:
    """Logits (N, K) of a classifier in float32 on the CPU, in the examples' order; see `held_out_outputs`."""
    return held_out_outputs(model, recipe, examples, compute, protocol=protocol)
