"""Farthest-point sampling and nearest neighbours in plain batched torch, on any device.

B batch, P points, G groups (centres), M neighbours of a centre. Half-precision coordinates are converted to
float32. Both functions return indices, which have no gradient.
"""

import numpy as np
import torch
from torch import Tensor

from crosspath.errors import InputError

TREE_FROM = 2048
"""Points of a cloud, for each thread of a processor, from which on a k-d tree is faster than all distances."""
CLEAR = 1e-6
"""Relative difference from which on two distances have the same order in float32, which errs by 2e-7 at most."""
SMALLEST, LARGEST = 1e-15, 1e15
"""Distances and coordinates whose squares float32 holds."""


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
    indices = [last_B1]
    for _ in range(count - 1):
        squared_BP = (x_BP - x_BP.gather(1, last_B1)).square_()
        squared_BP += (y_BP - y_BP.gather(1, last_B1)).square_()
        squared_BP += (z_BP - z_BP.gather(1, last_B1)).square_()
        nearest_BP = torch.minimum(nearest_BP, squared_BP)
        last_B1 = nearest_BP.argmax(dim=1, keepdim=True)
        indices.append(last_B1)
    return torch.cat(indices, dim=1)


@torch.no_grad()
def nearest_neighbours(points_BP3: Tensor, centres_BG3: Tensor, count: int, real_BP: Tensor | None = None) -> Tensor:
    """Indices (B, G, M) of the `count` points nearest to each centre, nearest first; a centre that is a point is its
    own first neighbour (or a duplicate is). The order of equally near points depends on the device.

    Points that `real_BP` leaves out are nobody's neighbours; a cloud with fewer real points than `count` repeats them,
    from the nearest on.

    Raises
    ------
    InputError
        When `count` is not between 1 and P.
    """
    points = points_BP3.shape[1]
    if not 1 <= count <= points:
        todo = "ask for smaller groups or give more points"
        raise InputError("model.tokenizer.group_size", f"1 to {points} in a cloud of {points}", str(count), todo)
    points_BP3, centres_BG3 = _wide(points_BP3), _wide(centres_BG3)
    if real_BP is not None:
        distances_BGP = _distances(points_BP3, centres_BG3).masked_fill(~real_BP[:, None], torch.inf)
        nearest_BGM = distances_BGP.topk(count, dim=2, largest=False).indices
        places_BM = torch.arange(count, device=points_BP3.device) % real_BP.sum(dim=1, keepdim=True)
        return nearest_BGM.gather(2, places_BM[:, None].expand_as(nearest_BGM))
    indices_BGM = _by_tree(points_BP3, centres_BG3, count) if _suits_a_tree(points_BP3, count) else None
    return _by_distances(points_BP3, centres_BG3, count) if indices_BGM is None else indices_BGM


def _by_distances(points_BP3: Tensor, centres_BG3: Tensor, count: int) -> Tensor:
    return _distances(points_BP3, centres_BG3).topk(count, dim=2, largest=False).indices


def _distances(points_BP3: Tensor, centres_BG3: Tensor) -> Tensor:
    # The matrix-product form of the distance loses precision: a close neighbour could come before the centre itself.
    return torch.cdist(centres_BG3, points_BP3, compute_mode="donot_use_mm_for_euclid_dist")


def _suits_a_tree(points_BP3: Tensor, count: int) -> bool:
    if torch.compiler.is_compiling() or points_BP3.device.type != "cpu" or points_BP3.dtype != torch.float32:
        return False
    points = points_BP3.shape[1]
    return points >= TREE_FROM * torch.get_num_threads() and points > count and len(points_BP3) > 0


def _by_tree(points_BP3: Tensor, centres_BG3: Tensor, count: int) -> Tensor | None:
    """What `_by_distances` gives, in the same order; None where too many distances are equal for that to be faster.

    A k-d tree computes in float64, and breaks ties in another way. So centres with two distances (of one neighbour more
    than asked for) that float32 might order otherwise are left to `_by_distances`.
    """
    from scipy.spatial import cKDTree

    try:
        clouds, centres = points_BP3.detach().numpy(), centres_BG3.detach().numpy()
    except RuntimeError:  # inside torch.func.vmap and other transforms there are no plain numbers
        return None
    if not ((np.abs(clouds) < LARGEST).all() and (np.abs(centres) < LARGEST).all()):  # NaN, too
        return None
    indices_BGM = torch.empty((*centres_BG3.shape[:2], count), dtype=torch.long)
    for cloud, (points_P3, centres_G3) in enumerate(zip(clouds, centres, strict=True)):
        tree = cKDTree(points_P3, balanced_tree=False, compact_nodes=False)
        distances_GN, nearest_GN = tree.query(centres_G3, count + 1)
        further = distances_GN[:, 1:]
        clear_G = ((np.diff(distances_GN) > CLEAR * further) & (further > SMALLEST)).all(axis=1)
        indices_BGM[cloud] = torch.from_numpy(nearest_GN[:, :count])
        unclear = np.flatnonzero(~clear_G)
        if 4 * len(unclear) > len(clear_G):
            return None
        if len(unclear):
            indices_BGM[cloud, unclear] = _by_distances(
                points_BP3[cloud, None], centres_BG3[cloud, None, unclear], count
            )[0]
    return indices_BGM


def gather_points(points_BP3: Tensor, indices: Tensor) -> Tensor:
    """The points at `indices` (B, ...) of each cloud: (B, ..., 3)."""
    flat_BK1 = indices.flatten(1)[..., None]
    gathered_BK3 = points_BP3.gather(1, flat_BK1.expand(-1, -1, points_BP3.shape[2]))
    return gathered_BK3.reshape(*indices.shape, points_BP3.shape[2])


def _wide(points: Tensor) -> Tensor:
    return points.to(torch.promote_types(points.dtype, torch.float32))
