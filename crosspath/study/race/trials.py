"""The runs of `try`: those of a study, with masked modelling before some of them, and one reading of the test part."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosspath.checkpoints.load import load_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.config.starts import layer_settings
from crosspath.config.unused import settings_of_objective
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.files import read_json_as, write_json
from crosspath.modalities.load import load_data
from crosspath.objectives import objective_of
from crosspath.recipes import any_recipe_named
from crosspath.study.arms import NONE
from crosspath.study.cells import Cell, Job
from crosspath.study.grid import Grid
from crosspath.study.jobs import Place, run_job
from crosspath.study.pools import LocalPool
from crosspath.study.race.ways import Way
from crosspath.study.sources import pretraining_of
from crosspath.training.finite import DivergenceError
from crosspath.training.result import Result
from crosspath.training.run import pretrain

PREDICTIONS = "predictions"
REPEAT = "remove it and repeat the command; finished runs are kept"
"""What to do about a damaged file that follows from runs."""
MEASURE = "measure"
FRESH = "fresh"
"""The stage whose runs read the test part, once each."""


@dataclass(frozen=True, kw_only=True)
class Trial(Job):
    """One run of a race."""

    stage: str
    """The folder that holds runs of its kind: `race-1`, `fresh`."""
    way: str
    pretrains: bool = False
    """Masked modelling instead of training."""
    reads_test: bool = False
    auxiliary: bool = False
    """Whether it pretrains an auxiliary, which has data of its own."""
    data_root: Path | None = None
    """Of an auxiliary."""

    @property
    def folder(self) -> Path:
        """Its path among the runs."""
        return trial_folder(self.stage, self.way, None if self.pretrains else self.rate, self.seed)

    @property
    def samples(self) -> tuple[object, ...]:
        """Those of an auxiliary are its own."""
        return (*super().samples, self.data_root)

    @property
    def label(self) -> str:
        """Its name for the display."""
        return f"{self.stage} {self.way}" + ("" if self.pretrains else f", lr {self.rate:g}, seed {self.seed}")

    @property
    def pretraining(self) -> Recipe:
        """The recipe of masked modelling."""
        recipe = any_recipe_named(self.cell.target)
        if objective_of(recipe).labelled:
            recipe = pretraining_of(recipe)
        # A race has one list of settings, also for the head that masked modelling has not.
        own = settings_of_objective(recipe, self.cell.settings)
        return apply_overrides(recipe, (*own, f"train.seed={self.seed}", "evaluate.test=false"))


def trial_folder(stage: str, way: str, rate: float | None, seed: int) -> Path:
    """The path of a run among the runs; masked modelling has no rate of its own."""
    return Path(stage, way, f"seed-{seed}" if rate is None else f"lr-{rate:g}-seed-{seed}")


def training_trial(
    target: str, way: Way, *, stage: str, rate: float, seed: int, settings: tuple[str, ...], from_: Path | None
) -> Trial:
    """The run of one way; `target` names its recipe. A trial of stage `fresh` reads the test part."""
    cell = Cell(
        target=target,
        labels=None,
        variant="",
        arm=way.arm,
        auxiliary=way.auxiliary,
        auxiliary_recipe=way.auxiliary,
        settings=layer_settings(settings, way.arm.settings),
        from_=from_,
        grid=Grid(rates=(rate,)),
    )
    # The run itself reads no test part: that is read once, sample by sample, afterwards.
    fresh = stage == FRESH
    return Trial(cell=cell, rate=rate, seed=seed, search=True, stage=stage, way=way.name, reads_test=fresh)


def pretraining_trial(
    target: str,
    *,
    stage: str,
    way: str,
    seed: int,
    settings: tuple[str, ...],
    from_: Path | None = None,
    auxiliary: bool = False,
    data_root: Path | None = None,
) -> Trial:
    """Masked modelling of what the recipe `target` reads."""
    cell = Cell(
        target=target,
        labels=None,
        variant="",
        arm=NONE,
        auxiliary=None,
        auxiliary_recipe=None,
        settings=settings,
        from_=from_,
        grid=Grid(rates=(1.0,)),
    )
    return Trial(
        cell=cell,
        rate=1.0,
        seed=seed,
        search=True,
        stage=stage,
        way=way,
        pretrains=True,
        auxiliary=auxiliary,
        data_root=data_root,
    )


@dataclass(frozen=True)
class TrialPool:
    """Workers that carry out trials."""

    pool: LocalPool

    @property
    def size(self) -> int:
        """Number of trials at a time."""
        return self.pool.size

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        """Start a trial."""
        assert isinstance(job, Trial)
        return self.pool.carry_out(run_trial, job, place)


def run_trial(trial: Trial, place: Place) -> Result | None:
    """Carry out one trial in this process, or return its result if it is finished; None for a trial of a race that
    diverges, which only says that its rate is too high.
    """
    import torch

    torch.set_num_threads(place.threads)
    folder = place.runs / trial.folder
    if trial.pretrains:
        return pretrain(
            trial.pretraining,
            out=folder,
            data=trial.data_root if trial.auxiliary else place.data_root,
            start_from=trial.cell.from_,
            progress=False,
            resume=folder.exists(),
        )
    try:
        result = run_job(trial, place)
    except DivergenceError:
        if trial.reads_test or trial.stage == MEASURE:
            raise
        return None
    if trial.reads_test and not predictions_file(place.runs, trial.folder).is_file():
        _read_test(trial, place)
    return result


def predictions_file(runs: Path, run: Path) -> Path:
    """Where it is written which test samples the model of a run classifies correctly."""
    return runs.parent / PREDICTIONS / run.with_name(f"{run.name}.json")


@dataclass(frozen=True)
class _Predictions:
    """The content of a predictions file."""

    run: str
    correct: dict[str, bool]


def read_predictions(runs: Path, run: Path) -> dict[str, bool]:
    """{test sample: whether it is classified correctly}. Raises `InputError` for a damaged file."""
    return read_json_as(predictions_file(runs, run), _Predictions, REPEAT).correct


def _read_test(trial: Trial, place: Place) -> None:
    """The one reading of a trial's test part."""
    checkpoint = load_checkpoint(place.runs / trial.folder, own=True)
    data = load_data(checkpoint.recipe.data, place.data_root, trial.seed)
    compute = choose_compute(checkpoint.recipe)
    model = checkpoint.model.to(compute.device)
    guesses_N = predict_logits(model, checkpoint.recipe, data.test, compute, protocol=True).argmax(1).numpy()
    correct_N = guesses_N == np.asarray(data.test.labels)
    path = predictions_file(place.runs, trial.folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    correct = dict(zip(data.test.ids, map(bool, correct_N), strict=True))
    write_json(path, {"run": trial.folder.as_posix(), "correct": correct})
