"""Few-shot folds: what is drawn, from where, and that it never changes."""

from pathlib import Path

import numpy as np
import pytest

from crosspath.config import apply_overrides
from crosspath.config.data import PointData
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from tests.data.published_points import MODELNET40, write_modelnet40

CLASSES = MODELNET40[18:26]  # with night_stand


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight classes with 45 training and 22 test clouds each."""
    folder = tmp_path_factory.mktemp("few")
    write_modelnet40(folder, CLASSES, train=45, test=22, points=32)
    return folder


def episode(root: Path, way: int | None = 5, shot: int | None = 10, fold: int = 0, **fields: object) -> DataSet:
    values = {"dataset": "modelnet40", "points": 4, "way": way, "shot": shot, "fold": fold, **fields}
    return load_data(PointData.model_validate(values), root, 0)


def numbers(ids: tuple[str, ...]) -> list[int]:
    return [int(name[-8:-4]) for name in ids]


@pytest.mark.parametrize(("way", "shot"), [(5, 10), (5, 20), (8, 10), (8, 20)])
def test_a_fold_has_shot_training_and_twenty_test_clouds_of_each_class(root: Path, way: int, shot: int) -> None:
    data = episode(root, way, shot, classes=way)
    assert len(data.classes) == way
    assert set(data.classes) <= set(CLASSES)
    for part, count in ((data.train, shot), (data.validation, 20), (data.test, 20)):
        assert np.bincount(part.labels).tolist() == [count] * way
        assert all(
            name.startswith(f"{data.classes[label]}/") for name, label in zip(part.ids, part.labels, strict=True)
        )
    assert data.notes == ()


def test_its_parts_are_disjoint_and_test_is_from_the_test_list(root: Path) -> None:
    data = episode(root, shot=20)
    everything = [*data.train.ids, *data.validation.ids, *data.test.ids]
    assert len(set(everything)) == len(everything)
    assert max(numbers(data.train.ids) + numbers(data.validation.ids)) <= 45
    assert min(numbers(data.test.ids)) > 45


def test_a_fold_is_always_the_same_and_folds_differ(root: Path) -> None:
    first, again = episode(root, fold=3), episode(root, fold=3)
    assert (first.train.ids, first.validation.ids, first.test.ids) == (
        again.train.ids,
        again.validation.ids,
        again.test.ids,
    )
    assert first.fingerprint == again.fingerprint
    np.testing.assert_array_equal(first.train.inputs[:], again.train.inputs[:])
    folds = [episode(root, fold=fold) for fold in range(10)]
    assert len({data.train.ids for data in folds}) == 10
    assert len({data.classes for data in folds}) > 5
    assert len({data.fingerprint for data in folds}) == 10
    # Where all classes are drawn, the clouds still differ.
    assert len({episode(root, way=8, fold=fold).train.ids for fold in range(3)}) == 3


def test_neither_the_seed_nor_the_validation_fraction_moves_a_cloud(root: Path) -> None:
    section = PointData(dataset="modelnet40", points=4, way=5, shot=10)
    plain = load_data(section, root, 0)
    for other in (
        load_data(section, root, 7),
        load_data(section.model_copy(update={"validation_fraction": 0.4}), root, 0),
    ):
        assert (other.train.ids, other.validation.ids, other.test.ids) == (
            plain.train.ids,
            plain.validation.ids,
            plain.test.ids,
        )


def test_ten_shots_are_among_the_twenty_of_the_same_fold(root: Path) -> None:
    ten, twenty = episode(root, shot=10, fold=2), episode(root, shot=20, fold=2)
    assert ten.classes == twenty.classes
    assert set(ten.train.ids) < set(twenty.train.ids)
    assert (ten.validation.ids, ten.test.ids) == (twenty.validation.ids, twenty.test.ids)


def test_a_small_class_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    write_modelnet40(tmp_path, CLASSES[:2], train=13, test=4, points=32)
    data = episode(tmp_path, way=2)
    assert np.bincount(data.validation.labels).tolist() == [3, 3]
    assert np.bincount(data.test.labels).tolist() == [4, 4]
    validation, test = data.notes
    assert all(text in validation for text in ("20 validation", f"3 of class {CLASSES[0]}", f"3 of class {CLASSES[1]}"))
    assert all(text in test for text in ("20 test", f"4 of class {CLASSES[0]}", f"4 of class {CLASSES[1]}"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"way": 9}, r"data\.way: expected at most 8, the classes of the data, found 9"),
        ({"shot": 45}, r"data\.shot: expected fewer than the 45 training samples of class \w+, found 45"),
        ({"query": 23}, r"data\.query: expected at most the 22 test samples of class \w+, found 23"),
        ({"classes": 7}, r"data\.classes: expected 7, found 8 in the data"),
    ],
)
def test_what_cannot_be_drawn_is_refused(root: Path, fields: dict[str, int | None], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        episode(root, **fields)  # type: ignore[arg-type]


def test_any_fold_can_be_drawn(root: Path) -> None:
    assert len(episode(root, fold=1234).train) == 50


def test_the_query_part_may_be_smaller_and_trains_on_the_same_clouds(root: Path) -> None:
    usual, small = episode(root), episode(root, query=5)
    assert small.train.ids == usual.train.ids
    for part, whole in ((small.validation, usual.validation), (small.test, usual.test)):
        assert np.bincount(part.labels).tolist() == [5] * 5
        assert set(part.ids) < set(whole.ids)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (("data.shot=null",), "data.shot"),
        (("data.way=null",), "data.way"),
        (("data.way=1",), "data.way"),
        (("data.labels_per_class=5",), "data.labels_per_class"),
        (("data.held_out_fold=[0, 2]",), "data.held_out_fold"),
        (("data.way=null", "data.shot=null", "data.fold=1"), "data.fold"),
        (("data.way=null", "data.shot=null", "data.query=5"), "data.query"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_data_are_read(
    settings: tuple[str, ...], where: str
) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe_named("point/modelnet40-fewshot"), settings)
    assert error.value.where == where
