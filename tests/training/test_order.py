"""The order of samples: complete, even, and a function of seed and epoch; and how a batch is divided."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crosspath.config import Recipe, apply_overrides
from crosspath.config.training import TrainSection
from crosspath.data.examples import Examples
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from crosspath.training.demands import check_alone
from crosspath.training.feed import Feed
from crosspath.training.order import epoch_batches, parts, steps_per_epoch
from crosspath.training.processes import Processes
from tests.errors import refused


@pytest.mark.parametrize(("samples", "size"), [(1, 4), (10, 4), (12, 4), (1000, 64)])
def test_every_sample_once_in_even_batches(samples: int, size: int) -> None:
    section = TrainSection(batch_size=size)
    batches = epoch_batches(np.zeros(samples, np.int64), section, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(samples))
    lengths = [len(batch) for batch in batches]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert len(batches) == steps_per_epoch(samples, section) == -(-samples // size)


def test_seed_and_epoch_decide() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        section = TrainSection(batch_size=8, seed=seed)
        return list(np.concatenate(epoch_batches(np.zeros(50, np.int64), section, epoch)))

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 1)
    assert order(0, 0) != list(range(50))


def test_a_balanced_epoch_evens_out_the_classes() -> None:
    labels = np.repeat([0, 1], [990, 10])
    section = TrainSection(batch_size=100, sampler="balanced", samples_per_epoch=2000)
    drawn = np.concatenate(epoch_batches(labels, section, epoch=0))
    assert len(drawn) == 2000
    assert 0.45 < labels[drawn].mean() < 0.55


@given(size=st.integers(2, 200), count=st.integers(1, 8))
def test_parts_hold_whole_pairs_and_everything_once(size: int, count: int) -> None:
    batch = np.arange(100, 100 + size)
    cut = parts(batch, count)
    assert len(cut) == count
    assert np.array_equal(np.concatenate(cut), batch)
    assert all((part[0] - 100) % 2 == 0 for part in cut if len(part))
    assert max(map(len, cut)) - min(map(len, cut)) <= 3


def test_a_balanced_sampler_needs_classes() -> None:
    recipe = apply_overrides(recipe_named("image/discs"), ("train.sampler=balanced",))
    labels = np.array([[-0.5], [0.2], [1.5]], np.float32)
    examples = Examples(np.zeros((3, 3, 8, 8), np.uint8), labels, ("a", "b", "c"))
    feed = Feed(recipe=recipe, examples=examples, classes=0, processes=Processes(0, 1), device=torch.device("cpu"))
    with refused("train.sampler", "balanced"):
        feed.check()


@pytest.mark.parametrize("sampler", ["shuffle", "balanced"])
def test_no_two_batches_of_an_epoch_are_mixed_by_one_draw(sampler: str) -> None:
    settings = (f"train.sampler={sampler}", "train.batch_size=4", "train.accumulate=2", "augment.mixup=0.8")
    recipe = apply_overrides(recipe_named("image/digits"), settings)
    examples = Examples(np.zeros((40, 8, 8, 1), np.uint8), np.arange(40) % 10, tuple(map(str, range(40))))
    feed = Feed(recipe=recipe, examples=examples, classes=10, processes=Processes(0, 1), device=torch.device("cpu"))
    batches = list(enumerate(epoch_batches(examples.labels, recipe.train, 0)))
    _, keys = feed.own_parts(batches, 0)
    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == len(batches) == 10
    assert feed.own_parts(batches[3:], 0)[1] == keys[6:]  # of a resumed run
    if sampler == "shuffle":
        assert [key for key, _ in keys[::2]] == [min(rows) for _, rows in batches]


@pytest.mark.parametrize(("samples", "size", "accumulate"), [(11, 4, 2), (5, 5, 2), (3, 2, 1)])
def test_a_head_that_normalises_over_the_batch_takes_no_part_of_one_sample(
    samples: int, size: int, accumulate: int
) -> None:
    examples = Examples(np.zeros((samples, 1)), np.arange(samples) % 2, tuple(map(str, range(samples))))
    settings = (f"train.batch_size={size}", f"train.accumulate={accumulate}")

    def check(recipe: Recipe, *further: str) -> None:
        recipe = apply_overrides(recipe, (*settings, *further))
        Feed(recipe=recipe, examples=examples, classes=2, processes=Processes(0, 1), device=torch.device("cpu")).check()

    check(recipe_named("series/folder"))
    check(recipe_named("point/modelnet10", "masked_modeling"))
    for name, *further in (
        ("series/folder", "model.head_hidden=[16]"),
        ("series/folder", "model.head_batch_norm=true"),
        ("series/folder", "model.head_hidden=[16]", "objective=regression"),
        ("point/furniture",),
    ):
        with refused("train.batch_size", 1, 2):
            check(recipe_named(name), *further)


def test_samples_of_an_epoch_are_those_of_a_balanced_draw() -> None:
    recipe = apply_overrides(recipe_named("image/discs"), ("train.samples_per_epoch=20",))
    with refused("train.samples_per_epoch", "20", "balanced"):
        check_alone(recipe, load_data(recipe.data, None, 0))
