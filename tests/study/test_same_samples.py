"""Of which runs the samples have to be the same, and of which they may differ."""

from pathlib import Path

from crosspath.study.arms import NONE
from crosspath.study.cells import Cell, Job
from crosspath.study.grid import Grid


def job(target: str, *settings: str, seed: int = 0, from_: Path | None = None) -> Job:
    grid = Grid(rates=(1e-3,), seeds=1)
    cell = Cell(
        target=target, labels=None, variant="", arm=NONE, auxiliary=None, auxiliary_recipe=None,
        settings=settings, from_=from_, grid=grid,
    )  # fmt: skip
    return Job(cell=cell, rate=1e-3, seed=seed, search=False)


def test_a_foundation_model_and_masked_modelling_read_samples_of_their_own() -> None:
    assert job("image/digits").samples != job("image/digits", "data.unlabelled=true").samples
    assert job("image/digits").samples == job("image/digits", "train.epochs=3", seed=5).samples
    assert job("image/digits").samples != job("image/digits", from_=Path("dinov2")).samples
    assert job("image/digits").samples != job("image/digits", "data.image_size=16").samples


def test_folds_are_drawn_by_the_seed_wherever_they_are_stated(tmp_path: Path) -> None:
    from crosspath.config import apply_overrides, write_recipe
    from crosspath.recipes import recipe_named

    setting = "data.held_out_fold=[0, 5]"
    assert job("image/digits", setting).samples != job("image/digits", setting, seed=1).samples
    write_recipe(apply_overrides(recipe_named("image/digits"), [setting]), tmp_path / "folds.yaml")
    stated = str(tmp_path / "folds.yaml")
    assert job(stated).samples != job(stated, seed=1).samples
