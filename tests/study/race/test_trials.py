"""The runs of a race, which share one list of settings."""

import pytest

from crosspath.study.race.trials import pretraining_trial


@pytest.mark.parametrize(
    ("target", "setting"),
    [
        ("point/solids", "evaluate.votes=10"),
        ("image/digits", "model.head_dropout=0.3"),
        ("image/digits", "train.seed=3"),
    ],
)
def test_masked_modelling_takes_settings_that_are_meant_for_the_classifier(target: str, setting: str) -> None:
    trial = pretraining_trial(target, stage="race-1", way="masked", seed=0, settings=(setting, "train.epochs=3"))
    recipe = trial.pretraining
    assert (recipe.objective, recipe.train.epochs, recipe.train.seed) == ("masked_modeling", 3, 0)
