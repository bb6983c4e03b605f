"""Counter-based numbers: distribution, independence, and sameness whatever the batch."""

import hashlib
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from crosspath.data.randomness import normal, normal_at, uniform

MASK = (1 << 64) - 1
IDS = torch.arange(2000)


def splitmix(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & MASK
    return word ^ (word >> 31)


def words(seed: int, epoch: int, sample: int, stream: str, count: int) -> list[int]:
    """The documented scheme in Python integers."""
    gamma = 0x9E3779B97F4A7C15
    key = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")
    for part in (seed, epoch):
        key = splitmix((key ^ part) + gamma & MASK)
    state = splitmix(splitmix(sample * gamma & MASK) ^ key)
    return [splitmix(state + k * gamma & MASK) for k in range(1, count + 1)]


def test_splitmix_is_the_published_one() -> None:
    # First outputs of SplitMix64 from state 1234567, as widely published.
    gamma = 0x9E3779B97F4A7C15
    outputs = [splitmix(1234567 + k * gamma & MASK) for k in range(1, 4)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_uniform_equals_python_integers(seed: int) -> None:
    ids = torch.tensor([0, 1, 5, 123456789, 2**31])
    drawn = uniform(seed, 3, ids, "crop", 4)
    expected = [[(word >> 40) * 2.0**-24 for word in words(seed, 3, int(i), "crop", 4)] for i in ids]
    assert drawn.dtype == torch.float32
    assert drawn.tolist() == expected


def test_normal_equals_python_floats() -> None:
    drawn = normal(1, 2, torch.tensor([0, 9]), "jitter", 3)
    for row, sample in enumerate((0, 9)):
        fractions = [(word >> 11) * 2.0**-53 for word in words(1, 2, sample, "jitter", 6)]
        pairs = zip(fractions[0::2], fractions[1::2], strict=True)
        expected = [math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * v) for u, v in pairs]
        torch.testing.assert_close(drawn[row].tolist(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_numbers_at_places_are_those_of_the_whole(count: int) -> None:
    whole_BN = normal(3, 5, IDS[:40], "noise", count)
    rows_N, places_N = (torch.rand(40, count) < 0.3).nonzero(as_tuple=True)
    drawn = normal_at(3, 5, IDS[:40][rows_N], "noise", places_N)
    assert torch.equal(drawn, whole_BN[rows_N, places_N])


def test_uniform_is_uniform() -> None:
    drawn = uniform(0, 0, IDS, "a", 50)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 0.001
    # Along each direction on its own: over ids, over positions, over epochs, over seeds.
    assert stats.kstest(drawn[:, 0].numpy(), "uniform").pvalue > 0.001
    assert stats.kstest(uniform(0, 0, IDS[:1], "a", 2000)[0].numpy(), "uniform").pvalue > 0.001
    assert stats.kstest([float(uniform(0, e, IDS[:1], "a", 1)) for e in range(500)], "uniform").pvalue > 0.001
    assert stats.kstest([float(uniform(s, 0, IDS[:1], "a", 1)) for s in range(500)], "uniform").pvalue > 0.001


def test_normal_is_normal() -> None:
    drawn = normal(0, 0, IDS, "a", 20).flatten()
    assert torch.isfinite(drawn).all()
    assert stats.kstest(drawn.numpy(), "norm").pvalue > 0.001


def correlation(first: Tensor, second: Tensor) -> float:
    return abs(float(np.corrcoef(first.flatten().numpy(), second.flatten().numpy())[0, 1]))


def test_streams_epochs_seeds_ids_and_positions_are_independent() -> None:
    base = uniform(0, 0, IDS, "a", 20)
    bound = 4.5 / math.sqrt(base.numel())
    for other in (uniform(0, 0, IDS, "b", 20), uniform(0, 1, IDS, "a", 20), uniform(1, 0, IDS, "a", 20)):
        assert correlation(base, other) < bound
        assert not torch.equal(base, other)
    assert correlation(base[:-1], base[1:]) < bound
    assert correlation(base[:, :-1], base[:, 1:]) < bound
    # Seed and epoch are not interchangeable.
    assert correlation(uniform(1, 2, IDS, "a", 20), uniform(2, 1, IDS, "a", 20)) < bound


@pytest.mark.parametrize("draw", [uniform, normal])
def test_order_composition_and_count_do_not_matter(draw: object) -> None:
    assert draw in (uniform, normal)
    function = uniform if draw is uniform else normal
    whole = function(5, 6, IDS[:100], "a", 7)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(function(5, 6, order, "a", 7), whole[order])
    assert torch.equal(function(5, 6, torch.tensor([42]), "a", 7)[0], whole[42])
    assert torch.equal(function(5, 6, IDS[:100], "a", 3), whole[:, :3])
    assert torch.equal(function(5, 6, IDS[:100].to(torch.int32), "a", 7), whole)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    normal(0, 0, IDS, "a", 2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
def test_an_accelerator_draws_the_same() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    assert torch.equal(uniform(3, 4, IDS.cuda(), "a", 9).cpu(), uniform(3, 4, IDS, "a", 9))
    torch.testing.assert_close(normal(3, 4, IDS.cuda(), "a", 9).cpu(), normal(3, 4, IDS, "a", 9), rtol=1e-6, atol=1e-7)
