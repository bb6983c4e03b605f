"""The runs of a race, as trials: the settings that each stage adds to the recipe, and how they are carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosspath.config import Recipe
from crosspath.modalities import modality_of
from crosspath.study.cells import QUIET, length_settings
from crosspath.study.decision.decision import Advice
from crosspath.study.definition import SEARCH_SEEDS
from crosspath.study.jobs import Place
from crosspath.study.race.costs import Costs, clock_seconds
from crosspath.study.race.display import RaceDisplay
from crosspath.study.race.folder import RUNS, RaceFolder
from crosspath.study.race.trials import FRESH, MEASURE, Trial, TrialPool, pretraining_trial, training_trial
from crosspath.study.race.ways import Way
from crosspath.study.same_samples import SampleCheck
from crosspath.study.sources import AuxiliarySource, pretraining_of
from crosspath.study.steps import Step, run_steps
from crosspath.training.result import RESULT, read_result

CHECKPOINT_S = 30.0
"""Runs that take longer than two of these leave states to resume from."""
AUXILIARIES = "auxiliaries"
FIRST_ROUND, LONGER_NONE = "race-1", "race-none"
BESIDE = {AUXILIARIES: FIRST_ROUND, LONGER_NONE: f"{FRESH} 0"}
"""{stage: that beside which it runs}."""


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
    advice: Mapping[str, Advice] = field(default_factory=dict)
    """{auxiliary: what earlier studies advise}."""
    costs: Costs | None = None
    planned_at: float = 0.0
    """Seconds spent when the plan was made."""
    auxiliaries: dict[str, str] = field(default_factory=dict)
    """{name: checkpoint}."""
    pretraining: dict[str, Trial] = field(default_factory=dict)
    """{name of an auxiliary: its pretraining}, which comes before the runs that need it."""
    check: SampleCheck = field(init=False)

    def __post_init__(self) -> None:
        self.check = SampleCheck(self.place.runs)

    @property
    def place(self) -> Place:
        """Where the runs find what they need."""
        runs = (self.folder.path / RUNS).resolve()
        return Place(runs=runs, data_root=self.data_root, auxiliaries=dict(self.auxiliaries), threads=self.threads)

    def seconds_by_stage(self) -> dict[str, float]:
        """{stage: seconds on the clock that its finished runs took}, in which fresh seeds of one batch are a stage.

        Unlike the clock itself, a resumed race reads the same here as an uninterrupted one.
        """
        stages: dict[str, list[float]] = {}
        for path in sorted(self.place.runs.glob(f"*/*/*/{RESULT}")):
            stage, _, run = path.relative_to(self.place.runs).parts[:3]
            if stage == FRESH:
                seed = int(run.rpartition("-")[2])
                stage = f"{FRESH} {seed // self.pool.size}"
            if stage != MEASURE:
                stages.setdefault(BESIDE.get(stage, stage), []).append(read_result(path.parent).duration_s)
        return {stage: clock_seconds(seconds, self.pool.size) for stage, seconds in stages.items()}

    @property
    def seconds_so_far(self) -> float:
        """Seconds until the plan was made, and those of all finished runs since."""
        return self.planned_at + sum(self.seconds_by_stage().values())

    def run(self, steps: Sequence[Step]) -> None:
        """Carry out steps and those that follow from them."""
        run_steps(tuple(steps), self.pool, self.place, self.display.report, self.check)

    def result_folder(self, trial: Trial) -> Path:
        """The run folder of a trial."""
        return self.place.runs / trial.folder

    def training(self, way: Way, *, stage: str, epochs: int, rate: float, seed: int) -> Step:
        """One run of a way, after the masked modelling of the same training part where it begins with one, and after
        the pretraining of its auxiliary.
        """
        auxiliary = self.pretraining.get(str(way.auxiliary))
        if auxiliary is not None and auxiliary in self.unfinished_pretraining():
            trial = self.trial(way, stage=stage, epochs=epochs, rate=rate, seed=seed, from_=way.from_)
            return Step((auxiliary,), lambda _: last_step(trial))
        if not way.pretrains:
            return last_step(self.trial(way, stage=stage, epochs=epochs, rate=rate, seed=seed, from_=way.from_))
        before = self.masked_trial(way, stage=stage, epochs=self.masked_epochs(way, epochs), seed=seed)
        from_ = self.result_folder(before)
        after = self.trial(way, stage=stage, epochs=epochs, rate=rate, seed=seed, from_=from_)
        return Step((before,), lambda _: last_step(after))

    def unfinished_pretraining(self) -> list[Trial]:
        """Of auxiliaries."""
        return [one for one in self.pretraining.values() if not (self.result_folder(one) / RESULT).is_file()]

    def trial(
        self,
        way: Way,
        *,
        stage: str,
        epochs: int,
        rate: float,
        seed: int,
        from_: Path | None,
        fewer: Sequence[str] = (),
    ) -> Trial:
        """One run of a way that starts from these weights; `fewer` as for `masked_trial`."""
        settings = (*QUIET, *self.settings, *self._split(stage, seed), *fewer, *self._length(way, epochs))
        return training_trial(self.target, way, stage=stage, rate=rate, seed=seed, settings=settings, from_=from_)

    @property
    def most_pretraining(self) -> int:
        """Epochs of masked modelling, at most: the recipe's own."""
        return pretraining_of(self.recipe).train.epochs

    def masked_epochs(self, way: Way, epochs: int) -> int:
        """Epochs of masked modelling before so many of training."""
        assert self.costs is not None
        return self.costs.pretraining_epochs(way, epochs, self.most_pretraining)

    def masked_trial(self, way: Way, *, stage: str, epochs: int, seed: int, fewer: Sequence[str] = ()) -> Trial:
        """Masked modelling of what a run of this stage and seed trains on, and of the unlabelled samples beside it.

        `fewer` are settings that leave some of them out, for a run that is only measured.
        """
        own = tuple(setting for setting in self.settings if setting.strip().startswith(("data.", "model.")))
        own += (*QUIET, *self._split(stage, seed), "data.unlabelled=true", *fewer, *pretraining_length(epochs))
        return pretraining_trial(
            self.target, stage=stage, way=f"{way.name}-first-{epochs}", seed=seed, settings=own, from_=way.from_
        )

    def auxiliary(self, source: AuxiliarySource, *, stage: str, epochs: int, fewer: Sequence[str] = ()) -> Trial:
        """The pretraining of an auxiliary; `fewer` as for `masked_trial`."""
        assert source.recipe is not None
        own: tuple[str, ...] = (f"model.size={self.recipe.model.size}",)
        if source.recipe.data.procedural:
            own += (f"data.train_samples={source.recipe.data.train_samples}",)
        return pretraining_trial(
            source.recipe.name,
            stage=stage,
            way=source.name,
            seed=0,
            settings=(*QUIET, *own, *fewer, *pretraining_length(epochs)),
            auxiliary=True,
            data_root=source.data_root,
        )

    def selection_seeds(self, folds: int) -> range:
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
        length = length_settings(self.recipe, epochs)
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
