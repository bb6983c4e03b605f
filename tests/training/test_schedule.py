"""The learning rate of each step against the closed form, group by group."""

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from crosspath.training.inputs import batch_notes
from crosspath.training.optimizer import build_optimizer, rate_factor
from crosspath.training.processes import Processes
from crosspath.training.schedule import PEAK, Schedule
from tests.checkpoints.small import image_recipe


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    schedule = Schedule(steps=100, warmup_steps=10, min_lr=0.0)
    rates = [schedule.rate(step, 2.0) for step in range(10)]
    assert rates == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert schedule.rate(10, 2.0) == 2.0


def test_the_cosine_is_pytorch_s() -> None:
    schedule = Schedule(steps=21, warmup_steps=0, min_lr=0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.5)
    theirs = CosineAnnealingLR(optimizer, T_max=20, eta_min=0.1)
    for step in range(21):
        assert schedule.rate(step, 1.5) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        theirs.step()


def test_the_last_step_has_the_lowest_rate() -> None:
    schedule = Schedule(steps=50, warmup_steps=7, min_lr=1e-3)
    assert schedule.rate(49, 1.0) == pytest.approx(1e-3)
    assert schedule.rate(28, 1.0) == pytest.approx(1e-3 + 0.999 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert Schedule(steps=9, warmup_steps=7, min_lr=1e-3).rate(8, 1.0) == pytest.approx(1e-3)


def test_rates_below_the_floor_stay_constant() -> None:
    schedule = Schedule(steps=10, warmup_steps=0, min_lr=1e-3)
    assert {schedule.rate(step, 1e-4) for step in range(10)} == {1e-4}
    assert {schedule.rate(step, 0.0) for step in range(10)} == {0.0}


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (3, 3)])
def test_short_runs_have_finite_rates(steps: int, warmup: int) -> None:
    schedule = Schedule(steps=steps, warmup_steps=warmup, min_lr=0.0)
    assert all(0 <= schedule.rate(step, 1.0) <= 1 for step in range(steps))


def test_every_group_follows_its_own_peak() -> None:
    model = nn.ModuleDict({"blocks": nn.ModuleList()})
    model["layer"] = nn.Linear(3, 3)
    optimizer = build_optimizer(model, image_recipe("optimizer.lr=0.5", "optimizer.weight_decay=0.1"))
    optimizer.param_groups[0][PEAK] = 0.25
    Schedule(steps=10, warmup_steps=2, min_lr=0.0).apply(optimizer, 0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.25]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


def test_rates_follow_the_batch_where_the_recipe_says_so() -> None:
    # 5e-4 per 256 samples and batches of 1,024: the published image rate of 2e-3. λ's own rate scales alike.
    recipe = image_recipe(
        "optimizer.lr=5e-4", "optimizer.scale_lr=1e-3", "optimizer.lr_per_samples=256", "train.batch_size=1024"
    )
    optimizer = build_optimizer(nn.Linear(3, 3), recipe)
    assert {group[PEAK] for group in optimizer.param_groups} == {2e-3}
    assert rate_factor(recipe.optimizer, 1024) == 4.0
    assert rate_factor(recipe.optimizer.model_copy(update={"lr_per_samples": None}), 1024) == 1.0


@pytest.mark.parametrize(("samples", "words"), [(4096, "1024"), (9, "1024 (the largest batch has 9 samples)")])
def test_notes_name_batches_that_there_are(samples: int, words: str) -> None:
    recipe = image_recipe(
        "optimizer.lr=5e-4", "optimizer.lr_per_samples=256", "train.batch_size=1024", "train.accumulate=3"
    )
    largest = min(samples, 1024)
    assert batch_notes(recipe, samples, Processes(0, 1)) == [
        f"batches of {largest:,} samples: 1 process x 3 parts of {largest / 3:g}",
        f"learning rate 0.002: 0.0005 per 256 samples, train.batch_size {words}",
    ]
