"""A run from top to bottom: sources, data, model, pathways, epochs, test and result."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.config.starts import require_one_start
from crosspath.data.cache import Store
from crosspath.deprecated import renamed
from crosspath.errors import InputError
from crosspath.evaluation.devices import choose_compute
from crosspath.modalities.calibration import calibrate
from crosspath.modalities.load import load_data
from crosspath.modalities.memory import in_memory_section, is_in_memory, memory_store
from crosspath.modalities.split import split_store
from crosspath.objectives import objective_of
from crosspath.recipes import PRETRAINING, RECIPES, recipe_named
from crosspath.starts import SETTING, start_named
from crosspath.training.assembly import assemble, sources_of
from crosspath.training.conclusion import conclude
from crosspath.training.demands import check_demands
from crosspath.training.environment import conditions
from crosspath.training.epochs import Training
from crosspath.training.features import FeatureFeed, frozen_features
from crosspath.training.held_out import read_part
from crosspath.training.inputs import batch_notes, resolve_folder, run_inputs
from crosspath.training.pathways import (
    idle_pathways,
    strengths_of,
)
from crosspath.training.processes import Processes, join_processes
from crosspath.training.progress import Listener, reporter
from crosspath.training.result import Result
from crosspath.training.resume import load_newest_state
from crosspath.training.run_folder import PICTURES, RECONSTRUCTIONS, RunFolder, open_run_folder
from crosspath.training.trackers import check_trackers, trackers


@renamed(data_root="data", from_checkpoint="start_from")
def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data: Any = None,
    start_from: str | Path | None = None,
    auxiliaries: Mapping[str, str | Path | Auxiliary] | None = None,
    start: str | Start | None = None,
    settings: Settings = (),
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
    data
        The folder that holds one folder per data set; for a `folder` recipe, the folder with the data itself. Or data
        in memory, which replace the set of the recipe: (X, y), a `torch.utils.data.Dataset` of (sample, label), a
        Hugging Face `Dataset`, or {"train": ..., "validation": ..., "test": ...} of these; parts that are not given are
        drawn as for a folder. See docs/data.md for what a sample may be.
    start_from
        The target's own starting weights: a checkpoint, whose head is skipped where it has another shape (a note says
        so); or a foundation model: the folder of a Hugging Face or timm model, `hf:OWNER/NAME` or `timm:NAME`, whose
        architecture and inputs the recipe then has (docs/foundation.md).
    auxiliaries
        {name: checkpoint, `timm:NAME`, `hf:OWNER/NAME`, or an `Auxiliary` in memory}; connected with the recipe's
        `pathway` section.
    start
        The name of a way to start the pathways, as `--start` takes it; or a `Start`: what else is done to the target's
        own weights before pathways are connected, such as closed-form attention.
    settings
        What `--set` takes: {"train.epochs": 20, "pathway.start": "whole-body"}, or texts `section.field=value`.
    progress
        Show a bar (on a terminal) or a line an epoch on stderr; or a listener to call instead.
    resume
        Resume the run in `out`: a finished one returns its result, an unfinished one resumes from its newest complete
        state and ends bit-identical to an uninterrupted one; without a state it starts over, and a message says so.

    Raises
    ------
    InputError
        For anything that the user can put right: recipe, folder, data, checkpoints, a loss that is no longer finite.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    shipped = str(recipe) in RECIPES
    recipe, texts = recipe if isinstance(recipe, Recipe) else recipe_named(recipe), setting_texts(settings)
    if isinstance(start, str):
        require_one_start(start, texts)
        texts, start = (*texts, f"{SETTING}={start_named(start, 'start').name}"), None
    recipe = fit_to_start(apply_overrides(recipe, texts), start_from, texts, shipped=shipped)
    return _open_and_run(recipe, out, data, start_from, dict(auxiliaries or {}), start, progress, resume)


@renamed(data_root="data", from_checkpoint="start_from")
def pretrain(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data: Any = None,
    start_from: str | Path | None = None,
    settings: Settings = (),
    progress: bool | Listener = True,
    resume: bool = False,
) -> Result:
    """Pretrain the recipe's encoder by masked modelling, which needs no labels; see `train` for the parameters.

    The run folder (`runs/pretrain/<recipe name>` when not given) is a start for a classifier of the same recipe name
    (`start_from`) and an auxiliary for any other. Its `reconstructions/` show held-out samples, what the encoder
    saw of them, and what the decoder made of it.

    Raises
    ------
    InputError
        As `train`, and for a recipe that does not pretrain.
    """
    shipped = str(recipe) in PRETRAINING
    recipe = recipe if isinstance(recipe, Recipe) else recipe_named(recipe, "masked_modeling")
    texts = setting_texts(settings)
    recipe = fit_to_start(apply_overrides(recipe, texts), start_from, texts, shipped=shipped)
    if objective_of(recipe).verb != "pretrain":
        raise InputError("objective", "masked_modeling", recipe.objective, "use `crosspath train`")
    out = Path("runs") / "pretrain" / recipe.name if out is None else out
    return _open_and_run(recipe, out, data, start_from, {}, None, progress, resume)


def _open_and_run(
    recipe: Recipe,
    out: str | Path | None,
    given: Any,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
    progress: bool | Listener,
    resume: bool,
) -> Result:
    """Open the run folder; return the result of a finished run, or run."""
    memory = memory_store(recipe.data, given) if is_in_memory(given) else None
    data_root = None if memory is not None else given
    if memory is not None:
        recipe = recipe.model_copy(update={"data": in_memory_section(recipe.data, memory)})
    recipe = resolve_folder(recipe, data_root)
    processes = join_processes(recipe.train.device, sharded=recipe.train.parallel == "sharded")
    out = Path("runs") / recipe.name if out is None else Path(out)
    inputs = run_inputs(data_root, from_checkpoint, auxiliaries, start, memory)
    # One process looks at the folder, before any of them writes to it; an error there ends them all.
    run = processes.run_on_main(lambda: open_run_folder(out, recipe, inputs, resume=resume))
    shown = progress if processes.main or not isinstance(progress, bool) else False
    with ExitStack() as claims, reporter(shown) as report:
        if isinstance(run, Result):
            report.say(f"{out}: this run is finished already")
            return run
        return _run(run, claims, report, processes, memory or data_root, from_checkpoint, auxiliaries, start)


def _run(
    run: RunFolder,
    claims: ExitStack,
    report: Listener,
    processes: Processes,
    given: str | Path | Store | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
) -> Result:
    start_time = time.perf_counter()
    recipe = run.recipe
    seed = recipe.train.seed

    # Bad input is refused before anything is written.
    check_trackers(recipe)
    compute = choose_compute(recipe)
    compute = replace(compute, device=processes.device(compute.device))
    sources = sources_of(auxiliaries)
    with processes.main_first():
        if isinstance(given, Store):
            data = split_store(recipe.data, given, seed)
        else:
            data = load_data(recipe.data, None if given is None else Path(given), seed, progress=report.preparing)
    recipe = calibrate(recipe, data)
    run = replace(run, recipe=recipe)
    feed = check_demands(recipe, data, processes, compute.device)
    objective = objective_of(recipe)
    classes = tuple(data.classes) if objective.labelled else ()

    assembly = assemble(
        recipe,
        objective,
        len(classes),
        from_checkpoint=from_checkpoint,
        start=start,
        sources=sources,
        device=compute.device,
        processes=processes,
    )
    model, notes = assembly.model, [*assembly.notes]
    if processes.count > 1:
        # Weights are alike by now; dropout of different processes falls on different samples.
        torch.manual_seed(seed + processes.rank)
    notes.extend(batch_notes(recipe, processes))
    notes.extend(data.notes)
    for damaged in data.damaged:
        notes.append(f"skipped {damaged.path}: {damaged.reason}")

    features = frozen_features(model, recipe, data, compute, processes, report.preparing)
    if features is not None:
        notes.append(features.note)
        feed = FeatureFeed(**vars(feed), features_ND=features.train)
    report.say(f"computing on {compute.device} in {compute.precision}: {compute.reason}")
    for note in (*notes, *run.changes):
        report.say(note)
    # From here on this run writes, and its first process holds the folder for all of them.
    processes.run_on_main(lambda: claims.enter_context(run.claim()))
    state = load_newest_state(run, report, processes)
    open_trackers = trackers(recipe, run.path, state[0].step if state else 0) if processes.main else []
    try:
        training = Training(
            run=run,
            report=report,
            objective=objective,
            classes=classes,
            data=data,
            feed=feed,
            compute=compute,
            processes=processes,
            model=model,
            auxiliaries=assembly.origins,
            environment=conditions(compute.device, processes.count),
            trackers=open_trackers,
            saved=state,
            features=features,
        )
        outcome = training.run_epochs()
        if start is not None and start.finish is not None:
            start.finish(outcome.model)
    finally:
        for tracker in open_trackers:
            tracker.close()
    idle = idle_pathways(
        assembly.strengths,
        strengths_of(outcome.model),
        scale_init=recipe.pathway.scale_init,
        pretrained=from_checkpoint is not None,
    )
    for note in idle:
        report.say(note)
    # The one reading of the test part.
    test: dict[str, float] = {}
    if recipe.evaluate.test:
        test = read_part(outcome.model.to(compute.device), recipe, data.test, compute, processes, protocol=True)
    result = conclude(
        training,
        assembly,
        test,
        seconds=time.perf_counter() - start_time,
        from_checkpoint=from_checkpoint,
        notes=(*notes, *run.changes_so_far(), *idle),
    )
    if processes.main:
        if recipe.evaluate.pictures and objective.picture_writer is not None and len(data.validation):
            folder = run.path / (RECONSTRUCTIONS if objective.verb == "pretrain" else PICTURES)
            objective.picture_writer(
                outcome.model, recipe, data.validation, folder, compute.device, compute.autocast, classes
            )
        run.finish(outcome.model, result)
    processes.wait()
    return result
