"""Bracket sequences: well nested by a stack of their own, drawn by the stated law, a function of their counters."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspath.config import apply_overrides
from crosspath.config.augment import TextAugment
from crosspath.config.data import TextData
from crosspath.data.generated.brackets import bracket_sequences, partners
from crosspath.modalities.batches import augment_inputs, prepare
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named

FOUR_DEVIATIONS = 4.0


def depths(tokens: Sequence[int], kinds: int) -> list[int]:
    """How many brackets are open before each token, by a stack; fails where the nesting is broken."""
    stack: list[int] = []
    actual = []
    for token in tokens:
        actual.append(len(stack))
        if token < kinds:
            stack.append(token)
        else:
            assert stack, "closed before it was opened"
            assert stack.pop() == token - kinds, "another kind is open"
    assert not stack, "left open at the end"
    return actual


def drawn(section: TextData, count: int, seed: int = 0, epoch: int = 0) -> list[list[int]]:
    actual: list[list[int]] = bracket_sequences(section, seed, epoch, torch.arange(count), "test").tolist()
    return actual


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**62),
    epoch=st.integers(0, 1000),
    half=st.integers(1, 20),
    kinds=st.integers(1, 70),
    opens=st.floats(0.01, 0.99),
    deepest=st.none() | st.integers(1, 25),
)
def test_every_sequence_is_well_nested(
    seed: int, epoch: int, half: int, kinds: int, opens: float, deepest: int | None
) -> None:
    section = TextData(length=2 * half, kinds=kinds, open_probability=opens, max_depth=deepest)
    for tokens in drawn(section, 8, seed, epoch):
        assert len(tokens) == 2 * half
        assert all(0 <= token < 2 * kinds for token in tokens)
        assert max(depths(tokens, kinds)) <= min(half, deepest or half)


@pytest.mark.parametrize(("opens", "deepest"), [(0.5, None), (0.3, 4)])
def test_an_opening_is_as_likely_as_the_law_says(opens: float, deepest: int | None) -> None:
    section = TextData(length=32, kinds=3, open_probability=opens, max_depth=deepest)
    free = opened = 0
    for tokens in drawn(section, 2000):
        for place, (token, depth) in enumerate(zip(tokens, depths(tokens, 3), strict=True)):
            limit = min(deepest or 16, 32 - place)
            if depth == 0:
                assert token < 3
            elif depth == limit:
                assert token >= 3
            else:
                free += 1
                opened += token < 3
    assert free > 10_000
    assert abs(opened / free - opens) < FOUR_DEVIATIONS * (opens * (1 - opens) / free) ** 0.5


def test_kinds_are_even() -> None:
    section = TextData()
    actual = np.array(drawn(section, 4000))
    counts = np.bincount(actual[actual < 64], minlength=64)
    assert counts.sum() == 4000 * 32
    mean = counts.sum() / 64
    # The sum of squared normal deviations of 64 counts: 63 on average, with a deviation of sqrt(2 * 63) = 11.
    assert abs(((counts - mean) ** 2 / mean).sum() - 63) < FOUR_DEVIATIONS * 11.3


def test_a_sequence_follows_from_its_counters_alone() -> None:
    section = TextData(length=16, kinds=4)
    ids = torch.arange(40)
    whole = bracket_sequences(section, 1, 2, ids, "test")
    assert torch.equal(bracket_sequences(section, 1, 2, ids[[30, 2, 7]], "test"), whole[[30, 2, 7]])
    assert len({tuple(row) for row in whole.tolist()}) == 40
    for other in (
        bracket_sequences(section, 2, 2, ids, "test"),
        bracket_sequences(section, 1, 3, ids, "test"),
        bracket_sequences(section, 1, 2, ids, "other"),
    ):
        assert (other != whole).any(dim=1).all()


def test_partners_are_those_of_a_stack() -> None:
    #          0(  1(  )1  0(  )0  )0
    assert partners([0, 1, 3, 0, 2, 2], 2) == [5, 2, 1, 4, 3, 0]


def test_the_set_has_its_sizes_and_held_out_parts_that_the_training_size_never_moves() -> None:
    section = recipe_named("procedural/dyck", "masked_modeling").data
    data = load_data(section, None, seed=0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20000, 1000, 1000]
    assert data.train.inputs.shape == (20000, 64)
    few = load_data(section.model_copy(update={"train_samples": 100}), None, seed=1)
    assert len(few.train) == 100
    rows = np.arange(100)
    assert np.array_equal(few.train.inputs[rows], data.train.inputs[rows])
    assert np.array_equal(few.validation.inputs[rows], data.validation.inputs[rows])
    assert np.array_equal(few.test.inputs[rows], data.test.inputs[rows])
    results = {
        tuple(row)
        for part in (data.train, data.validation, data.test)
        for row in part.inputs[np.arange(len(part))].tolist()
    }
    assert len(results) == 22000
    assert load_data(section, None, seed=7).fingerprint == data.fingerprint


def test_prepared_tokens_stay_whole_numbers() -> None:
    section = TextData(length=16, kinds=200)
    inputs = np.array(drawn(section, 3))
    batch = prepare(section, inputs, torch.device("cpu"))
    assert batch.dtype == torch.int64
    assert batch.tolist() == inputs.tolist()


def test_redrawing_gives_new_well_nested_sequences_in_every_epoch_and_the_same_ones_again() -> None:
    recipe = apply_overrides(recipe_named("procedural/dyck", "masked_modeling"), ("data.length=16", "data.kinds=5"))
    section = recipe.data
    assert isinstance(section, TextData)
    batch, ids = torch.tensor(drawn(section, 6)), torch.arange(6)
    first, again, later = (augment_inputs(recipe.augment, section, batch, 0, epoch, ids) for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    for one, other in ((first, batch), (first, later)):
        assert (one != other).any(dim=1).all()
    for row in (*first.tolist(), *later.tolist()):
        depths(row, 5)
    assert torch.equal(augment_inputs(TextAugment(), section, batch, 0, 0, ids), batch)
