"""The part of each point of a cloud, by the published head: Point-MAE's segmentation, which M2PT uses.

B batch, P points, Q points asked for, R of them that count, G groups (tokens), D width, C categories, K parts.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath.errors import InputError
from crosspath.models.encoder import Encoder
from crosspath.models.modality_model import ModalityModel
from crosspath.models.propagation import FeaturePropagation, matrix
from crosspath.tokenizers import PointTokenizer

LEVELS = 3
CATEGORY_WIDTH = 64
WIDTHS = (1024, 512, 256)
"""Published: of the propagated features, and of the head's two hidden layers."""


class PartHead(nn.Module):
    """Logits of points, from three levels of tokens and the category of the object.

    Each point reads the levels at its three nearest centres, their maximum and mean over the object, and what the
    category, one of `categories` as a one-hot vector, becomes. Keys as published: `label_conv`, `propagation_0`,
    `convs1` to `convs3`, `bns1`, `bns2`.
    """

    def __init__(
        self, width: int, categories: int, parts: int, widths: Sequence[int] = WIDTHS, dropout: float = 0.0
    ) -> None:
        super().__init__()
        propagation_width, first, second = widths
        levels = LEVELS * width
        self.categories = categories
        self.parts = parts
        self.label_conv = nn.Sequential(
            nn.Conv1d(categories, CATEGORY_WIDTH, 1, bias=False), nn.BatchNorm1d(CATEGORY_WIDTH), nn.LeakyReLU(0.2)
        )
        self.propagation_0 = FeaturePropagation(levels, (4 * width, propagation_width))
        self.convs1 = nn.Conv1d(propagation_width + 2 * levels + CATEGORY_WIDTH, first, 1)
        self.bns1 = nn.BatchNorm1d(first)
        self.dp1 = nn.Dropout(dropout)
        self.convs2 = nn.Conv1d(first, second, 1)
        self.bns2 = nn.BatchNorm1d(second)
        self.convs3 = nn.Conv1d(second, parts, 1)

    def forward(
        self,
        levels_BGC: Tensor,
        centres_BG3: Tensor,
        points_BQ3: Tensor,
        categories_BC: Tensor,
        rows_R: Tensor | None = None,
    ) -> Tensor:
        """Logits (R, K) of the points at `rows_R` of all B x Q, of all when not given; `levels_BGC` is 3D wide.

        Raises
        ------
        InputError
            For a training batch of one object, which batch normalisation cannot take.
        """
        if self.training and len(categories_BC) == 1:
            expected = "at least 2 objects to normalise over the batch in the head"
            raise InputError("batch", expected, "1", "make batches larger")
        local_RC = self.propagation_0(points_BQ3, centres_BG3, levels_BGC, rows_R)
        category_BC = self.label_conv(categories_BC[:, :, None]).squeeze(2)
        object_BC = torch.cat([levels_BGC.amax(dim=1), levels_BGC.mean(dim=1), category_BC], dim=1)
        # What all points of an object share goes through its columns of the layer once.
        (first, bias), width = matrix(self.convs1), local_RC.shape[1]
        shared_BC = functional.linear(object_BC, first[:, width:], bias)
        shared_RC = shared_BC.repeat_interleave(points_BQ3.shape[1], dim=0)
        shared_RC = shared_RC if rows_R is None else shared_RC[rows_R]
        values_RC = self.dp1(functional.relu(self.bns1(functional.linear(local_RC, first[:, :width]) + shared_RC)))
        values_RC = functional.relu(self.bns2(functional.linear(values_RC, *matrix(self.convs2))))
        return functional.linear(values_RC, *matrix(self.convs3))


class PartSegmenter(ModalityModel):
    """Tokenizer, encoder and `PartHead`. Keys: `tokenizer.*`, `encoder.*`, `head.*`."""

    tokenizer: PointTokenizer
    head: PartHead  # type: ignore[assignment]  # another head than a classifier's

    def __init__(self, tokenizer: PointTokenizer, encoder: Encoder, head: PartHead) -> None:
        super().__init__(tokenizer, encoder, head)  # type: ignore[arg-type]
        self.blocks = thirds(len(encoder.blocks))

    def forward(  # type: ignore[override]  # an object's category instead of visible tokens
        self,
        points_BP3: Tensor,
        categories_B: Tensor | None = None,
        real_BP: Tensor | None = None,
        queries_BQ3: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, K, P) of the points of clouds, or (B, K, Q) of other points of the same objects.

        `categories_B` are the objects' category numbers; without them no category is marked, unless there is only one.
        Points that `real_BP` leaves out are padding, after those of a cloud with fewer: they move no other point, and
        their logits are 0.
        """
        groups_BGM3, centres_BG3 = self.tokenizer.group(points_BP3, real_BP)
        tokens = self.tokenizer.tokens(groups_BGM3, centres_BG3)
        levels_BGC = torch.cat(self.encoder.levels(tokens, self.blocks), dim=2)
        categories_BC = self._one_hot(categories_B, levels_BGC)
        if real_BP is None or queries_BQ3 is not None:
            queries = points_BP3 if queries_BQ3 is None else queries_BQ3
            every_RK: Tensor = self.head(levels_BGC, centres_BG3, queries, categories_BC)
            return every_RK.view(*queries.shape[:2], -1).transpose(1, 2)
        rows_R = real_BP.flatten().nonzero().squeeze(1)
        logits_RK = self.head(levels_BGC, centres_BG3, points_BP3, categories_BC, rows_R)
        logits: Tensor = logits_RK.new_zeros(real_BP.numel(), logits_RK.shape[1]).index_copy(0, rows_R, logits_RK)
        return logits.view(*real_BP.shape, -1).transpose(1, 2)

    def _one_hot(self, categories_B: Tensor | None, like: Tensor) -> Tensor:
        count = self.head.categories
        if categories_B is None:
            return like.new_full((len(like), count), float(count == 1))
        return functional.one_hot(categories_B, count).to(like.dtype)


def thirds(depth: int) -> tuple[int, int, int]:
    """The blocks (from 0) at the end of each third of an encoder: 3, 7 and 11 of twelve (Point-MAE's segmentation)."""
    first, second, last = (max(round(depth * third / 3), 1) - 1 for third in (1, 2, 3))
    return first, second, last
