"""The baseline beside a recipe: the same samples, labels and split, and a refusal that names what to install."""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import crosspath
from crosspath.cli.main import main
from crosspath.config import apply_overrides
from crosspath.modalities.load import load_data
from tests.errors import refused

SETTINGS = ("data.length=32", "data.labels_per_class=5")


class Nearest:
    """In place of MiniRocket: the class of the nearest training sample."""

    fitted: tuple[np.ndarray, np.ndarray]

    def __init__(self, random_state: int) -> None:
        self.seed = random_state

    def fit(self, inputs: np.ndarray, labels: np.ndarray) -> None:
        type(self).fitted = self.own = (inputs, labels)

    def predict(self, inputs: np.ndarray) -> Any:
        distances = ((inputs[:, None] - self.own[0][None]) ** 2).sum(axis=(2, 3))
        return self.own[1][distances.argmin(axis=1)]


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("aeon.classification.convolution_based")
    module.MiniRocketClassifier = Nearest
    for name in ("aeon", "aeon.classification", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("nearest")
def test_it_has_the_samples_of_a_run() -> None:
    result = crosspath.baseline("series/machines", settings=SETTINGS, seeds=(0, 1))
    section = apply_overrides(crosspath.recipe_named("series/machines"), SETTINGS).data
    data = load_data(section, None, 1)
    np.testing.assert_array_equal(Nearest.fitted[0], data.train.inputs[:])
    classifier = Nearest(1)
    classifier.fit(data.train.inputs[:], data.train.labels)
    expected = (classifier.predict(data.test.inputs[:]) == data.test.labels).mean()
    assert [row["seed"] for row in result["rows"]] == [0, 1]
    assert result["rows"][1]["test"] == pytest.approx(expected)
    assert result["rows"][1]["train_samples"] == 30
    values = [row["test"] for row in result["rows"]]
    assert result["mean"]["test"] == pytest.approx(np.mean(values))
    assert result["std"]["test"] == pytest.approx(np.std(values, ddof=1))


@pytest.mark.usefixtures("nearest")
def test_the_command_prints_it_and_what_has_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["baseline", "series/machines", "--set", "data.length=32", "--labels", "2", "--seeds", "1"]
    assert main(command) == 0
    assert "MiniRocket + ridge" in capsys.readouterr().out
    assert main(["baseline", "image/digits"]) == 2
    with refused("image/digits", "series"):
        crosspath.baseline("image/digits")
    with refused("data.length", "9", "8"):
        crosspath.baseline("series/machines", settings=("data.length=8",))
    for seeds in ((), (0, -1), (2**32,)):
        with refused("seeds"):
            crosspath.baseline("series/machines", seeds=seeds)
    for setting, found in (("objective=regression", "numbers"), ("data.multi_label=true", "several")):
        with refused("series/folder", found):
            crosspath.baseline("series/folder", settings=(setting,))


@pytest.mark.skipif(find_spec("aeon") is not None, reason="aeon is installed")
def test_without_the_library_the_extra_is_named() -> None:
    with refused("baseline", "aeon", "crosspath[baseline]"):
        crosspath.baseline("series/machines", settings=SETTINGS)
