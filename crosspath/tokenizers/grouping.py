"""Farthest-point sampling and nearest neighbours in plain batched torch, on any device.

B batch, P points, G groups (centres), M neighbours of a centre. Half-precision coordinates are converted to
float32. Both functions return indices, which have no gradient.
"""

import torch
from torch import Tensor

from crosspath.errors import InputError


@torch.no_grad()
def farthest_point_sample(points_BP3: Tensor, count: int, start: int = 0) -> Tensor:
    """Indices (B, G) of `count` points, each the farthest from those before it; the first is `start`.

    Of equally distant points the first is taken, so the result is deterministic. A cloud with fewer distinct points
    than `count` repeats some. Unlike the published point models, points within 0.03 of the origin are not skipped.

    Raises
    ------
    InputError
        When `count` is not between 1 and P, or `start` is not a point.
    """
    points = points_BP3.shape[1]
    if not 1 <= count <= points:
        todo = "ask for fewer centres or give more points"
        raise InputError("model.tokenizer.groups", f"1 to {points} centres in a cloud of {points}", str(count), todo)
    if not 0 <= start < points:
        raise InputError("start", f"a point from 0 to {points - 1}", str(start), "choose another")
    # A contiguous plane for each coordinate is several times faster on a CPU than triples.
    x_BP, y_BP, z_BP = _wide(points_BP3).permute(2, 0, 1).contiguous().unbind(0)
    last_B1 = torch.full((points_BP3.shape[0], 1), start, dtype=torch.long, device=points_BP3.device)
    nearest_BP = torch.full_like(x_BP, torch.inf)
    selected = [last_B1]
    for _ in range(count - 1):
        squared_BP = (x_BP - x_BP.gather(1, last_B1)).square_()
        squared_BP += (y_BP - y_BP.gather(1, last_B1)).square_()
        squared_BP += (z_BP - z_BP.gather(1, last_B1)).square_()
        nearest_BP = torch.minimum(nearest_BP, squared_BP)
        last_B1 = nearest_BP.argmax(dim=1, keepdim=True)
        selected.append(last_B1)
    return torch.cat(selected, dim=1)


@torch.no_grad()
def nearest_neighbours(points_BP3: Tensor, centres_BG3: Tensor, count: int) -> Tensor:
    """Indices (B, G, M) of the `count` points nearest to each centre, nearest first; a centre that is a point is its
    own first neighbour (or a duplicate is). The order of equally near points depends on the device.

    Raises
    ------
    InputError
        When `count` is not between 1 and P.
    """
    points = points_BP3.shape[1]
    if not 1 <= count <= points:
        todo = "ask for smaller groups or give more points"
        raise InputError("model.tokenizer.group_size", f"1 to {points} in a cloud of {points}", str(count), todo)
    # The matrix-product form of the distance loses precision: a close neighbour could come before the centre itself.
    exact = "donot_use_mm_for_euclid_dist"
    distances_BGP = torch.cdist(_wide(centres_BG3), _wide(points_BP3), compute_mode=exact)
    return distances_BGP.topk(count, dim=2, largest=False).indices


def gather_points(points_BP3: Tensor, indices: Tensor) -> Tensor:
    """The points at `indices` (B, ...) of each cloud: (B, ..., 3)."""
    flat_BK1 = indices.flatten(1)[..., None]
    gathered_BK3 = points_BP3.gather(1, flat_BK1.expand(-1, -1, points_BP3.shape[2]))
    return gathered_BK3.reshape(*indices.shape, points_BP3.shape[2])


def _wide(points: Tensor) -> Tensor:
    return points.to(torch.promote_types(points.dtype, torch.float32))
