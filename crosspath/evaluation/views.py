"""Test protocols that look at a sample more than once: clips and crops of a video, random subsets of a point cloud."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.data import PointData
from crosspath.config.training import PointAugment
from crosspath.data.examples import Examples
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.data.views.augment import augment_inputs
from crosspath.data.views.normalise import prepare
from crosspath.data.views.point_resampling import training_cloud

LogitsOf = Callable[[Tensor], Tensor]
VOTE_SEED = 0x707E
"""Of the subsets that vote. Fixed, so that a checkpoint has one test score."""


def averaged_views(
    recipe: Recipe, examples: Examples, rows: NDArray[Any], device: torch.device, logits_of: LogitsOf
) -> Tensor:
    """The logarithm of the mean probability (B, K) over clips and crops of each video (VideoMAE's test protocol).

    Views are cut from the files: a recipe with several has a streamed set.
    """
    section = recipe.evaluate
    assert isinstance(examples.inputs, StreamedSamples)
    views = examples.inputs.views(rows, section.segments, section.crops)
    count, each = views.shape[:2]
    logits = logits_of(prepare(recipe.data, views.reshape(count * each, *views.shape[2:]), device))
    return logits.view(count, each, -1).double().softmax(dim=2).mean(dim=1).clamp_min(1e-30).log().float()


def averaged_votes(
    recipe: Recipe, examples: Examples, rows: NDArray[Any], device: torch.device, logits_of: LogitsOf
) -> Tensor:
    """The mean logits (B, K) over `evaluate.votes` random subsets of each cloud, each scaled and shifted.

    The number of votes is fixed beforehand: the published test repeats the vote 299 times and reports the best.
    """
    data, augment = recipe.data, recipe.augment
    assert isinstance(data, PointData)
    assert isinstance(augment, PointAugment)
    stored = torch.tensor(examples.inputs[rows], device=device)
    # By name: a part of the samples, in another process, is seen just as the whole is.
    ids_B = torch.tensor([number_of(examples.ids[row]) for row in rows])
    total = torch.zeros(())
    for vote in range(recipe.evaluate.votes):
        clouds = training_cloud(stored, data.points, augment.resample, VOTE_SEED, vote, ids_B)
        total = total.to(device) + logits_of(augment_inputs(augment, data, clouds, VOTE_SEED, vote, ids_B))
    return total / recipe.evaluate.votes


def number_of(name: str) -> int:
    """A number for a sample's name, the same everywhere."""
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "little")
