"""Masked modelling of brackets as a run: what it leaves behind, that it goes on to the same bits, and that a target
takes it as an auxiliary."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crosspath.config import apply_overrides, read_recipe
from crosspath.data.generated import sets as generated
from crosspath.evaluation import evaluate
from crosspath.files import read_tensors
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from crosspath.training import pretrain, train
from crosspath.training.feed import Feed
from crosspath.training.processes import Processes
from crosspath.training.same_run import check_recipe
from tests.errors import refused
from tests.models.test_masked_tokens import dyck_recipe
from tests.training.test_resume import CutAfter, CutError
from tests.training.test_run import lines


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "BRACKETS_HELD_OUT", 12)


def test_a_run_leaves_an_auxiliary_that_pairs_completely_with_a_target(tmp_path: Path) -> None:
    # Eight steps.
    grown = pretrain(dyck_recipe(), out=tmp_path / "dyck", progress=False)
    assert grown.steps == 8
    assert grown.classes == ()
    assert grown.cost["tokens"] == 16
    assert set(grown.metrics["validation"]) == set(grown.metrics["test"]) == {"loss", "accuracy"}
    assert evaluate(tmp_path / "dyck", split="test")["metrics"] == pytest.approx(grown.metrics["test"])
    assert (tmp_path / "dyck" / "reconstructions" / "sequences.html").is_file()
    assert read_recipe(tmp_path / "dyck" / "recipe.yaml") == dyck_recipe()

    few = ("data.labels_per_class=2", "train.epochs=1", "schedule.warmup_epochs=0.5", "pathway.scale_init=0.5")
    recipe = apply_overrides(recipe_named("image/digits"), few)
    found = train(recipe, out=tmp_path / "digits", auxiliaries={"dyck": tmp_path / "dyck"}, progress=False)
    assert len(found.scales) == 6 * 4
    assert all(set(named) == {"dyck"} for named in found.scales.values())
    assert found.auxiliaries["dyck"]["recipe"] == "procedural/dyck"


def test_the_frozen_table_never_moves_and_the_encoder_does(tmp_path: Path) -> None:
    pretrain(dyck_recipe("train.epochs=1"), out=tmp_path / "one", progress=False)
    pretrain(dyck_recipe("train.epochs=3"), out=tmp_path / "three", progress=False)
    one, three = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("one", "three"))
    kept = {name for name, value in one.items() if torch.equal(value, three[name])}
    assert kept == {"tokenizer.embedding.weight", "mask_token"}


@pytest.mark.parametrize("extra", [(), ("model.tokenizer.embedding=learned", "model.positions=learned")])
def test_cut_off_it_ends_bit_identical(extra: tuple[str, ...], tmp_path: Path) -> None:
    recipe = dyck_recipe("train.checkpoint_steps=3", "train.log_every=1", "model.drop_path=0.3", *extra)
    whole = pretrain(recipe, out=tmp_path / "whole", progress=False)
    with pytest.raises(CutError):
        pretrain(recipe, out=tmp_path / "cut", progress=CutAfter(6))
    torch.manual_seed(99)
    result = pretrain(recipe, out=tmp_path / "cut", progress=False, resume=True)
    assert result.resumed_at == (4,)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    assert result.metrics == whole.metrics
    losses = [[line.get("loss") for line in lines(tmp_path / name)] for name in ("whole", "cut")]
    assert losses[0] == losses[1]


def same_weights(one: Path, other: Path) -> bool:
    first, second = (read_tensors(folder / "model.safetensors")[0] for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_every_epoch_sees_new_sequences_unless_told_otherwise() -> None:
    for redraw in (True, False):
        recipe = dyck_recipe(f"augment.redraw={str(redraw).lower()}")
        data = load_data(recipe.data, None, seed=0)
        feed = Feed(
            recipe=recipe, examples=data.train, classes=0, processes=Processes(0, 1), device=torch.device("cpu")
        )
        seen = [{tuple(row) for (part,) in feed.epoch(epoch) for row in part.inputs.tolist()} for epoch in (0, 1)]
        stored = {tuple(row) for row in data.train.inputs[np.arange(48)].tolist()}
        assert [len(rows) for rows in seen] == [48, 48]
        assert (seen[0] == seen[1] == stored) == (not redraw)
        assert bool(seen[0] & seen[1]) == (not redraw)


def test_the_number_of_sequences_is_that_of_the_run(tmp_path: Path) -> None:
    before, now = dyck_recipe(), dyck_recipe("data.train_samples=77")
    with refused("recipe.yaml", "data.train_samples", 77):
        check_recipe(tmp_path, before, now, tmp_path / "recipe.yaml")


@pytest.mark.slow
def test_it_learns_the_nesting(tmp_path: Path) -> None:
    """Four kinds, eight tokens: who only knows which kinds there are reads 25 %, who knows the neighbours far less
    than 90 %."""
    recipe = dyck_recipe(
        *("data.kinds=4", "data.length=8", "data.train_samples=4000", "train.batch_size=64", "train.epochs=15")
    )
    found = pretrain(recipe, out=tmp_path / "run", progress=False)
    assert found.metrics["validation"]["accuracy"] > 0.9
