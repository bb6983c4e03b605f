"""Which tokens masked modelling hides, and which patches a classifier may leave out.

Every rule hides the same number of tokens in each sample, so that a batch stays one tensor. Draws are counter-based:
the mask of a sample follows from seed, epoch and sample alone. B batch, N tokens, V visible ones, M masked ones.
"""

import math

import torch
from torch import Tensor

from crosspath.config.training import MaskingSection
from crosspath.data.randomness import uniform
from crosspath.errors import InputError
from crosspath.tokenizers import Mask


def draw_mask(
    section: MaskingSection,
    grid: tuple[int, ...],
    seed: int,
    epoch: int,
    ids_B: Tensor,
    centres_BG3: Tensor | None = None,
    real_BN: Tensor | None = None,
) -> Mask:
    """The mask of each sample, on the device of `ids_B`.

    `grid` is the arrangement of the tokens: (rows, columns), for video (frames, rows, columns), for points (groups,).
    `block` needs the groups' centres. How many tokens stay visible is `visible_count`'s to say. Where not all tokens
    are real, the same share of each sample's own is hidden, and padding fills both sets.

    Raises
    ------
    InputError
        When the section's shares leave no token visible, or hide none: so few tokens cannot be divided that way; and
        for another kind than `random` where not all tokens are real.
    """
    if real_BN is not None and section.kind != "random":
        todo = "set masking.kind=random"
        raise InputError("masking.kind", "random, for samples of unequal lengths", section.kind, todo)
    count, visible = math.prod(grid), visible_count(section, grid)
    noise_BN = uniform(seed, epoch, ids_B, "mask", count)
    if section.kind == "tube":
        return tube_mask(noise_BN, (grid[0], grid[1], grid[2]), section.ratio)
    if section.kind == "block":
        assert centres_BG3 is not None
        return block_mask(noise_BN, centres_BG3, section.ratio)
    if section.kind == "time_frequency":
        visible_BV = visible_in_rows(noise_BN, (grid[0], grid[1]), (section.time_ratio, section.mel_ratio))
        return _mask_of_visible(visible_BV, count)
    return random_mask(noise_BN if real_BN is None else order_of_padded(noise_BN, real_BN, visible), visible)


def visible_count(section: MaskingSection, grid: tuple[int, ...]) -> int:
    """How many tokens of a sample stay visible: for `random` masks int(N·(1 - ratio)) as in MAE, and of groups of
    points all but int(ratio·N) as in Point-MAE; for the others as their functions say.

    Raises
    ------
    InputError
        When the section's shares leave no token visible, or hide none: so few tokens cannot be divided that way.
    """
    count = math.prod(grid)
    if section.kind == "tube":
        places = grid[1] * grid[2]
        visible = grid[0] * (places - int(section.ratio * places))
    elif section.kind == "time_frequency":
        visible = _visible_rows(grid[0], section.time_ratio) * _visible_rows(grid[1], section.mel_ratio)
    else:
        visible = count - int(section.ratio * count) if len(grid) == 1 else int(count * (1.0 - section.ratio))
    if visible in (0, count):
        name = "masking.time_ratio" if section.kind == "time_frequency" else "masking.ratio"
        found = f"{visible} visible and {count - visible} hidden of {count}"
        raise InputError(name, "at least one visible and one hidden token", found, "choose another share")
    return visible


def random_mask(noise_BN: Tensor, visible: int) -> Mask:
    """The `visible` tokens with the smallest noise stay (MAE, arXiv 2111.06377, section 3)."""
    order_BN = noise_BN.argsort(dim=1, stable=True)
    return Mask(order_BN[:, :visible].sort(dim=1).values, order_BN[:, visible:].sort(dim=1).values)


def order_of_padded(noise_BN: Tensor, real_BN: Tensor, visible: int) -> Tensor:
    """Noise (B, N) whose smallest `visible` values are a sample's visible tokens, then padding; hidden ones are last.

    Of R real tokens int(R·M / N) are hidden, where M of N are; one at least, if there are two. So few never leave
    more visible, or hidden, than a sample without padding has.
    """
    count = noise_BN.shape[1]
    real_B1 = real_BN.sum(dim=1, keepdim=True)
    hidden_B1 = (real_B1 * (count - visible) // count).clamp(min=1).minimum(real_B1 - 1)
    rank_BN = noise_BN.masked_fill(~real_BN, 1.0).argsort(dim=1, stable=True).argsort(dim=1)
    hidden_BN = real_BN & (rank_BN >= real_B1 - hidden_B1)
    return noise_BN + torch.where(real_BN, 2.0 * hidden_BN, 1.0)


def tube_mask(noise_BN: Tensor, grid: tuple[int, int, int], ratio: float) -> Mask:
    """The same int(ratio·rows·columns) places are hidden in every frame (VideoMAE, arXiv 2203.12602, section 3.3)."""
    frames, places = grid[0], grid[1] * grid[2]
    one = random_mask(noise_BN[:, :places], places - int(ratio * places))
    starts_F = torch.arange(frames, device=noise_BN.device) * places
    return Mask(*((starts_F[:, None] + part[:, None]).flatten(1) for part in one))


def block_mask(noise_BN: Tensor, centres_BG3: Tensor, ratio: float) -> Mask:
    """The int(ratio·G) groups nearest to one drawn at random are hidden (Point-MAE, arXiv 2203.06604, section 3.2)."""
    seed_group_B1 = (noise_BN[:, :1] * centres_BG3.shape[1]).long()
    centre_B13 = centres_BG3.gather(1, seed_group_B1[:, :, None].expand(-1, -1, 3))
    distances_BG = (centres_BG3 - centre_B13).square().sum(dim=2)
    order_BG = distances_BG.argsort(dim=1, stable=True)
    hidden_count = int(ratio * centres_BG3.shape[1])
    return Mask(order_BG[:, hidden_count:].sort(dim=1).values, order_BG[:, :hidden_count].sort(dim=1).values)


def visible_in_rows(noise_BN: Tensor, grid: tuple[int, int], shares: tuple[float, float]) -> Tensor:
    """Indices (B, V) of the tokens whose time row and mel row are both visible: int(T·(1 - time)) and int(F·(1 - mel))
    rows stay visible (the two-dimensional masking of AudioMAE, arXiv 2207.06405, section 3.2), at least one of each.
    """
    times, mels = grid
    time_BV = random_mask(noise_BN[:, :times], _visible_rows(times, shares[0])).visible_BV
    # The two axes use different numbers of the stream, so that they are independent.
    mel_BV = random_mask(noise_BN[:, -mels:], _visible_rows(mels, shares[1])).visible_BV
    return (time_BV[:, :, None] * mels + mel_BV[:, None, :]).flatten(1)


def draw_visible_patches(
    shares: tuple[float, float], grid: tuple[int, int], seed: int, epoch: int, ids_B: Tensor
) -> Tensor:
    """Indices (B, V) of the tokens that training sees of each spectrogram; `shares` are the shares of (time, mel) rows
    to drop.
    """
    return visible_in_rows(uniform(seed, epoch, ids_B, "patch_drop", sum(grid)), grid, shares)


def _visible_rows(rows: int, share: float) -> int:
    return max(1, int(rows * (1.0 - share)))


def _mask_of_visible(visible_BV: Tensor, count: int) -> Mask:
    """The mask of `count` tokens of which these are visible."""
    # Sorting has a static output shape; torch.nonzero does not.
    hidden_BN = torch.ones(len(visible_BV), count, device=visible_BV.device).scatter(1, visible_BV, 0.0)
    return random_mask(hidden_BN, visible_BV.shape[1])
