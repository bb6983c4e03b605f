"""What `rank` measures under one seed: a target before its first step, and the scores of an auxiliary beside it."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crosspath.checkpoints.foreign.start import load_start
from crosspath.checkpoints.sources import Auxiliary
from crosspath.config import Recipe, apply_overrides
from crosspath.data.decoding import Progress
from crosspath.evaluation.devices import choose_compute
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.calibration import calibrate
from crosspath.modalities.load import load_data
from crosspath.models import ModalityModel
from crosspath.objectives import objective_of
from crosspath.pathway.sources.parameters import connections
from crosspath.study.ranking.scores import connected_triples, gradient_alignment, linear_cka, shuffle_auxiliary, spectra
from crosspath.training.demands import check_demands
from crosspath.training.pathways import connect_auxiliaries
from crosspath.training.processes import Processes

STREAM = 0x7A4C
"""Keeps the choice of samples apart from every other use of the same seed."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A target before its first step, under one seed."""

    recipe: Recipe
    model: nn.Module
    gradients: Mapping[str, Tensor]
    """∂L/∂W, by parameter, the mean over some batches."""
    inputs: Tensor
    """Prepared training samples (S, ...)."""
    labels_SK: Tensor  # noqa: N815
    features_SD: Tensor  # noqa: N815

    @property
    def samples(self) -> int:
        """How many samples' features are compared."""
        return len(self.inputs)


def begin(
    recipe: Recipe,
    root: Path | None,
    weights: str | Path | None,
    seed: int,
    batches: int,
    samples: int,
    reading: Progress | None = None,
) -> Beginning:
    """The target under a seed: its gradient over `batches` batches, and the features of `samples` training samples.

    `root` is where its data lie, `weights` the checkpoint that it begins with. Only the training part is used.

    Raises
    ------
    InputError
        For data or weights that `train` would refuse.
    """
    recipe = apply_overrides(recipe, (f"train.seed={seed}", "train.precision=float32"))
    data = load_data(recipe.data, root, seed, reading)
    recipe = calibrate(recipe, data)
    device = choose_compute(recipe).device
    feed = check_demands(recipe, data, Processes(0, 1), device)
    objective = objective_of(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = objective.build(recipe, len(data.classes))
        if weights is not None:
            load_start(model, recipe, weights)
        model.to(device).train()
        count = 0
        for parts in islice(feed.epoch(0), batches):
            for part in parts:
                (objective.losses(model, recipe, part).sum() / part.batch_size).backward()  # type: ignore[no-untyped-call]
            count += 1
    gradients = {
        name: parameter.grad / count for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    model.zero_grad(set_to_none=True)
    rows = np.random.default_rng((STREAM, seed)).permutation(len(data.train))[:samples]
    rows.sort()
    inputs = prepare_held_out(recipe.data, data.train.inputs[rows], device)
    labels = torch.as_tensor(np.asarray(data.train.labels[rows]))
    return Beginning(
        recipe=recipe,
        model=model,
        gradients=gradients,
        inputs=inputs,
        labels_SK=objective.label_rows(labels, recipe, len(data.classes)).double().to(device),
        features_SD=_features(model, inputs, recipe.train.batch_size),
    )


@torch.no_grad()
def _features(model: nn.Module, inputs: Tensor, size: int) -> Tensor:
    """Pooled features (S, D). Batch normalisation goes by the batch: a target that has not trained knows no other
    statistics.
    """
    assert isinstance(model, ModalityModel)
    model.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return torch.cat([model.pooled(batch) for batch in torch.split(inputs, size)])


def scores_of(
    beginning: Beginning, name: str, source: Auxiliary, copies: int, advance: Callable[[], None]
) -> list[dict[str, float]]:
    """The scores of an auxiliary, then those of its shuffled copies; `advance` is called after each.

    Raises
    ------
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    model = copy.deepcopy(beginning.model)
    connect_auxiliaries(model, beginning.recipe.pathway, {name: source.weights})
    originals = {holder.name: pathway.auxiliary(name).detach().clone() for holder, pathway in connections(model)}
    results = []
    for number in range(copies + 1):
        if number:
            shuffle_auxiliary(model, name, originals, number)
        triples = list(connected_triples(model, name, beginning.gradients))
        features_SD = _features(model, beginning.inputs, beginning.recipe.train.batch_size)
        results.append(
            {
                "gradient": gradient_alignment(triples),
                "labels": linear_cka(features_SD, beginning.labels_SK),
                "similarity": linear_cka(features_SD, beginning.features_SD),
                **spectra(triples),
            }
        )
        advance()
    return results
