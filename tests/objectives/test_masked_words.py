"""Masked tokens of texts: what is hidden and shown, and the loss against cross entropies by hand."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from crosspath.config import Recipe, apply_overrides
from crosspath.data.vocabulary import PADDING, START
from crosspath.models import MaskedTokens
from crosspath.models.build import build_masked_tokens
from crosspath.objectives.masked_tokens import (
    TokenPredictions,
    hidden_places,
    predict_hidden,
    prediction_accuracies,
    prediction_losses,
)
from crosspath.recipes import recipe_named

LENGTH = 24
LENGTHS = (24, 11, 3, 2, 1)
SMALL = ("model.width=16", "model.depth=1", "model.heads=2", f"data.length={LENGTH}")


@cache
def recipe(*settings: str) -> Recipe:
    return apply_overrides(recipe_named("text/sentences", "masked_modeling"), (*SMALL, *settings))


@cache
def model() -> MaskedTokens:
    torch.manual_seed(0)
    return build_masked_tokens(recipe()).eval()


def batch() -> Tensor:
    ids = torch.randint(97, 123, (len(LENGTHS), LENGTH), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = START
    return ids.masked_fill(torch.arange(LENGTH) >= torch.tensor(LENGTHS)[:, None], PADDING)


def found(ids: Tensor, rows: Tensor | None = None, *settings: str, seed: int = 0) -> TokenPredictions:
    with torch.no_grad():
        return predict_hidden(
            model(), recipe(*settings), ids, seed, 0, torch.arange(len(ids)) if rows is None else rows
        )


def hidden_of(result: TokenPredictions, sample: int) -> list[int]:
    places = result.masked_BM[sample][result.counted_BM[sample]]
    return [int(place) for place in places]


def test_a_share_of_each_texts_own_tokens_is_hidden_and_padding_and_the_start_never() -> None:
    result = found(batch())
    for sample, length in enumerate(LENGTHS):
        places = hidden_of(result, sample)
        assert len(places) == min(max(1, int(0.15 * (length - 1))), length - 1)
        assert all(0 < place < length for place in places)
        assert places == sorted(set(places))
    assert hidden_of(found(batch(), None, "masking.ratio=0.9"), 1) != []


def test_losses_are_cross_entropies_of_what_is_hidden() -> None:
    ids, result = batch(), found(batch(), None, "masking.ratio=0.5")
    losses, accuracies = prediction_losses(result), prediction_accuracies(result)
    for sample in range(len(LENGTHS)):
        places = hidden_of(result, sample)
        if not places:
            assert losses[sample] == accuracies[sample] == 0
            continue
        logits = result.logits_BMV[sample, : len(places)].double()
        truth = torch.tensor([int(ids[sample, place]) for place in places])
        assert losses[sample].item() == pytest.approx(cross_entropy(logits, truth).item(), rel=1e-5)
        assert accuracies[sample].item() == pytest.approx((logits.argmax(1) == truth).double().mean().item())


def test_a_text_is_masked_and_predicted_alike_alone_and_in_a_longer_batch() -> None:
    ids, whole = batch(), found(batch(), None, "masking.ratio=0.5")
    for sample, length in enumerate(LENGTHS[:-1]):
        alone = found(ids[sample : sample + 1, : max(length, 8)], torch.tensor([sample]), "masking.ratio=0.5")
        places = hidden_of(whole, sample)
        assert hidden_of(alone, 0) == places
        torch.testing.assert_close(
            alone.logits_BMV[0, : len(places)], whole.logits_BMV[sample, : len(places)], rtol=0, atol=1e-6
        )


def test_of_the_hidden_tokens_most_show_the_mask_some_another_token_and_some_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    ids = torch.full((400, LENGTH), 97)

    def forward(shown: Tensor, masked: Tensor, covered: Tensor) -> Tensor:
        seen.append((shown, masked, covered))
        return torch.zeros(*masked.shape, 257)

    result: Any = predict_hidden(forward, recipe("masking.ratio=0.5"), ids, 0, 0, torch.arange(400))  # type: ignore[arg-type]
    [(shown, masked, covered)] = seen
    hidden = torch.zeros_like(covered).scatter(1, masked, True)
    assert not (covered & ~hidden).any()
    assert torch.equal(shown[~hidden], ids[~hidden])
    assert (result.targets_BM == 97).all()
    count = hidden.sum().item()
    deviation = (0.8 * 0.2 / count) ** 0.5
    assert abs(covered.sum().item() / count - 0.8) < 4 * deviation
    swapped = (shown != ids).sum().item() / count
    assert abs(swapped - 0.1 * 256 / 257) < 4 * (0.1 * 0.9 / count) ** 0.5
    others = shown[shown != ids]
    assert others.min() >= 0
    assert others.max() == 256


def test_places_of_few_hidden_tokens_are_filled_up_and_do_not_count() -> None:
    noise = torch.tensor([[0.5, 0.1, 0.3, 0.2], [0.5, 0.1, 0.3, 0.2]])
    maskable = torch.tensor([[True, True, True, True], [True, False, True, False]])
    places, counted = hidden_places(noise, maskable, torch.tensor([3, 1]), 3)
    assert places.tolist() == [[1, 2, 3], [2, 3, 3]]
    assert counted.tolist() == [[True] * 3, [True, False, False]]
