"""Generated data: types, sameness, labels that mean what they say, and that they can be learnt."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crosspath.data.generated.solids import sample_mesh, sample_revolution
from crosspath.data.generated.synthetic import synthetic_solids, synthetic_sounds

Made = tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]
Maker = Callable[[int, int], Made]

KINDS: dict[str, tuple[Maker, tuple[int, ...], type, int]] = {
    "sounds": (lambda count, seed: synthetic_sounds(count, 64, 32, seed), (64, 32), np.float32, 10),
    "solids": (lambda count, seed: synthetic_solids(count, 256, seed), (256, 3), np.float32, 10),
}


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_of_the_cached_type(name: str) -> None:
    make, shape, dtype, kinds = KINDS[name]
    inputs, labels, classes = make(3, 0)
    assert inputs.shape == (3 * kinds, *shape)
    assert inputs.dtype == dtype
    assert np.isfinite(inputs).all()
    assert labels.dtype == np.int64
    assert labels.tolist() == [label for label in range(kinds) for _ in range(3)]
    assert len(set(classes)) == kinds


@pytest.mark.parametrize("name", KINDS)
def test_samples_hang_on_seed_class_and_number_alone(name: str) -> None:
    make, _, _, kinds = KINDS[name]
    inputs, labels, _ = make(3, 0)
    assert np.array_equal(make(3, 0)[0], inputs)
    assert not np.array_equal(make(3, 1)[0], inputs)
    # A larger set contains the smaller one. Sounds pass the filter bank in other batches: equal to rounding.
    fewer = make(2, 0)[0]
    np.testing.assert_allclose(
        fewer, inputs.reshape(kinds, 3, *inputs.shape[1:])[:, :2].reshape(fewer.shape), atol=1e-3
    )
    assert len(np.unique(inputs.reshape(len(labels), -1), axis=0)) == len(labels)


def test_solids_are_centred_and_of_unit_size() -> None:
    clouds, _, _ = synthetic_solids(4, 300, 0)
    assert abs(clouds.mean(1)).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(clouds, axis=2).max(1), 1.0, atol=1e-5)


def test_surfaces_are_drawn_evenly() -> None:
    """Against closed forms: a cylinder's caps and wall, a cone's height, a sphere's zones, a box's faces."""
    rng = np.random.default_rng(0)
    cylinder = sample_revolution(np.array([[0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 1.0]]), 40000, rng)
    wall = abs(cylinder[:, 2]) < 0.999999
    assert abs(wall.mean() - 4 / 6) < 0.01
    cap = np.hypot(*cylinder[~wall, :2].T)
    assert abs((cap**2).mean() - 0.5) < 0.01
    cone = sample_revolution(np.array([[1.0, 0.0], [0.0, 1.0]]), 40000, rng)
    assert abs(cone[:, 2].mean() - 1 / 3) < 0.01
    np.testing.assert_allclose(np.hypot(cone[:, 0], cone[:, 1]), 1.0 - cone[:, 2], atol=1e-9)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 200)
    sphere = sample_revolution(np.stack([np.cos(angles), np.sin(angles)], 1), 40000, rng)
    assert abs(np.histogram(sphere[:, 2], 10, (-1, 1))[0] / 40000 - 0.1).max() < 0.01
    faces = [(0, 1, 2), (1, 3, 2), (0, 1, 4)]
    flat = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 0], [0, 0, 2]])
    drawn = sample_mesh(flat, faces, 40000, rng)
    standing = drawn[:, 2] > 1e-9
    assert abs(standing.mean() - 1 / 3) < 0.01
    np.testing.assert_allclose(drawn[~standing].mean(0), [1.0, 1.0, 0.0], atol=0.02)
    np.testing.assert_allclose(drawn[standing].mean(0), [2 / 3, 0.0, 2 / 3], atol=0.02)


def test_chirps_go_where_their_names_say() -> None:
    frames, labels, classes = synthetic_sounds(12, 64, 64, 0)
    ridge = frames.argmax(2)
    loud = frames.max(2) > np.quantile(frames.max(2), 0.7, axis=1, keepdims=True)
    for name, sign in (("chirp_up", 1), ("chirp_down", -1)):
        for sample in np.flatnonzero(labels == classes.index(name)):
            time = np.flatnonzero(loud[sample])
            assert sign * np.polyfit(time, ridge[sample, time], 1)[0] > 0.05


def test_sounds_and_solids_can_be_learnt_but_not_at_a_glance() -> None:
    from sklearn.ensemble import RandomForestClassifier

    clouds, labels, _ = synthetic_solids(40, 256, 0)
    height, radius = clouds[:, :, 2], np.hypot(clouds[:, :, 0], clouds[:, :, 1])
    features = np.concatenate([np.sort(abs(height), 1), np.sort(radius, 1)], 1)
    assert 0.6 < _accuracy(RandomForestClassifier(60, random_state=0), features, labels) < 1.0
    frames, labels, _ = synthetic_sounds(40, 64, 32, 0)
    features = np.concatenate([np.sort(frames.max(2), 1), frames.mean(1), frames.std(1), np.diff(frames.argmax(2))], 1)
    assert 0.6 < _accuracy(RandomForestClassifier(60, random_state=0), features, labels) < 1.0


def _accuracy(model: Any, features: NDArray[Any], labels: NDArray[np.int64]) -> float:
    held = np.arange(len(labels)) % 4 == 0
    return float(model.fit(features[~held], labels[~held]).score(features[held], labels[held]))
