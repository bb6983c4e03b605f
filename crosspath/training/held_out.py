"""Reading a held-out part while training: each process reads a share, and each sample counts once."""

import math

import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.held_out import held_out_metrics, held_out_outputs
from crosspath.objectives import objective_of
from crosspath.training.features import PooledHead
from crosspath.training.finite import DivergenceError
from crosspath.training.processes import Processes


def read_part(
    model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute, processes: Processes, *, protocol: bool
) -> dict[str, float]:
    """The objective's metrics of a held-out part; empty where it has no samples. `protocol` reads it as the test does.

    Raises
    ------
    InputError
        For metrics that are not finite.
    """
    if len(examples) == 0:
        return {}
    rows = processes.share(len(examples))
    outputs = held_out_outputs(model, recipe, examples, compute, rows, protocol=protocol)
    return _require_finite(held_out_metrics(processes.gather(outputs, len(examples)), recipe, examples))


@torch.no_grad()
def read_features(
    model: nn.Module, recipe: Recipe, examples: Examples, features_ND: Tensor, compute: Compute
) -> dict[str, float]:
    """As `read_part`, from the pooled features of the part's samples. Raises `InputError`: see there."""
    if len(examples) == 0:
        return {}
    head, rows_N = PooledHead(model).eval(), torch.arange(len(examples))
    with compute.autocast():
        outputs = objective_of(recipe).outputs(head, recipe, features_ND.to(compute.device), rows_N)
    return _require_finite(held_out_metrics(outputs.float().cpu(), recipe, examples))


def _require_finite(metrics: dict[str, float]) -> dict[str, float]:
    if not all(math.isfinite(value) for value in metrics.values()):
        raise DivergenceError("the trained model", "finite outputs", "nan or infinity", "lower optimizer.lr")
    return metrics
