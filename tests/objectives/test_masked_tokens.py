"""Which closers are hidden, and losses and accuracies against loops in float64."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from crosspath.config.data import TextData
from crosspath.data.generated.brackets import bracket_sequences
from crosspath.objectives.masked_tokens import (
    TokenPredictions,
    hidden_count,
    hidden_places,
    predict_hidden,
    prediction_accuracies,
    prediction_losses,
)
from tests.errors import refused
from tests.models.test_masked_tokens import built, dyck_recipe

KINDS, LENGTH = 5, 16


def sequences(count: int, seed: int = 0) -> Tensor:
    return bracket_sequences(TextData(kinds=KINDS, length=LENGTH), seed, 0, torch.arange(count), "test")


def found_of(count: int = 12) -> tuple[Tensor, TokenPredictions]:
    batch = sequences(count)
    with torch.no_grad():
        return batch, predict_hidden(built(), dyck_recipe(), batch, 0, 0, torch.arange(count))


def perfect(batch_BL: Tensor, masked_BM: Tensor) -> Tensor:
    """Logits from a stack over what is not hidden: the kind of the innermost bracket that is open."""
    hidden = torch.zeros_like(batch_BL, dtype=torch.bool).scatter(1, masked_BM, True)
    answers = torch.full((*masked_BM.shape, 2 * KINDS), -20.0)
    for sample, tokens in enumerate(batch_BL.tolist()):
        stack: list[int] = []
        named = {}
        for place, token in enumerate(tokens):
            if hidden[sample, place]:
                named[place] = KINDS + stack.pop()
            elif token < KINDS:
                stack.append(token)
            else:
                stack.pop()
        for number, place in enumerate(masked_BM[sample].tolist()):
            answers[sample, number, named[place]] = 20.0
    return answers


def test_half_of_the_closers_are_hidden_and_nothing_else() -> None:
    batch, found = found_of(200)
    assert found.masked_BM.shape == (200, 4)
    assert (found.targets_BM >= KINDS).all()
    assert torch.equal(found.targets_BM, batch.gather(1, found.masked_BM))
    assert (found.masked_BM.diff(dim=1) > 0).all(), "each once, ascending"
    assert ((batch >= KINDS).sum(dim=1) == 8).all()


def test_every_closer_is_as_likely_to_be_hidden() -> None:
    batch = sequences(1)
    recipe, model = dyck_recipe(), built()
    closers = (batch[0] >= KINDS).nonzero()[:, 0].tolist()
    times = torch.zeros(LENGTH)
    with torch.no_grad():
        found = predict_hidden(model, recipe, batch.expand(2000, -1), 3, 1, torch.arange(2000))
    times.scatter_add_(0, found.masked_BM.flatten(), torch.ones(found.masked_BM.numel()))
    assert times.nonzero()[:, 0].tolist() == closers
    # Half of 2,000 draws, four deviations of sqrt(2000) / 2 aside.
    assert (times[closers] - 1000).abs().max() < 4 * math.sqrt(2000) / 2


def test_masks_follow_from_seed_epoch_and_sample() -> None:
    batch, ids = sequences(12), torch.arange(12)
    recipe, model = dyck_recipe(), built()

    def places(seed: int, epoch: int, chosen: Tensor) -> Tensor:
        with torch.no_grad():
            return predict_hidden(model, recipe, batch[chosen], seed, epoch, chosen).masked_BM

    whole = places(0, 0, ids)
    assert torch.equal(places(0, 0, ids[[7, 2]]), whole[[7, 2]])
    assert not torch.equal(places(0, 1, ids), whole)
    assert not torch.equal(places(1, 0, ids), whole)


def test_closers_of_the_smallest_noise_are_hidden() -> None:
    ids = torch.tensor([[0, 1, 6, 5, 2, 7]])
    noise = torch.tensor([[0.0, 0.1, 0.9, 0.3, 0.2, 0.5]])
    places, counted = hidden_places(noise, ids >= KINDS, torch.tensor([2]), 2)
    assert places.tolist() == [[3, 5]]
    assert counted.all()


def test_how_many_are_hidden_is_the_ratio_rounded_down_and_never_none() -> None:
    assert hidden_count(dyck_recipe("data.length=64")) == 16
    assert hidden_count(dyck_recipe("data.length=14")) == 3
    with refused("masking.ratio", "found none", "1"):
        hidden_count(dyck_recipe("data.length=2"))


def test_losses_are_cross_entropies_of_the_hidden_tokens() -> None:
    batch, found = found_of()
    losses = prediction_losses(found)
    assert losses.shape == (12,)
    for sample in range(12):
        rows = found.logits_BMV[sample].double()
        targets = torch.tensor([int(batch[sample, place]) for place in found.masked_BM[sample]])
        assert losses[sample].item() == pytest.approx(cross_entropy(rows, targets).item(), rel=1e-5)


def test_losses_of_half_precision_are_computed_in_float32() -> None:
    _, found = found_of()
    rough = found._replace(logits_BMV=found.logits_BMV.bfloat16())
    exact = found._replace(logits_BMV=found.logits_BMV.bfloat16().float())
    assert prediction_losses(rough).dtype == torch.float32
    assert torch.equal(prediction_losses(rough), prediction_losses(exact))


def test_who_follows_the_nesting_is_always_right() -> None:
    _, found = found_of(200)
    right = found._replace(logits_BMV=perfect(sequences(200), found.masked_BM))
    assert torch.equal(prediction_accuracies(right), torch.ones(200))
    assert prediction_losses(right).max() < 1e-6
    one_wrong = right.logits_BMV.clone()
    one_wrong[0, 2] = one_wrong[0, 2].roll(1)
    assert prediction_accuracies(right._replace(logits_BMV=one_wrong))[:2].tolist() == [0.75, 1.0]
