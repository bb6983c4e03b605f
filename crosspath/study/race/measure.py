"""What the runs of a race cost, measured by short ones before anything is planned."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosspath.config import Recipe
from crosspath.study.arms import COPY
from crosspath.study.race.costs import Cost, Costs
from crosspath.study.race.runs import Runner, last_step
from crosspath.study.race.trials import MEASURE, Trial
from crosspath.study.race.ways import FROZEN_BODY, PRETRAINED, Way
from crosspath.study.sources import pretraining_of
from crosspath.training.result import read_log, read_result

MEASURED_STEPS = 8


@dataclass(frozen=True, kw_only=True)
class Samples:
    """How many samples there are, and of how many classes."""

    train: int
    """Labelled ones."""
    validation: int
    test: int
    unlabelled: int
    """Further ones, which masked modelling reads too."""
    classes: int
    auxiliaries: Mapping[str, tuple[int, int]]
    """{auxiliary: (samples, classes)}, of those that are pretrained."""
    notes: tuple[str, ...] = ()
    """What the data have to say, such as classes with fewer labels than asked for."""

    def to_json(self) -> dict[str, int]:
        """The numbers of samples, as plain data."""
        parts = {name: getattr(self, name) for name in ("train", "validation", "test", "unlabelled")}
        return {**parts, **{f"auxiliary {name}": count for name, (count, _) in self.auxiliaries.items()}}


@dataclass(frozen=True)
class Measurement:
    """A short run on some of the samples, from which follows what a run on all of them costs."""

    trial: Trial
    samples: int
    """All of them."""

    def cost(self, folder: Path) -> Cost:
        """What the finished run in `folder` says, by its log."""
        result = read_result(folder)
        rate = [entry["samples_per_s"] for entry in read_log(folder) if entry.get("samples_per_s")][-1]
        own = result.epochs * result.samples["train"] / rate
        return Cost(fixed=max(0.0, result.duration_s - own), epoch=max(1e-3, self.samples / rate))


def shorten(recipe: Recipe, samples: int, classes: int) -> tuple[int, tuple[str, ...]]:
    """(epochs, settings) of a run that is only measured: the first epoch is slow, and those after it have enough steps,
    but no more, however large the set.
    """
    batch = recipe.train.batch_size
    epochs = 1 + math.ceil(MEASURED_STEPS / max(1, samples // batch))
    per_class = math.ceil(MEASURED_STEPS * batch / max(1, classes))
    if recipe.data.several_labels or not classes or per_class * classes >= samples:
        return epochs, ()
    return epochs, ("data.unlabelled=false", f"data.labels_per_class={per_class}")


def measure(runner: Runner, samples: Samples) -> Costs:
    """Measure what the runs of every way cost, by short ones.

    Masked modelling comes first: the first run of a process takes longer, which its training shows less than others.
    """
    masked_way = next(way for way in runner.ways if way.pretrains)
    total = samples.train + samples.unlabelled
    epochs, fewer = shorten(pretraining_of(runner.recipe), total, samples.classes)
    masked = runner.masked_trial(masked_way, stage=MEASURE, epochs=epochs, seed=0, fewer=fewer)
    first = {"masked": Measurement(masked, total)}
    for source in runner.sources:
        if source.recipe is not None:
            count, classes = samples.auxiliaries[source.name]
            epochs, fewer = shorten(source.recipe, count, classes)
            trial = runner.auxiliary(source, stage=MEASURE, epochs=epochs, fewer=fewer)
            first[f"auxiliary {source.name}"] = Measurement(trial, count)
    pretraining = _run_and_read(runner, first)
    for source in runner.sources:
        measurement = first.get(f"auxiliary {source.name}")
        checkpoint = source.checkpoint if measurement is None else runner.result_folder(measurement.trial)
        runner.auxiliaries[source.name] = str(checkpoint)
    # In reverse, so that the first way of a kind stands for it.
    kinds = {kind_of(way): way for way in reversed(runner.ways) if not way.pretrains}
    epochs, fewer = shorten(runner.recipe, samples.train, samples.classes)
    measurements = {
        kind: Measurement(_measuring_trial(runner, way, epochs, fewer), samples.train) for kind, way in kinds.items()
    }
    training = _run_and_read(runner, measurements)
    runner.auxiliaries.clear()
    return Costs(
        of_ways={way.name: training[kind_of(way)] for way in runner.ways},
        masked=pretraining["masked"],
        auxiliaries={
            source.name: pretraining[f"auxiliary {source.name}"]
            for source in runner.sources
            if source.recipe is not None
        },
    )


def kind_of(way: Way) -> str:
    """Ways of one kind cost the same: pathways from one auxiliary; a pretrained model, which may be of another size;
    the same with a frozen body; and all others, a copy of an auxiliary too, which trains as the plain model does.
    """
    if way.arm.name in (PRETRAINED.name, FROZEN_BODY.name):
        return way.arm.name
    return "none" if way.auxiliary is None or way.arm.name == COPY.name else f"pathway from {way.auxiliary}"


def _measuring_trial(runner: Runner, way: Way, epochs: int, fewer: Sequence[str]) -> Trial:
    rate = runner.recipe.optimizer.lr
    return runner.trial(way, stage=MEASURE, epochs=epochs, rate=rate, seed=0, from_=way.from_, fewer=fewer)


def _run_and_read(runner: Runner, measurements: Mapping[str, Measurement]) -> dict[str, Cost]:
    runner.run([last_step(one.trial) for one in measurements.values()])
    return {name: one.cost(runner.result_folder(one.trial)) for name, one in measurements.items()}
