"""The runs of a race, as trials: the settings that each stage adds to the recipe, and how they are carried out."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosspath.config import Recipe
from crosspath.modalities import modality_of
from crosspath.study.definition import SEARCH_SEEDS
from crosspath.study.jobs import Place, Step, run_steps
from crosspath.study.plan import QUIET
from crosspath.study.race_display import RaceDisplay
from crosspath.study.race_folder import RUNS, RaceFolder
from crosspath.study.race_plan import Cost, Costs
from crosspath.study.sources import AuxiliarySource, pretraining_of
from crosspath.study.trials import FRESH, MEASURE, Trial, TrialPool, pretraining_trial, training_trial
from crosspath.study.ways import Way
from crosspath.training.result import RESULT, Result, read_result
from crosspath.training.run_folder import LOG

CHECKPOINT_S = 30.0
"""Runs that take longer than two of these leave states to resume from."""
MEASURED_STEPS = 8
AUXILIARIES = "auxiliaries"


@dataclass(kw_only=True)
class Runner:
    """Everything that the runs of one race share."""

    folder: RaceFolder
    pool: TrialPool
    recipe: Recipe
    """The target's, resolved."""
    target: str
    """Its name or file."""
    settings: tuple[str, ...]
    """The user's, and the number of labels."""
    data_root: Path | None
    sources: Sequence[AuxiliarySource]
    ways: tuple[Way, ...]
    folds: int
    """Of the labels, for choosing; 0 where the validation part is read as it is."""
    threads: int
    budget: float
    """Seconds on the clock of the wall."""
    display: RaceDisplay
    costs: Costs | None = None
    auxiliaries: dict[str, str] = field(default_factory=dict)
    """{name: checkpoint}, of those that are ready."""

    @property
    def place(self) -> Place:
        """Where the runs find what they need."""
        runs = (self.folder.path / RUNS).resolve()
        return Place(runs=runs, data_root=self.data_root, auxiliaries=dict(self.auxiliaries), threads=self.threads)

    def worked(self, *stages: str) -> float:
        """Seconds that the finished runs of these stages took (names may end in `*`), on all processes together.

        Unlike the clock, a resumed race reads the same here as an uninterrupted one.
        """
        results = [path for stage in stages for path in self.place.runs.glob(f"{stage}/*/*/{RESULT}")]
        return sum(read_result(path.parent).duration_s for path in sorted(results)) / self.pool.size

    @property
    def spent(self) -> float:
        """Seconds until the plan was made, and those of all finished runs since."""
        return float(self.folder.decisions["planned at"]) + self.worked(AUXILIARIES, "race-*", FRESH)

    def run(self, steps: Sequence[Step]) -> None:
        """Carry out steps and those that follow from them."""
        run_steps(tuple(steps), self.pool, self.place, self.display.report)

    def result_folder(self, trial: Trial) -> Path:
        """The run folder of a trial."""
        return self.place.runs / trial.folder

    def training(self, way: Way, *, stage: str, epochs: int, rate: float, seed: int) -> Step:
        """One run of a way, after the masked modelling of the same training part where it begins with one."""
        if not way.pretrains:
            return last_step(self.trial(way, stage=stage, epochs=epochs, rate=rate, seed=seed, from_=way.from_))
        before = self.masked(way, stage=stage, epochs=self.masked_epochs(way, epochs), seed=seed)
        from_ = self.result_folder(before)
        after = self.trial(way, stage=stage, epochs=epochs, rate=rate, seed=seed, from_=from_)
        return Step((before,), lambda _: last_step(after))

    def trial(self, way: Way, *, stage: str, epochs: int, rate: float, seed: int, from_: Path | None) -> Trial:
        """One run of a way that starts from these weights."""
        settings = (*QUIET, *self.settings, *self._split(stage, seed), *self._length(way, epochs))
        return training_trial(self.target, way, stage=stage, rate=rate, seed=seed, settings=settings, from_=from_)

    @property
    def most_pretraining(self) -> int:
        """Epochs of masked modelling, at most: the recipe's own."""
        return pretraining_of(self.recipe).train.epochs

    def masked_epochs(self, way: Way, epochs: int) -> int:
        """Epochs of masked modelling before so many of training."""
        assert self.costs is not None
        return self.costs.pretraining_epochs(way, epochs, self.most_pretraining)

    def masked(self, way: Way, *, stage: str, epochs: int, seed: int) -> Trial:
        """Masked modelling of what a run of this stage and seed trains on, and of the unlabelled samples beside it."""
        own = tuple(setting for setting in self.settings if setting.strip().startswith(("data.", "model.")))
        own += (*QUIET, *self._split(stage, seed), "data.unlabelled=true", *pretraining_length(epochs))
        return pretraining_trial(
            self.target, stage=stage, way=f"{way.name}-first-{epochs}", seed=seed, settings=own, from_=way.from_
        )

    def auxiliary(self, source: AuxiliarySource, *, stage: str, epochs: int) -> Trial:
        """The pretraining of an auxiliary."""
        assert source.recipe is not None
        size = (f"model.size={self.recipe.model.size}",)
        return pretraining_trial(
            source.recipe.name,
            stage=stage,
            way=source.name,
            seed=0,
            settings=(*QUIET, *size, *pretraining_length(epochs)),
            auxiliary=True,
            data_root=source.data_root,
        )

    def race_seeds(self, folds: int) -> range:
        """The seeds of the race, far from those that confirm its leader; one a fold."""
        return range(SEARCH_SEEDS, SEARCH_SEEDS + folds)

    def _split(self, stage: str, seed: int) -> tuple[str, ...]:
        """Fresh seeds redraw the split, or take another fold of the data's own protocol; races choose inside it."""
        if stage == FRESH:
            protocol = list(modality_of(self.recipe).folds(self.recipe.data).values())
            if protocol:
                return tuple(f"data.{name}={value}" for name, value in protocol[seed % len(protocol)].items())
            return (f"data.split_seed={seed}",)
        if not self.folds or seed < SEARCH_SEEDS:
            return ()
        return (f"data.held_out_fold=[{seed - SEARCH_SEEDS}, {self.folds}]",)

    def _length(self, way: Way, epochs: int) -> tuple[str, ...]:
        warmup = min(self.recipe.schedule.warmup_epochs, epochs / 5)
        length = (
            f"train.epochs={epochs}",
            f"train.evaluate_every={epochs}",
            f"schedule.warmup_epochs={warmup:g}",
        )
        cost = None if self.costs is None else self.costs.of_ways.get(way.name)
        if cost is None or cost.of(epochs) < 2 * CHECKPOINT_S:
            return length
        return (*length, f"train.checkpoint_every={max(1, round(CHECKPOINT_S / cost.epoch))}")


def last_step(trial: Trial) -> Step:
    """One trial, which nothing follows."""
    return Step((trial,), lambda _: None)


def pretraining_length(epochs: int) -> tuple[str, ...]:
    """The settings of so many epochs of masked modelling."""
    return (
        f"train.epochs={epochs}",
        f"train.evaluate_every={epochs}",
        f"schedule.warmup_epochs={max(0.5, epochs / 20):g}",
    )


def measured_epochs(samples: int, batch_size: int) -> int:
    """Epochs of a run that is only measured: the first one is slow, and those after it have enough steps."""
    return 1 + math.ceil(MEASURED_STEPS / max(1, samples // batch_size))


def cost_of_run(folder: Path, result: Result) -> Cost:
    """What a measured run cost, from its log."""
    entries = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    rates = [entry["samples_per_s"] for entry in entries if entry.get("samples_per_s")]
    epoch = max(1e-3, result.samples["train"] / rates[-1])
    return Cost(fixed=max(0.0, result.duration_s - result.epochs * epoch), epoch=epoch)


def measure(runner: Runner, samples: Mapping[str, int]) -> Costs:
    """Measure what the runs of every way cost, by short ones; `samples` are those that they train on.

    Masked modelling comes first: the first run of a process takes longer, which its training shows less than others.
    """
    masked_way = next(way for way in runner.ways if way.pretrains)
    size = pretraining_of(runner.recipe).train.batch_size
    masked_epochs = measured_epochs(samples["train"] + samples["unlabelled"], size)
    first = {"masked": runner.masked(masked_way, stage=MEASURE, epochs=masked_epochs, seed=0)}
    for source in runner.sources:
        if source.recipe is not None:
            epochs = measured_epochs(samples[f"auxiliary {source.name}"], source.recipe.train.batch_size)
            first[f"auxiliary {source.name}"] = runner.auxiliary(source, stage=MEASURE, epochs=epochs)
    pretraining = _run_and_read(runner, first)
    for source in runner.sources:
        trial = first.get(f"auxiliary {source.name}")
        runner.auxiliaries[source.name] = str(source.checkpoint if trial is None else runner.result_folder(trial))
    epochs = measured_epochs(samples["train"], runner.recipe.train.batch_size)
    # Ways of one auxiliary cost the same, and so do those without one.
    kinds = {way.auxiliary or "none": way for way in reversed(runner.ways) if not way.pretrains}
    kinds["none"] = runner.ways[0]
    training = _run_and_read(runner, {kind: _measured(runner, way, epochs) for kind, way in kinds.items()})
    runner.auxiliaries.clear()
    return Costs(
        of_ways={way.name: training[way.auxiliary or "none"] for way in runner.ways},
        masked=pretraining["masked"],
        auxiliaries={
            source.name: pretraining[f"auxiliary {source.name}"]
            for source in runner.sources
            if source.recipe is not None
        },
    )


def _measured(runner: Runner, way: Way, epochs: int) -> Trial:
    return runner.trial(way, stage=MEASURE, epochs=epochs, rate=runner.recipe.optimizer.lr, seed=0, from_=way.from_)


def _run_and_read(runner: Runner, trials: Mapping[str, Trial]) -> dict[str, Cost]:
    runner.run([last_step(trial) for trial in trials.values()])
    folders = {name: runner.result_folder(trial) for name, trial in trials.items()}
    return {name: cost_of_run(folder, read_result(folder)) for name, folder in folders.items()}
