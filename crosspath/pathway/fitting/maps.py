"""Linear maps from the auxiliary's channels to the target's, each a matrix of shape (ours, theirs) in float64.

Most entries of a choice or an average are 0, so these maps are sparse tensors; `times` multiplies with either kind.
They are made on the CPU, whatever `torch.device` block or default device is around.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def choice(indices: Sequence[int], ours: int, theirs: int) -> Tensor:
    """Our channels 0, 1, … are these channels of theirs; ours beyond them are 0."""
    return _entries(
        range(len(indices)), indices, torch.ones(len(indices), dtype=torch.float64, device="cpu"), ours, theirs
    )


def first(ours: int, theirs: int) -> Tensor:
    """The first channels; where ours are more, the rest is 0."""
    return choice(range(min(ours, theirs)), ours, theirs)


def neighbours(ours: int, theirs: int, power: float) -> Tensor:
    """Groups of neighbouring channels, as equal as they can be, summed and multiplied by (size of the group)**-power:
    1 is their mean, 0 their sum, 1/2 makes the rows orthonormal. Where ours are more, each of theirs goes to a group of
    ours.
    """
    few, many = sorted((ours, theirs))
    groups = [index * few // many for index in range(many)]
    sizes = torch.bincount(torch.tensor(groups, device="cpu"), minlength=few).double()
    factors = sizes[groups] ** -power
    rows, columns = (groups, range(many)) if ours == few else (range(many), groups)
    return _entries(rows, columns, factors, ours, theirs)


def by_head(heads: Tensor, inside: Sequence[Tensor]) -> Tensor:
    """Heads chosen or averaged by `heads` (ours, theirs), after the channels of each of theirs went through its own map
    of `inside`, (ours, theirs) of one head.
    """
    height, width = inside[0].shape
    rows = torch.arange(height, device="cpu").repeat_interleave(width)
    columns = torch.arange(width, device="cpu").repeat(height)
    factors = heads.to_dense()
    places = factors.nonzero().tolist()
    return torch.sparse_coo_tensor(
        torch.stack(
            [
                torch.cat([rows + own * height for own, _ in places]),
                torch.cat([columns + its * width for _, its in places]),
            ]
        ),
        torch.cat([(factors[own, its] * inside[its].to_dense()).flatten() for own, its in places]),
        (len(factors) * height, factors.shape[1] * width),
        device="cpu",
        check_invariants=False,
    ).coalesce()


def times(matrix: Tensor, values: Tensor) -> Tensor:
    """matrix · values over the first axis of `values`, which may have any further ones."""
    flat = values.double().reshape(values.shape[0], -1)
    return (matrix.to(flat.device) @ flat).reshape(matrix.shape[0], *values.shape[1:])


def _entries(rows: Sequence[int], columns: Sequence[int], factors: Tensor, ours: int, theirs: int) -> Tensor:
    indices = torch.tensor([list(rows), list(columns)], dtype=torch.long, device="cpu")
    return torch.sparse_coo_tensor(indices, factors, (ours, theirs), device="cpu", check_invariants=False).coalesce()
