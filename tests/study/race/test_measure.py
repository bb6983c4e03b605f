"""What is measured before a race: short runs, however large the set, and what follows from them."""

import json
from pathlib import Path

import pytest

import crosspath
from crosspath.config import apply_overrides
from crosspath.study.race.measure import Measurement, kind_of, shorten
from crosspath.study.race.trials import pretraining_trial
from crosspath.study.race.ways import ways_of
from crosspath.training.result import read_result

RECIPE = apply_overrides(crosspath.recipe_named("image/cifar10"), ("train.batch_size=50",))


@pytest.mark.parametrize(
    ("samples", "classes", "epochs", "labels"),
    [(100, 10, 5, None), (400, 10, 2, None), (45_000, 10, 2, 40), (45_000, 1, 2, 400), (45_000, 0, 2, None)],
)
def test_a_run_that_is_measured_is_short(samples: int, classes: int, epochs: int, labels: int | None) -> None:
    found, settings = shorten(RECIPE, samples, classes)
    assert found == epochs
    assert settings == (() if labels is None else ("data.unlabelled=false", f"data.labels_per_class={labels}"))


def test_the_cost_of_an_epoch_is_that_of_all_samples(tmp_path: Path) -> None:
    settings = ("data.unlabelled=false", "data.labels_per_class=2", "train.epochs=2", "train.loggers=[]")
    recipe = apply_overrides(crosspath.recipe_named("image/digits", "masked_modeling"), settings)
    crosspath.pretrain(recipe, out=tmp_path / "run", progress=False)
    result = read_result(tmp_path / "run")
    assert result.samples["train"] == 20
    log = tmp_path / "run" / "log.jsonl"
    log.write_text("\n".join(json.dumps({"samples_per_s": rate}) for rate in (1.0, 200.0)))
    trial = pretraining_trial("image/digits", stage="measure", way="none", seed=0, settings=settings)
    cost = Measurement(trial, 1000).cost(tmp_path / "run")
    assert (cost.fixed, cost.epoch) == (pytest.approx(result.duration_s - 2 * 20 / 200), 5.0)


def test_a_copy_costs_what_the_plain_model_does_and_a_pretrained_one_is_measured() -> None:
    kinds = {way.name: kind_of(way) for way in ways_of(["sounds"], target=None, pretrained=Path("model"))}
    assert kinds["none"] == kinds["mimetic"] == kinds["masked-modelling"] == kinds["copy-sounds"] == "none"
    assert kinds["paper-sounds"] == kinds["frozen-anchor-sounds"] == "pathway from sounds"
    assert kinds["pretrained"] == "pretrained"
    assert kinds["frozen-body"] == "frozen-body", "it trains a fraction of the weights"
