"""Reading bracket sequences: the same question at every reading; and the page that shows the answers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crosspath.checkpoints import save_checkpoint
from crosspath.config import Recipe
from crosspath.data.examples import Examples
from crosspath.data.generated import sets as generated
from crosspath.evaluation import evaluate
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.held_out import held_out_metrics, held_out_outputs
from crosspath.modalities.load import load_data
from crosspath.objectives import masked_tokens
from crosspath.objectives.masked_tokens import MASKED_TOKENS, predict_hidden, prediction_accuracies, prediction_losses
from crosspath.objectives.objective import MASK_SEED
from tests.models.test_masked_tokens import built, dyck_recipe
from tests.objectives.test_masked_tokens import KINDS, perfect, sequences

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


class Perfect(nn.Module):
    """Follows the nesting; of the sequences whose first bracket is of kind 0 it gets the first hidden place wrong."""

    def __init__(self, faulty: bool = False) -> None:
        super().__init__()
        self.faulty = faulty

    def forward(self, ids_BN: Tensor, masked_BM: Tensor, covered_BN: Tensor) -> Tensor:
        answers = perfect(ids_BN, masked_BM)
        if self.faulty:
            answers[ids_BN[:, 0] == 0, 0] = answers[ids_BN[:, 0] == 0, 0].roll(1, dims=-1)
        return answers


def examples_of(count: int) -> Examples:
    ids = tuple(f"brackets-{number}" for number in range(count))
    return Examples(sequences(count).numpy(), np.zeros(count, np.int64), ids)


def metrics_of(model: nn.Module, recipe: Recipe, examples: Examples) -> dict[str, float]:
    return held_out_metrics(held_out_outputs(model, recipe, examples, CPU), recipe, examples)


def test_the_metrics_are_means_over_samples_in_evaluation_mode() -> None:
    recipe = dyck_recipe("evaluate.batch_size=4", "model.drop_path=0.5")
    model, examples = built("model.drop_path=0.5").train(), examples_of(10)
    found = metrics_of(model, recipe, examples)
    assert model.training
    with torch.no_grad():
        named = predict_hidden(model.eval(), recipe, sequences(10), MASK_SEED, 0, torch.arange(10))
    assert found == {
        "loss": pytest.approx(prediction_losses(named).mean().item(), rel=1e-5),
        "accuracy": pytest.approx(prediction_accuracies(named).mean().item()),
    }


def test_who_follows_the_nesting_reads_one() -> None:
    found = metrics_of(Perfect(), dyck_recipe(), examples_of(50))
    assert found["accuracy"] == 1.0
    assert found["loss"] < 1e-6


def test_a_sample_is_asked_the_same_in_any_batch_with_any_seed_and_by_any_process() -> None:
    model, examples = built(), examples_of(7)
    whole = held_out_outputs(model, dyck_recipe(), examples, CPU)
    pairs = held_out_outputs(model, dyck_recipe("evaluate.batch_size=2", "train.seed=5"), examples, CPU)
    torch.testing.assert_close(pairs, whole, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        held_out_outputs(model, dyck_recipe(), examples, CPU, [5, 1]), whole[[5, 1]], rtol=1e-5, atol=1e-6
    )


def test_evaluate_reads_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "BRACKETS_HELD_OUT", 20)
    recipe = dyck_recipe("train.precision=float32")
    save_checkpoint(built(), tmp_path / "run", recipe=recipe, classes=())
    found = evaluate(tmp_path / "run", split="validation")
    validation = load_data(recipe.data, None, seed=0).validation
    assert found["metrics"] == metrics_of(built(), recipe, validation)
    assert found["samples"] == 20


def test_the_page_shows_every_token_and_colours_the_hidden_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = examples_of(30)
    monkeypatch.setattr(masked_tokens, "MOST_SEQUENCES", 30)
    assert MASKED_TOKENS.show is not None
    path = MASKED_TOKENS.show(
        Perfect(faulty=True), dyck_recipe(), examples, tmp_path / "shown", CPU.device, CPU.autocast
    )
    page = path.read_text(encoding="utf-8")
    shown = re.findall(r"<h3>(\S+): (\d) of 4 right</h3><p class=s>(.*?)</p>", page)
    assert [name for name, _, _ in shown] == list(examples.ids)
    hidden = predict_hidden(Perfect(), dyck_recipe(), sequences(30), MASK_SEED, 0, torch.arange(30)).masked_BM
    assert {tokens[0] == 0 for tokens in sequences(30).tolist()} == {True, False}
    for (_, right, cells), tokens, places in zip(shown, sequences(30).tolist(), hidden.tolist(), strict=True):
        faulty = tokens[0] == 0
        assert int(right) == 4 - faulty
        found = re.findall(r"<span(?: class=(\w+))?>(.*?)</span>", cells)
        assert len(found) == 16
        for place, (colour, word) in enumerate(found):
            said = f"{tokens[place]}(" if tokens[place] < KINDS else f"){tokens[place] - KINDS}"
            wrong = faulty and place == places[0]
            assert colour == ("" if place not in places else "wrong" if wrong else "right")
            if wrong:
                opener = int(word.rpartition(" of ")[2].rstrip(")"))
                assert tokens[opener] == tokens[place] - KINDS
                assert f"({said} of" in word
                assert not word.startswith(said)
            else:
                assert word == said
