"""Point clouds to tokens: groups around far-apart centres, each through a small shared PointNet (Point-MAE, arXiv
2203.06604). Parameter names are the published ones, so that such checkpoints map by prefix.

B batch, P points, G groups (tokens), M points of a group, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath.errors import InputError
from crosspath.tokenizers.grouping import farthest_point_sample, gather_points, nearest_neighbours
from crosspath.tokenizers.tokens import ChooseMask, MaskableTokenizer, MaskedView, Tokens, select

LOCAL = 256
"""Channels of a point before the first pooling over its group."""


class PointTokenizer(MaskableTokenizer):
    """Tokens of point clouds (B, P, 3), one for each group; positions are a small network of the group's centre.

    `first_conv` and `second_conv` are the published convolutions of kernel 1, computed as matrix products with points
    as rows: the same function, about twice as fast on a CPU.
    """

    def __init__(self, groups: int, group_size: int, width: int) -> None:
        super().__init__()
        self.num_tokens = groups
        self.group_size = group_size
        self.fixed_grid = None
        self.target_values = 3 * group_size
        self.width = width
        self.first_conv = nn.Sequential(
            nn.Conv1d(3, LOCAL // 2, 1), nn.BatchNorm1d(LOCAL // 2), nn.ReLU(), nn.Conv1d(LOCAL // 2, LOCAL, 1)
        )
        self.second_conv = nn.Sequential(
            nn.Conv1d(2 * LOCAL, 2 * LOCAL, 1), nn.BatchNorm1d(2 * LOCAL), nn.ReLU(), nn.Conv1d(2 * LOCAL, width, 1)
        )
        self.pos_embed = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))

    def forward(self, points_BP3: Tensor, real_BP: Tensor | None = None) -> Tokens:
        """Tokens (B, G, D) and the positions of their centres (B, G, D), in the order of farthest-point sampling.

        `real_BP` says which points are a cloud's own, where clouds have unequal numbers of points: they come first, and
        those after them, whatever they hold, are in no group.

        Raises
        ------
        InputError
            When the batch is not (B, P, 3), or a cloud is smaller than `groups` or `group_size`.
        """
        if points_BP3.ndim != 3 or points_BP3.shape[2] != 3:
            raise InputError("batch", "clouds (batch, points, 3)", str(tuple(points_BP3.shape)), "keep x, y and z only")
        return self.tokens(*self.group(points_BP3, real_BP))

    def tokens(self, groups_BGM3: Tensor, centres_BG3: Tensor) -> Tokens:
        """The tokens of groups, as `group` makes them."""
        return Tokens(self.embed(groups_BGM3), self.pos_embed(centres_BG3))

    def mask(self, batch_BP3: Tensor, choose_mask: ChooseMask) -> MaskedView:
        """The visible groups of clouds, and every group's points relative to its centre.

        Hidden groups are not even embedded: Point-MAE embeds all and then leaves them out, which gives its batch
        normalisation more samples and the encoder the same.
        """
        groups_BGM3, centres_BG3 = self.group(batch_BP3)
        mask = choose_mask(centres_BG3)
        visible_BV = mask.visible_BV
        groups_BVM3 = select(groups_BGM3.flatten(2), visible_BV).view(len(visible_BV), -1, *groups_BGM3.shape[2:])
        visible = Tokens(self.embed(groups_BVM3), self.pos_embed(select(centres_BG3, visible_BV)))
        return MaskedView(visible, groups_BGM3.flatten(2), centres_BG3, mask)

    def group(self, points_BP3: Tensor, real_BP: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Groups (B, G, M, 3) relative to their centres, and the centres (B, G, 3); see `forward`."""
        if real_BP is not None:
            # A copy of the first point, where sampling starts, is as far from the others as that point: never chosen.
            points_BP3 = torch.where(real_BP[:, :, None], points_BP3, points_BP3[:, :1])
        centres_BG3 = gather_points(points_BP3, farthest_point_sample(points_BP3, self.num_tokens))
        neighbours_BGM = nearest_neighbours(points_BP3, centres_BG3, self.group_size, real_BP)
        return gather_points(points_BP3, neighbours_BGM) - centres_BG3[:, :, None], centres_BG3

    def embed(self, groups_BGM3: Tensor) -> Tensor:
        """Tokens (B, G, D) of groups (B, G, M, 3): two pooled stages of the small PointNet."""
        first, first_norm, second = self.first_conv[0], self.first_conv[1], self.first_conv[3]
        third, second_norm, fourth = self.second_conv[0], self.second_conv[1], self.second_conv[3]
        batch, groups, size, _ = groups_BGM3.shape
        # In place where the backward pass does not need the overwritten values: this stage is bound by memory.
        rows = functional.relu(first_norm(_per_row(first, groups_BGM3.reshape(-1, 3))), inplace=True)
        local = _per_row(second, rows).view(batch * groups, size, LOCAL)
        # The published layer reads [global, local]; the global half is computed once for each group.
        weight, bias = _matrix(third)
        group_part = functional.linear(local.max(dim=1).values, weight[:, :LOCAL], bias)
        mixed = functional.linear(local, weight[:, LOCAL:]).add_(group_part[:, None])
        rows = functional.relu(second_norm(mixed.flatten(0, 1)), inplace=True)
        return _per_row(fourth, rows).view(batch, groups, size, self.width).max(dim=2).values


def _per_row(convolution: nn.Module, rows: Tensor) -> Tensor:
    """A convolution of kernel 1 applied to points as rows."""
    weight, bias = _matrix(convolution)
    return functional.linear(rows, weight, bias)


def _matrix(convolution: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a convolution of kernel 1."""
    assert isinstance(convolution, nn.Conv1d)
    return convolution.weight[:, :, 0], convolution.bias
