"""Subsets of stored clouds against fpsample, and that a draw depends on its sample and on nothing else."""

import fpsample
import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.data.views.point_resampling import CANDIDATES, held_out_cloud, training_cloud


def clouds(batch: int, points: int) -> Tensor:
    return torch.rand(batch, points, 3, generator=torch.Generator().manual_seed(points)) * 2 - 1


def rows_of(subset_P3: Tensor, stored_S3: Tensor) -> list[int]:
    """The place of each point of a subset in the stored cloud, whose points are all different."""
    places = {tuple(point): row for row, point in enumerate(stored_S3.tolist())}
    return [places[tuple(point)] for point in subset_P3.tolist()]


def farthest(stored_S3: Tensor, count: int) -> list[int]:
    return fpsample.fps_sampling(stored_S3.numpy(), count, start_idx=0).tolist()


def test_the_held_out_cloud_is_the_farthest_point_sample() -> None:
    stored = clouds(3, 300)
    before = stored.clone()
    actual = held_out_cloud(stored, 50)
    for sample, cloud in zip(actual, stored, strict=True):
        assert rows_of(sample, cloud) == farthest(cloud, 50)
    assert torch.equal(stored, before)


def test_a_cloud_with_just_the_points_asked_for_stays_as_it_is() -> None:
    stored = clouds(2, 50)
    ids = torch.arange(2)
    assert held_out_cloud(stored, 50) is stored
    assert training_cloud(stored, 50, "farthest", 0, 0, ids) is stored


def test_a_random_draw_reaches_every_point_about_equally_often() -> None:
    stored = clouds(1, 40).expand(2000, -1, -1)
    actual = training_cloud(stored, 10, "random", 0, 0, torch.arange(2000))
    counts = np.bincount([row for sample in actual for row in rows_of(sample, stored[0])], minlength=40)
    # 2,000 draws of chance 1/4: mean 500, standard deviation 19.
    assert np.abs(counts - 500).max() < 100
    assert all(len(set(rows_of(sample, stored[0]))) == 10 for sample in actual[:50])


@pytest.mark.parametrize(("count", "candidates"), [(48, 56), (50, 59)])
def test_a_farthest_draw_is_a_subset_of_a_sample_a_sixth_larger(count: int, candidates: int) -> None:
    stored = clouds(1, 200)
    allowed = set(farthest(stored[0], candidates))
    results: set[int] = set()
    for epoch in range(40):
        actual = rows_of(training_cloud(stored, count, "farthest", 0, epoch, torch.zeros(1))[0], stored[0])
        assert len(set(actual)) == count
        results |= set(actual)
    assert results == allowed


def test_the_published_candidates() -> None:
    assert CANDIDATES == {1024: 1200, 2048: 2400, 4096: 4800, 8192: 8192}
    stored = clouds(1, 1500)
    allowed = set(farthest(stored[0], 1200))
    results: set[int] = set()
    for epoch in range(12):
        results |= set(rows_of(training_cloud(stored, 1024, "farthest", 0, epoch, torch.zeros(1))[0], stored[0]))
    assert results == allowed


def test_fewer_stored_points_than_candidates_are_all_candidates() -> None:
    stored = clouds(1, 1100)
    results: set[int] = set()
    for epoch in range(20):
        actual = rows_of(training_cloud(stored, 1024, "farthest", 0, epoch, torch.zeros(1))[0], stored[0])
        assert len(set(actual)) == 1024
        results |= set(actual)
    assert results == set(range(1100))


@pytest.mark.parametrize("how", ["random", "farthest"])
def test_a_draw_depends_on_seed_epoch_and_sample_only(how: str) -> None:
    stored = clouds(5, 60)
    ids = torch.tensor([9, 2, 7, 4, 30])
    actual = training_cloud(stored, 20, how, 1, 3, ids)  # type: ignore[arg-type]
    for place in range(5):
        alone = training_cloud(stored[place : place + 1], 20, how, 1, 3, ids[place : place + 1])  # type: ignore[arg-type]
        assert torch.equal(alone[0], actual[place])
    order = [4, 0, 3, 1, 2]
    assert torch.equal(training_cloud(stored[order], 20, how, 1, 3, ids[order]), actual[order])  # type: ignore[arg-type]
    for seed, epoch, other in ((2, 3, ids), (1, 4, ids), (1, 3, ids + 1)):
        assert not torch.equal(training_cloud(stored, 20, how, seed, epoch, other), actual)  # type: ignore[arg-type]
