"""Folds inside the labels: validation parts that cover the labelled samples, and never the test part."""

import pytest

from crosspath.config import apply_overrides
from crosspath.data.examples import DataSet
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from tests.errors import refused


def digits(*settings: str, seed: int = 0, objective: str = "classification") -> DataSet:
    return load_data(apply_overrides(recipe_named("image/digits", objective), settings).data, None, seed)


def test_folds_cover_the_labels_and_nothing_else() -> None:
    folds = [digits("data.labels_per_class=6", f"data.held_out_fold=[{fold}, 3]") for fold in range(3)]
    labelled = [{*data.train.ids, *data.validation.ids} for data in folds]
    assert len(labelled[0]) == 60
    assert labelled[0] == labelled[1] == labelled[2]
    assert {name for data in folds for name in data.validation.ids} == labelled[0]
    assert sum(len(data.validation) for data in folds) == 60
    assert len({data.test.ids for data in folds}) == 1
    assert not labelled[0] & set(folds[0].test.ids)
    assert len({data.fingerprint for data in folds}) == 3
    assert {*digits("data.labels_per_class=6", "data.held_out_fold=[0, 3]", seed=1).train.ids} != {*folds[0].train.ids}


def test_masked_modelling_reads_all_but_the_held_out_parts_of_the_same_fold() -> None:
    fold = ("data.labels_per_class=6", "data.held_out_fold=[1, 3]")
    labelled, unlabelled = digits(*fold), digits(*fold, "data.unlabelled=true", objective="masked_modeling")
    assert unlabelled.validation.ids == labelled.validation.ids
    assert unlabelled.test.ids == labelled.test.ids
    assert len(unlabelled.train) + 20 + len(labelled.test) == 1797
    assert {*labelled.train.ids} < {*unlabelled.train.ids}
    limit = ("data.labels_per_class=6", "data.unlabelled=true")
    assert len(digits(*limit, objective="masked_modeling").train) == len(digits().train)


def test_a_split_seed_redraws_both_held_out_parts() -> None:
    fixed, first, second = digits(), digits("data.split_seed=0"), digits("data.split_seed=1")
    assert len({fixed.test.ids, first.test.ids, second.test.ids}) == 3
    assert len({fixed.validation.ids, first.validation.ids, second.validation.ids}) == 3


@pytest.mark.parametrize("fold", ["[3, 3]", "[0, 1]"])
def test_a_fold_that_is_none_is_refused(fold: str) -> None:
    with refused("data.held_out_fold"):
        digits(f"data.held_out_fold={fold}")
