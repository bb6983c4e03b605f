"""Few-shot episodes of every modality: one rule, whatever the samples are."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.config import apply_overrides
from crosspath.config.data import AudioData, DataSection
from crosspath.data.cache import Store
from crosspath.data.examples import DataSet
from crosspath.data.items import Item, Listing
from crosspath.modalities.load import load_data
from crosspath.modalities.split import listed_store, split_store
from crosspath.modalities.table import MODALITIES
from crosspath.recipes import recipe_named
from crosspath.training import plan
from crosspath.training.folds import folds_of
from tests.errors import refused

CLASSES = tuple("abcdefg")
EACH = 40
"""Samples of a class, 15 of them in the test part."""
SHIPPED = tuple(MODALITIES)


def store(**changes: object) -> Store:
    labels = np.repeat(np.arange(len(CLASSES)), EACH)
    fields = {
        "inputs": np.zeros((len(labels), 1), np.float32),
        "labels": labels,
        "parts": ("train",) * 20 + ("val",) * 5 + ("test",) * 15,
        "ids": tuple(f"{CLASSES[label]}/{row}" for row, label in enumerate(labels)),
        "classes": CLASSES,
        "damaged_files": (),
        "digest": "0",
    }
    fields["parts"] = fields["parts"] * len(CLASSES)  # type: ignore[operator]
    return Store(**{**fields, **changes})  # type: ignore[arg-type]


def section(modality: str, **values: object) -> DataSection:
    return MODALITIES[modality].data_section({"way": 3, "shot": 4, **values})


def ids(data: DataSet) -> list[tuple[str, ...]]:
    return [part.ids for part in (data.train, data.validation, data.test)]


@pytest.mark.parametrize("modality", SHIPPED)
def test_every_modality_draws_the_episodes_of_point_clouds(modality: str) -> None:
    folds = []
    for fold in range(3):
        data = split_store(section(modality, fold=fold, query=6), store(), 0)
        assert ids(data) == ids(split_store(section("point", fold=fold, query=6), store(), 1))
        for part, count in ((data.train, 4), (data.validation, 6), (data.test, 6)):
            assert np.bincount(part.labels).tolist() == [count] * 3
            assert all(data.classes[label] == name[0] for label, name in zip(part.labels, part.ids, strict=True))
        folds.append(data.train.ids)
    assert len(set(folds)) == 3


@pytest.mark.parametrize("modality", SHIPPED)
def test_train_folds_runs_the_ten_draws_of_every_modality(modality: str) -> None:
    recipe = apply_overrides(
        recipe_named(next(iter(MODALITIES[modality].recipes))), ("data.way=3", "data.shot=4", "data.classes=null")
    )
    assert [variant.data.fold for variant in folds_of(recipe).values()] == list(range(10))


def test_a_training_view_that_mixes_streamed_samples_has_the_labels_of_the_episode() -> None:
    whole = store()
    items = tuple(
        Item(id=name, label=int(label), part=part, path=Path(name), stamp="1")
        for name, label, part in zip(whole.ids, whole.labels, whole.parts, strict=True)
    )
    audio = section("audio", stream=True)
    data = split_store(audio, listed_store(audio, Listing(CLASSES, items)), 0)
    assert data.train.inputs.classes == 3  # type: ignore[union-attr]
    assert [item.label for item in data.train.inputs.items] == data.train.labels.tolist()  # type: ignore[union-attr]
    assert ids(data) == ids(split_store(section("point"), whole, 0))


def test_a_class_that_is_too_small_is_refused_in_every_fold() -> None:
    parts = list(store().parts)
    parts[:25] = ["test"] * 22 + ["train"] * 3
    for fold in range(10):
        with refused("data.shot", "the 3 training samples of class a", 4):
            split_store(section("image", fold=fold), store(parts=tuple(parts)), 0)
    parts[:40] = ["train"] * 40
    with refused("data.query", "class a"):
        split_store(section("image"), store(parts=tuple(parts)), 0)
    with refused("data.query", "15 test samples of class a", 16, 7):
        split_store(section("image", query=16), store(), 0)


def test_samples_with_several_labels_are_refused() -> None:
    labels = np.zeros((len(store().ids), len(CLASSES)), np.uint8)
    with refused("data.way", "several"):
        split_store(AudioData(way=3, shot=4, multi_label=True), store(labels=labels), 0)


def test_the_number_of_classes_may_be_that_of_the_set_or_of_the_episode() -> None:
    recipe = recipe_named("image/digits")
    assert recipe.data.classes == 10
    data = load_data(apply_overrides(recipe, ("data.way=3", "data.shot=4")).data, None, 0)
    assert (len(data.classes), len(data.train), len(data.test)) == (3, 12, 60)
    planned = plan(apply_overrides(recipe, ("data.way=3", "data.shot=4")))
    assert (planned["classes"], planned["train_samples"]) == (3, 12)
    with refused("data.classes", 7, 10):
        load_data(apply_overrides(recipe, ("data.way=3", "data.shot=4", "data.classes=7")).data, None, 0)
