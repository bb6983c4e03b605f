"""Sampling and neighbours against fpsample, brute force in numpy, and clouds with ties and duplicates."""

import fpsample
import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.tokenizers import farthest_point_sample, grouping, nearest_neighbours
from crosspath.tokenizers.grouping import gather_points
from tests.errors import refused


def clouds(batch: int, points: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, points, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def brute_force_sample(cloud: np.ndarray, count: int, start: int) -> list[int]:
    selected = [start]
    while len(selected) < count:
        nearest = [min(float(np.sum((p - cloud[c]) ** 2)) for c in selected) for p in cloud]
        selected.append(int(np.argmax(nearest)))
    return selected


@pytest.mark.parametrize("start", [0, 7, 511])
def test_sampling_equals_fpsample(start: int) -> None:
    points = clouds(4, 512)
    ours = farthest_point_sample(points, 64, start).numpy()
    for cloud, indices in zip(points.numpy(), ours, strict=True):
        np.testing.assert_array_equal(indices, fpsample.fps_sampling(cloud, 64, start_idx=start))


def test_sampling_equals_brute_force_in_float64() -> None:
    points = clouds(3, 60).double()
    ours = farthest_point_sample(points, 60, 5).tolist()
    assert ours == [brute_force_sample(cloud.numpy(), 60, 5) for cloud in points]
    assert all(sorted(indices) == list(range(60)) for indices in ours)


def test_of_equally_far_points_the_first_is_taken() -> None:
    cube = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])[None]
    ours = farthest_point_sample(cube, 8).tolist()
    assert ours == [brute_force_sample(cube[0].numpy(), 8, 0)]
    assert ours[0][:3] == [0, 7, 1]


def test_a_cloud_of_few_distinct_points_repeats_some() -> None:
    cloud = torch.tensor([[0.0, 0, 0], [1, 0, 0]]).repeat(4, 1)[None]
    assert farthest_point_sample(cloud, 5).tolist() == [[0, 1, 0, 0, 0]]


def test_clouds_of_a_batch_do_not_mix() -> None:
    points = clouds(3, 100)
    together = farthest_point_sample(points, 16)
    assert torch.equal(together, torch.cat([farthest_point_sample(cloud[None], 16) for cloud in points]))


def test_neighbours_equal_brute_force_nearest_first() -> None:
    points = clouds(2, 80).double()
    centres = clouds(2, 9, seed=1).double()
    ours = nearest_neighbours(points, centres, 10).numpy()
    for cloud, centre, actual in zip(points.numpy(), centres.numpy(), ours, strict=True):
        distances = ((centre[:, None] - cloud[None]) ** 2).sum(axis=2)
        np.testing.assert_array_equal(actual, np.argsort(distances, axis=1, kind="stable")[:, :10])


def test_a_centre_of_the_cloud_is_its_own_first_neighbour() -> None:
    # Far from the origin, where a matrix-product distance would cancel, and 1e-3 apart.
    points = clouds(2, 200) * 1e-3 + 100.0
    indices = farthest_point_sample(points, 20)
    centres = gather_points(points, indices)
    nearest = nearest_neighbours(points, centres, 5)
    assert torch.equal(gather_points(points, nearest)[:, :, 0], centres)


def test_duplicates_fill_a_group_at_distance_zero() -> None:
    cloud = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]).repeat(3, 1)[None]
    centres = cloud[:, :3]
    groups = gather_points(cloud, nearest_neighbours(cloud, centres, 3))
    assert torch.equal(groups, centres[:, :, None].expand(1, 3, 3, 3))


def test_gather_points_takes_each_cloud_its_own() -> None:
    points = clouds(3, 10)
    indices = torch.tensor([[[1, 2], [3, 4]], [[0, 0], [9, 8]], [[5, 6], [7, 7]]])
    assert torch.equal(
        gather_points(points, indices), torch.stack([p[i] for p, i in zip(points, indices, strict=True)])
    )


@pytest.mark.parametrize("count", [0, 11])
def test_counts_beyond_the_cloud_are_errors(count: int) -> None:
    points = clouds(1, 10)
    with refused("model.tokenizer.groups", "1", "10"):
        farthest_point_sample(points, count)
    with refused("model.tokenizer.group_size", "1", "10"):
        nearest_neighbours(points, points, count)


def test_a_start_outside_the_cloud_is_an_error() -> None:
    with refused("start", "0", "9", "point"):
        farthest_point_sample(clouds(1, 10), 2, start=10)


def test_half_precision_coordinates_and_the_meta_device() -> None:
    half = clouds(2, 50).bfloat16()
    assert torch.equal(farthest_point_sample(half, 8), farthest_point_sample(half.float(), 8))
    meta = torch.empty(2, 50, 3, device="meta")
    assert farthest_point_sample(meta, 8).shape == (2, 8)
    assert nearest_neighbours(meta, meta[:, :8], 4).shape == (2, 8, 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_an_accelerator_samples_the_same_points() -> None:
    points = clouds(4, 1024)
    assert torch.equal(farthest_point_sample(points.cuda(), 64).cpu(), farthest_point_sample(points, 64))


NEAR_TIES = (torch.arange(300.0)[None, :, None] * 1e-8 + 1.0).expand(2, 300, 3)


@pytest.mark.parametrize(
    ("points", "by_tree"),
    [
        pytest.param(clouds(3, 300), True, id="apart"),
        pytest.param((clouds(3, 300) * 300).round() / 300, True, id="some equal distances"),
        pytest.param((clouds(3, 300) * 4).round() / 4, False, id="most distances equal"),
        pytest.param(clouds(3, 100).repeat(1, 3, 1), False, id="every point three times"),
        pytest.param(NEAR_TIES, False, id="distances that float32 cannot tell apart"),
        pytest.param(clouds(2, 300) * 1e-25, False, id="squares too small for float32"),
        pytest.param(clouds(2, 300) * 1e25, False, id="squares too large for float32"),
        pytest.param(clouds(1, 300).index_fill(1, torch.tensor([7]), torch.nan), False, id="not a number"),
    ],
)
def test_a_tree_finds_the_neighbours_of_all_distances_in_their_order(
    points: Tensor, by_tree: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "TREE_FROM", 300 // torch.get_num_threads())
    centres = gather_points(points, farthest_point_sample(points, 40))
    for count in (1, 16, 299):
        actual = nearest_neighbours(points, centres, count)
        assert torch.equal(actual, grouping._by_distances(points, centres, count))
    assert (grouping._by_tree(points, centres, 16) is not None) == by_tree


def test_large_clouds_on_a_processor_alone_suit_a_tree() -> None:
    most = grouping.TREE_FROM * torch.get_num_threads()
    assert grouping._suits_a_tree(torch.empty(1, most, 3), 8)
    assert not grouping._suits_a_tree(torch.empty(1, most - 1, 3), 8)
    assert not grouping._suits_a_tree(torch.empty(1, most, 3), most)  # a tree has no neighbour more than that
    assert not grouping._suits_a_tree(torch.empty(0, most, 3), 8)
    assert not grouping._suits_a_tree(torch.empty(1, most, 3, dtype=torch.float64), 8)
    assert not grouping._suits_a_tree(torch.empty(1, most, 3, device="meta"), 8)


def test_gradients_and_transforms_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "TREE_FROM", 100 // torch.get_num_threads())
    points = clouds(3, 100)
    expected = nearest_neighbours(points, points[:, :9], 4)
    assert torch.equal(nearest_neighbours(points.clone().requires_grad_(), points[:, :9], 4), expected)
    mapped = torch.func.vmap(lambda cloud: nearest_neighbours(cloud[None], cloud[None, :9], 4)[0])
    assert torch.equal(mapped(points), expected)
