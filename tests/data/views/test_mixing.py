"""Mixup and cutmix: what is mixed with what, and targets that tell the truth about it."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from crosspath.data.views.mixing import cut_box, mix, paired_order, partners
from crosspath.training.order import parts

IDS = torch.tensor([3, 8, 1, 40, 22, 7])
LABELS = torch.arange(6)
ONE_HOT = functional.one_hot(LABELS, 6).float()


def constant_batch(shape: tuple[int, ...]) -> Tensor:
    """Sample i is i everywhere."""
    return torch.arange(6.0).view(-1, *[1] * len(shape)).expand(6, *shape).contiguous()


def test_off_gives_the_batch_itself() -> None:
    batch = constant_batch((3, 4, 4))
    mixed, targets = mix(batch, ONE_HOT, 0.0, 0.0, 0, 0, IDS)
    assert mixed is batch
    assert targets is ONE_HOT


def test_partners_pair_up_whatever_the_order() -> None:
    actual = partners(0, 0, IDS)
    assert torch.equal(actual[actual], torch.arange(6))
    assert not (actual == torch.arange(6)).any()
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    assert torch.equal(IDS[order][partners(0, 0, IDS[order])], IDS[actual][order])


def test_partners_of_a_sorted_batch_are_of_all_kinds() -> None:
    """Reversing a sorted batch would always pair the first with the last."""
    ids = torch.arange(64)
    last = [int(partners(0, epoch, ids)[0]) for epoch in range(300)]
    assert stats.kstest(np.array(last) / 64, "uniform").pvalue > 0.001


@pytest.mark.parametrize("shape", [(3, 8, 8), (16, 4)])
def test_mixup_shares_inputs_and_targets_alike(shape: tuple[int, ...]) -> None:
    mixed, targets = mix(constant_batch(shape), ONE_HOT, 0.8, 0.0, 0, 1, IDS)
    # Of constant samples the mixture is the mean label under the target's shares.
    expected = (targets * torch.arange(6.0)).sum(1)
    torch.testing.assert_close(mixed.flatten(1), expected[:, None].expand(6, mixed[0].numel()))
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    assert targets.amax() < 1.0


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 4, 8, 8)])
def test_cutmix_targets_are_the_shares_of_area(shape: tuple[int, ...]) -> None:
    batch = constant_batch(shape)
    boxes = 0
    for epoch in range(20):
        mixed, targets = mix(batch, ONE_HOT, 0.0, 1.0, 0, epoch, IDS)
        assert torch.equal(batch, constant_batch(shape))
        for sample in range(6):
            values, counts = np.unique(mixed[sample].numpy(), return_counts=True)
            shares = torch.zeros(6)
            shares[torch.as_tensor(values).long()] = torch.as_tensor(counts / mixed[sample].numel()).float()
            torch.testing.assert_close(targets[sample], shares)
        changed = mixed[0] != batch[0]
        # The same box in every channel and frame.
        assert (changed == changed.reshape(-1, 8, 8)[0]).all()
        boxes += bool(changed.any())
    assert boxes > 10


def test_with_both_on_a_fair_draw_chooses() -> None:
    batch, cut = constant_batch((1, 8, 8)), 0
    for epoch in range(400):
        mixed, _ = mix(batch, ONE_HOT, 1.0, 1.0, 0, epoch, IDS)
        cut += bool(torch.isin(mixed, torch.arange(6.0)).all())
    assert stats.binomtest(cut, 400, 0.5).pvalue > 0.001


def test_shares_follow_the_beta_distribution() -> None:
    shares = []
    for epoch in range(400):
        _, targets = mix(constant_batch((1, 2, 2)), ONE_HOT, 0.4, 0.0, 0, epoch, IDS)
        shares.append(float(targets[0, 0]))
    assert stats.kstest(shares, stats.beta(0.4, 0.4).cdf).pvalue > 0.001


def test_the_draw_hangs_on_seed_epoch_and_the_smallest_id() -> None:
    def target(seed: int, epoch: int, ids: Tensor) -> float:
        return float(mix(constant_batch((1, 2, 2)), ONE_HOT, 0.8, 0.0, seed, epoch, ids)[1].amax())

    assert target(0, 0, IDS) == target(0, 0, IDS.flip(0)) == target(0, 0, torch.tensor([1, 90, 91, 92, 93, 94]))
    assert len({target(0, 0, IDS), target(1, 0, IDS), target(0, 1, IDS), target(0, 0, IDS + 1)}) == 4


def test_the_box_has_its_area_and_stays_inside() -> None:
    generator = np.random.default_rng(0)
    whole = 0
    for _ in range(500):
        top, bottom, left, right = cut_box(20, 30, 0.75, generator)
        assert 0 <= top <= bottom <= 20
        assert 0 <= left <= right <= 30
        assert bottom - top <= 10
        assert right - left <= 15
        whole += (bottom - top, right - left) == (10, 15)
    assert 50 < whole < 450


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_the_chance_is_that_of_a_sample(chance: float) -> None:
    alone = of_pairs = 0
    for epoch in range(200):
        batch = constant_batch((16, 4))
        mixed, targets = mix(batch, ONE_HOT, 10.0, 0.0, 0, epoch, IDS, chance=chance)
        always, always_targets = mix(batch, ONE_HOT, 10.0, 0.0, 0, epoch, IDS)
        stayed = (targets == ONE_HOT).all(1)
        assert torch.equal(mixed[stayed], batch[stayed])
        assert torch.equal(mixed[~stayed], always[~stayed])
        assert torch.equal(targets[~stayed], always_targets[~stayed])
        alone += int(stayed.sum())
        of_pairs += int((stayed != stayed[partners(0, epoch, IDS)]).sum())
    assert stats.binomtest(1200 - alone, 1200, chance).pvalue > 0.001
    # A sample may be left alone while its partner is mixed.
    assert (of_pairs > 0) == (0.0 < chance < 1.0)


@pytest.mark.parametrize("size", [2, 7, 8, 13])
@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(
    ("mixup", "cutmix", "chance"), [(0.8, 0.0, 1.0), (0.0, 1.0, 1.0), (0.8, 1.0, 1.0), (0.8, 1.0, 0.5)]
)
def test_parts_of_a_batch_mix_as_the_whole_does(
    size: int, pieces: int, mixup: float, cutmix: float, chance: float
) -> None:
    generator = torch.Generator().manual_seed(size)
    ids = torch.randperm(1000, generator=generator)[:size].sort().values
    batch = torch.randn(size, 3, 8, 8, generator=generator)
    targets = torch.eye(size)
    whole, whole_targets = mix(batch, targets, mixup, cutmix, 5, 2, ids, chance=chance)
    order = paired_order(5, 2, ids)
    assert sorted(order.tolist()) == list(range(size))
    actual, found_targets = torch.empty_like(whole), torch.empty_like(whole_targets)
    for part in parts(order.numpy(), pieces):
        rows = torch.from_numpy(np.sort(part))
        if len(rows):
            key = int(ids.min())
            piece = mix(batch[rows], targets[rows], mixup, cutmix, 5, 2, ids[rows], key, chance)
            actual[rows], found_targets[rows] = piece
    assert torch.equal(actual, whole)
    assert torch.equal(found_targets, whole_targets)
