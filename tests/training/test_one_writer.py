"""A run folder has one writer: a second command ends with a line that names the first, and changes nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosspath import locks
from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.files import read_tensors
from crosspath.locks import LOCK, OWNER
from crosspath.training import preparation, train
from tests.checkpoints.small import image_recipe
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_resume import CutAfter, CutError
from tests.training.test_run import short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GRACE_S", 0.05)


class Second(CutAfter):
    """Calls for the same folder in the middle of a run."""

    def __init__(self, at: int, call: Callable[[], object]) -> None:
        super().__init__(at)
        self.call = call

    def step(self, loss: float, samples_per_s: float) -> None:
        self.left[0] -= 1
        if self.left[0] == 0:
            self.call()


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_the_folder_is_refused_and_the_first_ends_as_alone(
    resume: bool, tmp_path: Path, in_memory: InMemory
) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)

    def second() -> None:
        with refused(tmp_path / "run", os.getpid(), "--out"):
            train(recipe, out=tmp_path / "run", progress=False, resume=resume)

    alone = train(recipe, out=tmp_path / "alone", progress=False)
    result = train(recipe, out=tmp_path / "run", progress=Second(4, second))
    assert result.metrics == alone.metrics
    weights = [read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("alone", "run")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not {LOCK, OWNER} & {file.name for file in (tmp_path / "run").iterdir()}


def test_a_run_that_began_while_this_one_read_its_data_is_not_overwritten(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    load, begun = preparation.load_data, []

    def slow_load(*args: object, **kwargs: object) -> DataSet:
        if not begun:
            begun.append(True)
            with pytest.raises(CutError):
                train(recipe, out=tmp_path / "run", progress=CutAfter(5))
        return load(*args, **kwargs)  # type: ignore[no-any-return]

    monkeypatch.setattr(preparation, "load_data", slow_load)
    with refused(tmp_path / "run", "--resume"):
        train(recipe, out=tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "checkpoints").is_dir()
    assert train(recipe, out=tmp_path / "run", progress=False, resume=True).resumed_at == (3,)
