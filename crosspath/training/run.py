"""A run, told from top to bottom: sources, data, model, pathways, epochs, and what is left behind."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crosspath.checkpoints.load import auxiliary_source, checkpoint_files
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start, load_weights_from
from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.data.streaming.samples import damaged_files
from crosspath.errors import InputError
from crosspath.evaluation.cost import cost_of
from crosspath.evaluation.devices import choose_compute
from crosspath.files import sha256_of_file
from crosspath.modalities.batches import generated_batch
from crosspath.modalities.load import load_data, located
from crosspath.objectives import objective_of
from crosspath.pathway import pathways
from crosspath.recipes import recipe_named
from crosspath.training.environment import conditions, environment
from crosspath.training.epochs import Training
from crosspath.training.held_out import read_part
from crosspath.training.optimizer import rate_factor
from crosspath.training.pathways import (
    connect_auxiliaries,
    likeness_of,
    scales_of,
    sizes_of,
    starts_of,
    strengths_of,
)
from crosspath.training.processes import Processes, joined
from crosspath.training.progress import Listener, reporter
from crosspath.training.result import Result
from crosspath.training.resume import taken_up
from crosspath.training.run_folder import RECONSTRUCTIONS, RunFolder, open_run_folder
from crosspath.training.scope import limit_scope
from crosspath.training.trackers import check_trackers, trackers


def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    from_checkpoint: str | Path | None = None,
    auxiliaries: Mapping[str, str | Path | Auxiliary] | None = None,
    start: Start | None = None,
    progress: bool | Listener = True,
    resume: bool = False,
) -> Result:
    """Train the recipe's model, with a pathway from each auxiliary, and leave a run folder at `out`.

    Parameters
    ----------
    recipe
        A recipe, a shipped recipe's name, or a recipe file.
    out
        The run folder; `runs/<recipe name>` when not given.
    data_root
        The folder that holds one folder per data set; for a `folder` recipe, the folder with the data itself.
    from_checkpoint
        The target's own starting weights; a head of another shape is left out, and said.
    auxiliaries
        {name: checkpoint, `timm:NAME`, `hf:OWNER/NAME`, or an `Auxiliary` in memory}; connected with the recipe's
        `pathway` section.
    start
        What else is done to the target's own weights before pathways are connected, such as closed-form attention.
    progress
        Show a bar (on a terminal) or a line an epoch on stderr; or the listener that is told instead.
    resume
        Take up the run in `out`: a finished one gives its result, an unfinished one goes on from its newest whole
        state, to the same end as if it had never stopped; without any it starts over, and says so.

    Raises
    ------
    InputError
        For anything the user can mend: recipe, folder, data, checkpoints, a loss that is no longer finite.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    named = recipe if isinstance(recipe, Recipe) else recipe_named(recipe)
    return _entered(named, out, data_root, from_checkpoint, dict(auxiliaries or {}), start, progress, resume)


def pretrain(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    from_checkpoint: str | Path | None = None,
    progress: bool | Listener = True,
    resume: bool = False,
) -> Result:
    """Grow the recipe's encoder by masked modelling, which needs no labels; see `train` for the parameters.

    The run folder (`runs/pretrain/<recipe name>` when not given) is a start for a classifier of the same recipe name
    (`from_checkpoint`) and an auxiliary for any other. Its `reconstructions/` show held-out samples, what the encoder
    saw of them, and what the decoder made of it.

    Raises
    ------
    InputError
        As `train`, and for a recipe that does not pretrain.
    """
    named = recipe if isinstance(recipe, Recipe) else recipe_named(recipe, "masked_modeling")
    if objective_of(named).verb != "pretrain":
        raise InputError("objective", "masked_modeling", named.objective, "use `crosspath train`")
    out = Path("runs") / "pretrain" / named.name if out is None else out
    return _entered(named, out, data_root, from_checkpoint, {}, None, progress, resume)


def _entered(
    recipe: Recipe,
    out: str | Path | None,
    data_root: str | Path | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
    progress: bool | Listener,
    resume: bool,
) -> Result:
    """Open the run folder, and give the result that stands there or that of a run."""
    recipe = _placed(recipe, data_root)
    processes = joined(recipe.train.device, sharded=recipe.train.parallel == "sharded")
    out = Path("runs") / recipe.name if out is None else Path(out)
    inputs: dict[str, Any] = {
        "data": None if data_root is None else str(Path(data_root).resolve()),
        "from": None if from_checkpoint is None else _identity(from_checkpoint),
        "auxiliaries": {name: _identity(given) for name, given in auxiliaries.items()},
    }
    if start is not None:
        inputs["start"] = {"origin": start.origin, "sha256": start.sha256}
    # One process looks at the folder, before it changes; an error there ends them all.
    run = processes.decided(lambda: open_run_folder(out, recipe, inputs, resume=resume))
    with reporter(progress if processes.main or not isinstance(progress, bool) else False) as report:
        if isinstance(run, Result):
            report.say(f"{out}: this run is finished; its result follows")
            return run
        return _run(run, report, processes, data_root, from_checkpoint, auxiliaries, start)


def _placed(recipe: Recipe, data_root: str | Path | None) -> Recipe:
    """The recipe with its own data folder named in full, so that the run can be read from anywhere."""
    data = located(recipe.data, None if data_root is None else Path(data_root))
    return recipe.model_copy(update={"data": data})


def _identity(given: str | Path | Auxiliary) -> dict[str, str | None]:
    """What a resumed run must be given again: {"origin", "sha256"}; a file of the hub is known by its name alone."""
    if isinstance(given, Auxiliary):
        return {"origin": given.origin, "sha256": given.sha256}
    text = str(given)
    if text.startswith(("timm:", "hf:")):
        return {"origin": text, "sha256": None}
    path = Path(text).resolve()
    return {"origin": str(path), "sha256": sha256_of_file(checkpoint_files(path).weights)}


def _run(
    run: RunFolder,
    report: Listener,
    processes: Processes,
    data_root: str | Path | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
) -> Result:
    started = time.perf_counter()
    recipe = run.recipe
    seed = recipe.train.seed

    # Everything that can be wrong with what the user gave shows before anything is written.
    check_trackers(recipe)
    chosen = choose_compute(recipe)
    compute = replace(chosen, device=processes.device(chosen.device))
    sources = {
        name: given if isinstance(given, Auxiliary) else auxiliary_source(given) for name, given in auxiliaries.items()
    }
    with processes.main_first():
        root = None if data_root is None else Path(data_root)
        data = load_data(recipe.data, root, seed, progress=report.preparing)
    _check_size(recipe, data)
    objective = objective_of(recipe)
    classes = tuple(data.classes) if objective.labelled else ()

    torch.manual_seed(seed)
    model = objective.build(recipe, len(classes))
    notes = load_weights_from(model, from_checkpoint) if from_checkpoint is not None else []
    if start is not None:
        notes.extend(start.apply(model))
    model.to(compute.device)
    if sources:
        connect_auxiliaries(model, recipe.pathway, {name: source.weights for name, source in sources.items()})
        for name, source in sources.items():
            pathways(model).describe(name, source.origin, source.sha256)
    origins = {name: source.record() for name, source in sources.items()}
    limit_scope(model, recipe)
    starts = starts_of(model)
    if processes.count > 1:
        # Weights are alike by now; dropout of different processes falls on different samples.
        torch.manual_seed(seed + processes.rank)
    notes.extend(_account(recipe, processes))
    notes.extend(data.notes)
    for damaged in data.damaged:
        notes.append(f"left out {damaged.path}: {damaged.reason}")

    report.say(f"computing on {compute.device} in {compute.precision}: {compute.reason}")
    for note in notes:
        report.say(note)
    resumed = taken_up(run, report, processes)
    watching = trackers(recipe, run.path, resumed[0].step if resumed else 0) if processes.main else []
    training = Training(
        run=run,
        report=report,
        objective=objective,
        classes=classes,
        data=data,
        compute=compute,
        processes=processes,
        model=model,
        auxiliaries=origins,
        environment=conditions(compute.device, processes.count),
        trackers=watching,
        resumed=resumed,
    )
    try:
        kept = training.epochs()
    finally:
        for tracker in watching:
            tracker.close()
    # The one reading of the test part.
    test: dict[str, float] = {}
    if recipe.evaluate.test:
        test = read_part(kept.model.to(compute.device), recipe, data.test, compute, processes, protocol=True)
    result = Result(
        folder=str(run.path),
        recipe=recipe.name,
        objective=recipe.objective,
        seed=seed,
        metrics={"validation": kept.metrics, "test": test},
        epoch=kept.epoch,
        epochs=recipe.train.epochs,
        steps=kept.steps,
        samples={"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        classes=classes,
        cost=cost_of(kept.model, generated_batch(recipe, 1).to(compute.device), timed=objective.labelled),
        duration_s=time.perf_counter() - started,
        compute={"device": str(compute.device), "precision": compute.precision, "reason": compute.reason},
        environment=environment(compute.device),
        data={
            "fingerprint": data.fingerprint,
            "damaged": [
                {"path": str(damaged.path), "reason": damaged.reason}
                for damaged in (*data.damaged, *damaged_files(data.train))
            ],
        },
        start=None if from_checkpoint is None else str(from_checkpoint),
        auxiliaries=origins,
        scales=scales_of(kept.model),
        strengths=strengths_of(kept.model),
        likeness=likeness_of(kept.model, starts),
        sizes=sizes_of(kept.model),
        notes=tuple(notes),
        resumed_at=tuple(run.resumed_at()),
    )
    if processes.main:
        if objective.show is not None and len(data.validation):
            folder = run.path / RECONSTRUCTIONS
            objective.show(kept.model, recipe, data.validation, folder, compute.device, compute.autocast)
        run.finish(kept.model, result)
    processes.wait()
    return result


def _account(recipe: Recipe, processes: Processes) -> list[str]:
    """What was made of batch size, learning rate and processes, where that is more than the recipe's own numbers."""
    section, settings = recipe.optimizer, recipe.train
    said = []
    if processes.count > 1 or settings.accumulate > 1 or settings.repeats > 1:
        each = settings.batch_size / processes.count / settings.accumulate
        views = f", {settings.repeats} views each" if settings.repeats > 1 else ""
        said.append(
            f"batches of {settings.batch_size} samples{views}: {processes.count} processes x {settings.accumulate} "
            f"parts of {each:g}"
        )
    if section.lr_per_samples is not None:
        rate = section.lr * rate_factor(section, settings.batch_size)
        said.append(
            f"learning rate {rate:g}: {section.lr:g} per {section.lr_per_samples} samples, batches of "
            f"{settings.batch_size}"
        )
    return said


def _check_size(recipe: Recipe, data: DataSet) -> None:
    """Raise `InputError` where data and recipe disagree before a model is built from them."""
    if recipe.data.classes is not None and recipe.data.classes != len(data.classes):
        todo = "set data.classes, or leave it out"
        raise InputError("data.classes", str(recipe.data.classes), f"{len(data.classes)} in the data", todo)
    if len(data.train) == 0:
        raise InputError(f"the training part of {recipe.name}", "samples", "none", "check the data folder")
