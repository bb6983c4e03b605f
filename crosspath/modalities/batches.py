"""From samples to what a model reads: prepared, augmented and generated batches of any modality."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crosspath.config import Recipe
from crosspath.config.augment import AugmentSection
from crosspath.config.data import DataSection
from crosspath.config.data.section import LabelKind
from crosspath.data.views.draws import Draws
from crosspath.data.views.mixing import mix
from crosspath.data.views.normalise import normalised_batch
from crosspath.modalities.table import modality_of

MIXABLE: tuple[LabelKind, ...] = ("classes", "numbers")
"""Labels of which a mixture of two samples has the mixture."""


def prepare(section: DataSection, inputs: NDArray[Any], device: torch.device) -> Tensor:
    """A float32 batch (token numbers: int64) on `device`, of the shape of `inputs`, which are copied, never altered.

    Images and clips (uint8) become (x / 255 - mean) / std of their channels, [-1, 1] by default; log-mel frames
    (x - mean) / (2 std), the convention of AST (Gong et al. 2021); points stay as they are.
    """
    modality = modality_of(section)
    dtype = torch.float32 if modality.discrete is None else torch.int64
    return normalised_batch(inputs, modality.scaling(section), device, dtype)


def prepare_held_out(section: DataSection, inputs: NDArray[Any], device: torch.device) -> Tensor:
    """`prepare` for samples that no augmentation follows: of larger stored clouds the farthest-point sample."""
    return modality_of(section).held_out(section, prepare(section, inputs, device))


def augment_inputs(
    augment: AugmentSection, section: DataSection, batch: Tensor, seed: int, epoch: int, sample_ids_B: Tensor
) -> Tensor:
    """The augmented batch, without what needs labels or partners. `batch` is prepared, and never altered."""
    return modality_of(section).augment(augment, section, batch, Draws(seed, epoch, sample_ids_B, batch.device))


def augment_batch(
    augment: AugmentSection,
    section: DataSection,
    batch: Tensor,
    labels: Tensor,
    classes: int,
    seed: int,
    epoch: int,
    sample_ids_B: Tensor,
    batch_key: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The augmented and mixed batch, and its targets: (B, K) in float32, or the labels of what cannot be mixed.

    `labels` lie on the device of the prepared batch: class numbers (B,), whose targets sum to 1; or targets (B, K)
    themselves, of several labels a sample, of numbers, or mixed already. `sample_ids_B` are integers that name the
    samples within the data set, best kept on the CPU; `batch_key` is that of `mix`.
    """
    targets = targets_of(labels, classes, section.label_kind)
    if section.label_kind == "boxes":
        augment_boxed = modality_of(section).augment_boxed
        assert augment_boxed is not None, section.modality
        return augment_boxed(augment, section, batch, targets, Draws(seed, epoch, sample_ids_B, batch.device))
    batch = augment_inputs(augment, section, batch, seed, epoch, sample_ids_B)
    if section.label_kind not in MIXABLE:
        return batch, targets
    mixup, cutmix, chance = augment.mixing
    return mix(batch, targets, mixup, cutmix, seed, epoch, sample_ids_B, batch_key, chance)


def targets_of(labels: Tensor, classes: int, kind: LabelKind) -> Tensor:
    """What training compares a batch with: distributions or indicators (B, K), or numbers (B, K), in float32; boxes and
    categories as they are."""
    if kind not in MIXABLE:
        return labels
    one_class = kind == "classes" and labels.ndim == 1
    return (functional.one_hot(labels, classes) if one_class else labels).to(torch.float32)


def generated_batch(recipe: Recipe, count: int, seed: int = 0) -> Tensor:
    """`count` random samples (count, *sample shape) in the range of prepared data, the same for the same seed.

    For checks that need some input and no meaning: equality of outputs, cost, a first step.
    """
    modality = modality_of(recipe)
    shape = modality.sample_shape(recipe.data)
    generator = torch.Generator().manual_seed(seed)
    if modality.discrete is not None:
        return torch.randint(modality.discrete.vocabulary(recipe.data), (count, *shape), generator=generator)
    return torch.rand((count, *shape), generator=generator) * 2 - 1
