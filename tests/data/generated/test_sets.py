"""Data sets without files: always the same, of the promised sizes, and read like any other set."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from crosspath.config import Recipe, apply_overrides
from crosspath.data.generated import sets
from crosspath.modalities import MODALITIES
from crosspath.modalities.load import load_data
from crosspath.recipes import recipe_named
from tests.errors import refused

NAMES = ("image/digits", "audio/sounds", "point/solids")


@pytest.fixture(params=NAMES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return recipe_named(request.param)


def test_the_parts_are_disjoint_stratified_and_of_the_published_size(recipe: Recipe) -> None:
    data = load_data(recipe.data, None, seed=0)
    parts = (data.train, data.validation, data.test)
    ids = [name for part in parts for name in part.ids]
    assert len(set(ids)) == len(ids)
    assert len(data.train) == recipe.data.train_samples
    assert len(data.classes) == recipe.data.classes
    assert data.train.inputs.shape[1:] == MODALITIES[recipe.modality].sample_shape(recipe.data)
    for part in parts:
        counts = np.bincount(part.labels, minlength=10)
        assert counts.max() - counts.min() <= 0.1 * counts.mean()


def test_samples_of_one_label_each_have_no_several(recipe: Recipe) -> None:
    with refused("data.multi_label", "true"):
        load_data(apply_overrides(recipe, ["data.multi_label=true"]).data, None, seed=0)


def test_every_reading_gives_the_same_and_the_seed_only_chooses_labels(recipe: Recipe, tmp_path: Path) -> None:
    first, other = load_data(recipe.data, None, seed=0), load_data(recipe.data, tmp_path / "absent", seed=1)
    assert first.fingerprint == other.fingerprint
    assert first.train.ids == other.train.ids
    assert np.array_equal(first.test.inputs[np.arange(5)], other.test.inputs[np.arange(5)])
    few = apply_overrides(recipe, ["data.labels_per_class=3"]).data
    drawn = [load_data(few, None, seed=seed) for seed in (0, 1)]
    assert [len(data.train) for data in drawn] == [30, 30]
    assert drawn[0].train.ids != drawn[1].train.ids
    assert drawn[0].fingerprint == drawn[1].fingerprint == first.fingerprint


@pytest.mark.parametrize("file", [sets.DIGITS_FILE, ("elsewhere",)])
def test_digits_are_scikit_learns(file: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "DIGITS_FILE", file)
    data = load_data(recipe_named("image/digits").data, None, seed=0)
    source = load_digits()
    assert sum(len(part) for part in (data.train, data.validation, data.test)) == 1797
    for place in (0, 17, 300):
        number = int(data.train.ids[place].removeprefix("digits-"))
        image = data.train.inputs[np.array([place])][0]
        assert data.train.labels[place] == source.target[number]
        for channel in image:
            assert np.abs(channel / 255 - source.images[number] / 16).max() < 0.5 / 255 + 1e-9


def test_digits_are_resized_on_request() -> None:
    section = apply_overrides(recipe_named("image/digits"), ["data.image_size=16"]).data
    large, small = (load_data(data, None, seed=0) for data in (section, recipe_named("image/digits").data))
    assert large.test.inputs.shape[1:] == (3, 16, 16)
    means = large.test.inputs[np.arange(40)].mean((1, 2, 3)) - small.test.inputs[np.arange(40)].mean((1, 2, 3))
    assert np.abs(means).max() < 3


def test_sounds_have_one_sample_rate() -> None:
    section = apply_overrides(recipe_named("audio/sounds"), ["data.sample_rate_hz=8000"]).data
    with refused("data.sample_rate_hz", "16000"):
        load_data(section, None, seed=0)


def test_settings_of_files_are_named_as_not_read() -> None:
    """Samples that a rule generates have no table, no stream and no format."""
    for name, override in (
        ("image/digits", "data.label_column=species"),
        ("audio/sounds", "data.spectrogram=whisper"),
        ("point/solids", "data.stream=true"),
        ("image/digits", "data.csv=labels.csv"),
        ("series/machines", "data.rate_hz=50"),
        ("series/machines", "data.channel_names=[a, b, c]"),
        ("series/machines", "data.lengths=pad"),
        ("point/furniture", "data.normalise=false"),
        ("point/solids", "data.stored_points=2000"),
        ("image/scenes", "data.ignored_values=[3]"),
    ):
        data = load_data(apply_overrides(recipe_named(name), [override]).data, None, seed=0)
        (note,) = data.notes
        assert note.startswith(f"{override.partition('=')[0]} is not read")
    assert not load_data(recipe_named("image/digits").data, None, seed=0).notes


def test_a_folder_beside_generated_samples_is_named_as_not_read(tmp_path: Path) -> None:
    (note,) = load_data(recipe_named("image/digits").data, tmp_path, seed=0).notes
    assert note.startswith("--data is not read")


def test_machines_are_scaled_as_files_are() -> None:
    recipe = recipe_named("series/machines")
    signals = [load_data(recipe.data.model_copy(update={"scaling": how}), None, 0) for how in ("series", "none")]
    scaled_NCT, plain_NCT = (data.test.inputs[np.arange(5)] for data in signals)
    assert scaled_NCT.dtype == plain_NCT.dtype
    assert np.abs(scaled_NCT.mean(axis=2)).max() < 1e-6
    assert np.allclose(scaled_NCT.std(axis=2), 1.0)
    assert not np.allclose(plain_NCT.std(axis=2), 1.0)
