"""How well the parts of objects are told apart: intersection over union by part, shape, category and set.

N shapes, P points, C categories, K columns: one for each part of each category, in the order of `data.parts`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.errors import InputError

Parts = Sequence[Sequence[int]]
"""The part numbers of each category."""
NO_COLUMN = -1
UNKNOWN = -2


def columns_of_categories(parts: Parts) -> Tensor:
    """Which columns (C, K) belong to each category."""
    sizes = [len(numbers) for numbers in parts]
    starts = torch.tensor([sum(sizes[:category]) for category in range(len(sizes))])[:, None]
    columns_K = torch.arange(sum(sizes))
    return (starts <= columns_K) & (columns_K < starts + torch.tensor(sizes)[:, None])


def columns_of_points(parts_BP: Tensor, categories_B: Tensor, parts: Parts, where: object = "data.parts") -> Tensor:
    """The column (B, P) of each point's part, -1 of points that are not labelled or outside the cloud.

    Raises
    ------
    InputError
        For a part that its category does not have.
    """
    table_CN = torch.full((len(parts), NOT_LABELLED + 1), UNKNOWN)
    table_CN[:, [NOT_LABELLED, OUTSIDE]] = NO_COLUMN
    column = 0
    for category, numbers in enumerate(parts):
        table_CN[category, list(numbers)] = torch.arange(column, column + len(numbers))
        column += len(numbers)
    columns_BP = table_CN.to(parts_BP.device)[categories_B].gather(1, parts_BP)
    if bool((columns_BP == UNKNOWN).any()):
        row, point = (columns_BP == UNKNOWN).nonzero()[0].tolist()
        category = int(categories_B[row])
        expected = f"parts of category {category}: {', '.join(map(str, parts[category]))}"
        todo = "correct the file, or list every part with --set data.parts"
        raise InputError(where, expected, str(int(parts_BP[row, point])), todo)
    return columns_BP


def part_counts(logits_BPK: Tensor, columns_BP: Tensor, categories_B: Tensor, members_CK: Tensor) -> Tensor:
    """Points (B, 3, K) of each part: predicted rightly, predicted, and there. A point gets the most probable part of
    its object's category; points that are not labelled count nowhere. NaN for a sample with a labelled point whose
    logits are not all finite: it has no most probable part.
    """
    columns = logits_BPK.shape[-1]
    own_B1K = members_CK.to(logits_BPK.device)[categories_B][:, None]
    predicted_BP = logits_BPK.masked_fill(~own_B1K, -torch.inf).argmax(dim=-1)
    counted_BP = columns_BP >= 0

    def count(places_BP: Tensor, counted_BP: Tensor) -> Tensor:
        zeros_BK = logits_BPK.new_zeros(len(places_BP), columns, dtype=torch.float32)
        return zeros_BK.scatter_add(1, places_BP.clamp(min=0), counted_BP.to(torch.float32))

    right_BP = counted_BP & (predicted_BP == columns_BP)
    counts = (count(columns_BP, right_BP), count(predicted_BP, counted_BP), count(columns_BP, counted_BP))
    unclear_B = (counted_BP & ~logits_BPK.isfinite().all(dim=-1)).any(dim=1)
    return torch.stack(counts, dim=1).masked_fill(unclear_B[:, None, None], torch.nan)


def part_metrics(counts_N3K: Tensor, categories_N: Tensor, members_CK: Tensor) -> dict[str, float]:
    """Flat floats, fractions all; empty without samples.

    - `instance_miou`: the mean over shapes of a shape's mean IoU over the parts of its category, where a part that is
      neither there nor predicted counts as 1 (Yi et al. 2016; Qi et al. 2017);
    - `class_miou`: the same mean within each category, then over the categories that occur;
    - `miou`: the mean over the parts that occur of their IoU over all points of the set (PartNet, Mo et al. 2019);
    - `point_accuracy`: the share of points with their part.
    """
    # Of a cloud with few labelled points a draw may hold none, and says nothing then.
    labelled_N = counts_N3K[:, 2].sum(dim=1) != 0
    counts_N3K, categories_N = counts_N3K[labelled_N], categories_N[labelled_N]
    if not len(counts_N3K):
        return {}
    right_NK, predicted_NK, present_NK = counts_N3K.double().unbind(1)
    union_NK = predicted_NK + present_NK - right_NK
    iou_NK = torch.where(union_NK == 0, 1.0, right_NK / union_NK.clamp(min=1))
    own_NK = members_CK[categories_N].double()
    shapes_N = (iou_NK * own_NK).sum(dim=1) / own_NK.sum(dim=1)
    classes = [shapes_N[categories_N == category].mean() for category in sorted(set(categories_N.tolist()))]
    union_K, right_K = union_NK.sum(dim=0), right_NK.sum(dim=0)
    return {
        "instance_miou": float(shapes_N.mean()),
        "class_miou": float(torch.stack(classes).mean()),
        "miou": float((right_K / union_K)[union_K != 0].mean()),
        "point_accuracy": float(right_NK.sum() / present_NK.sum()),
    }
