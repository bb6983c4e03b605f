"""Mixup and cutmix over whole batches with soft targets, the last step of augmentation.

Mixing depends on which samples share a batch, but not on their order: partners are drawn by sample id. (Batches are
sorted; pairing them in reverse would always pair the first class with the last.)
"""

import numpy as np
import torch
from torch import Tensor

from crosspath.data.randomness import uniform

MIX_STREAM = 0x317


def mix(
    batch: Tensor,
    targets_BK: Tensor,
    mixup: float,
    cutmix: float,
    seed: int,
    epoch: int,
    sample_ids_B: Tensor,
    batch_key: int | None = None,
    chance: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The mixed batch (B, ..., H, W) and targets (B, K); unchanged when both Beta parameters are 0.

    One share λ ~ Beta(a, a) a batch, from a generator seeded by (seed, epoch, key of the batch): mixup
    (Zhang et al. 2018) gives λ x + (1 - λ) partner; cutmix (Yun et al. 2019) copies a box of about (1 - λ) of the area
    from the partner, at the same place in every frame, and corrects λ to the area inside the image. With both on, a
    fair draw selects one for the batch. Partners follow from an order drawn for (seed, epoch).

    The key is the smallest sample id, unless `batch_key` replaces it: where several batches may have that id, and for a
    micro-batch in `paired_order`, which is mixed as within the complete batch if it has the same key. With a `chance`
    below 1 a draw for each sample decides whether it is mixed.
    """
    if mixup == 0.0 and cutmix == 0.0:
        return batch, targets_BK
    key = int(sample_ids_B.min()) if batch_key is None else batch_key
    generator = np.random.default_rng((MIX_STREAM, seed, epoch, key))
    by_box = cutmix > 0.0 and (mixup == 0.0 or generator.random() < 0.5)
    parameter = cutmix if by_box else mixup
    share = float(generator.beta(parameter, parameter))
    partners_B = partners(seed, epoch, sample_ids_B).to(batch.device)
    if by_box:
        height, width = batch.shape[-2:]
        top, bottom, left, right = cut_box(height, width, share, generator)
        mixed = batch.clone()
        mixed[..., top:bottom, left:right] = batch[partners_B][..., top:bottom, left:right]
        share = 1.0 - (bottom - top) * (right - left) / (height * width)
    else:
        mixed = torch.lerp(batch[partners_B], batch, share)
    mixed_targets_BK = torch.lerp(targets_BK[partners_B], targets_BK, share)
    if chance < 1.0:
        unmixed_B1 = (uniform(seed, epoch, sample_ids_B, "mix/chance", 1) >= chance).to(batch.device)
        mixed = torch.where(unmixed_B1.view(-1, *[1] * (batch.ndim - 1)), batch, mixed)
        mixed_targets_BK = torch.where(unmixed_B1, targets_BK, mixed_targets_BK)
    return mixed, mixed_targets_BK


def partners(seed: int, epoch: int, sample_ids_B: Tensor) -> Tensor:
    """Position in the batch of each sample's partner (B,); in an odd batch one sample is its own partner."""
    order_B = uniform(seed, epoch, sample_ids_B, "mix/order", 1)[:, 0].argsort(stable=True)
    partners_B = torch.empty_like(order_B)
    partners_B[order_B] = order_B.flip(0)
    return partners_B


def paired_order(seed: int, epoch: int, sample_ids_B: Tensor) -> Tensor:
    """An order of the batch (B,) with partners at positions 2k and 2k + 1, an unpaired sample last.

    Micro-batches cut between pairs contain their samples' partners, and `partners` pairs them in the same way.
    """
    order_B = uniform(seed, epoch, sample_ids_B, "mix/order", 1)[:, 0].argsort(stable=True)
    half = (len(order_B) + 1) // 2
    paired_B = torch.empty_like(order_B)
    paired_B[0::2] = order_B[:half]
    paired_B[1::2] = order_B.flip(0)[: len(order_B) - half]
    return paired_B


def cut_box(height: int, width: int, share: float, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a box with sides sqrt(1 - share) of the image's, clipped to the image."""
    ratio = (1.0 - share) ** 0.5
    box_height, box_width = int(height * ratio), int(width * ratio)
    row, column = int(generator.integers(height)), int(generator.integers(width))
    top, left = row - box_height // 2, column - box_width // 2
    return max(top, 0), min(top + box_height, height), max(left, 0), min(left + box_width, width)
