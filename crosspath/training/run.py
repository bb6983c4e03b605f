"""A run from top to bottom: sources, data, model, pathways, epochs, test and result."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.config.starts import require_one_start
from crosspath.config.unused import refuse_without_auxiliaries
from crosspath.data.cache import Store
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.modalities.memory import in_memory_section, is_in_memory, memory_store
from crosspath.objectives import objective_of
from crosspath.recipes import PRETRAINING, RECIPES, recipe_named
from crosspath.starts import SETTING, start_named
from crosspath.training.conclusion import conclude
from crosspath.training.environment import conditions
from crosspath.training.epochs import Training
from crosspath.training.held_out import read_part
from crosspath.training.inputs import resolve_folder, run_inputs
from crosspath.training.pathways import (
    idle_pathways,
    strengths_of,
)
from crosspath.training.preparation import Preparation, prepare
from crosspath.training.processes import Processes, join_processes
from crosspath.training.progress import Listener, reporter
from crosspath.training.result import Result
from crosspath.training.resume import load_newest_state
from crosspath.training.run_folder import PICTURES, RECONSTRUCTIONS, RunFolder, open_run_folder
from crosspath.training.trackers import trackers


@older_keywords(data_root="data", from_checkpoint="start_from")
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
        For anything that the user can put right: recipe, folder, data, checkpoints, a loss that is no longer finite;
        settings of pathways without an auxiliary.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    shipped = str(recipe) in RECIPES
    recipe, texts = recipe if isinstance(recipe, Recipe) else recipe_named(recipe), setting_texts(settings)
    options = {"start": start if isinstance(start, str) else None}
    if isinstance(start, str):
        require_one_start(start, texts)
        texts, start = (*texts, f"{SETTING}={start_named(start, 'start').name}"), None
    if not auxiliaries:
        refuse_without_auxiliaries(texts, options)
    recipe = fit_to_start(apply_overrides(recipe, texts), start_from, texts, shipped=shipped)
    return _open_and_run(recipe, out, data, start_from, dict(auxiliaries or {}), start, progress, resume)


@older_keywords(data_root="data", from_checkpoint="start_from")
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
    refuse_without_auxiliaries(texts, pretraining=True)
    recipe = fit_to_start(apply_overrides(recipe, texts), start_from, texts, shipped=shipped)
    if objective_of(recipe).verb != "pretrain":
        raise InputError("objective", "masked_modeling", recipe.objective, "use `crosspath train`")
    out = Path("runs") / "pretrain" / recipe.name if out is None else out
    return _open_and_run(recipe, out, data, start_from, {}, None, progress, resume)


def _open_and_run(
    recipe: Recipe,
    out: str | Path | None,
    data_source: Any,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
    progress: bool | Listener,
    resume: bool,
) -> Result:
    """Open the run folder; return the result of a finished run, or run."""
    memory = memory_store(recipe.data, data_source) if is_in_memory(data_source) else None
    data_root = None if memory is not None else data_source
    if memory is not None:
        recipe = recipe.model_copy(update={"data": in_memory_section(recipe.data, memory)})
    recipe = resolve_folder(recipe, data_root)
    processes = join_processes(recipe.train.device, sharded=recipe.train.parallel == "sharded")
    out = Path("runs") / recipe.name if out is None else Path(out)
    inputs = run_inputs(data_root, from_checkpoint, auxiliaries, start, memory)
    # One process looks at the folder, before any of them writes to it; an error there ends them all.
    run = processes.run_on_main(lambda: open_run_folder(out, recipe, inputs, resume=resume))
    show = progress if processes.main or not isinstance(progress, bool) else False
    with ExitStack() as claims, reporter(show) as report:
        if isinstance(run, Result):
            report.say(f"{out}: this run is finished already")
            return run
        return _run(run, claims, report, processes, memory or data_root, from_checkpoint, auxiliaries, start)


def _run(
    run: RunFolder,
    claims: ExitStack,
    report: Listener,
    processes: Processes,
    data_source: str | Path | Store | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
) -> Result:
    start_time = time.perf_counter()
    ready = prepare(run, report, processes, data_source, from_checkpoint, auxiliaries, start)
    run, recipe, compute = ready.run, ready.run.recipe, ready.compute
    report.say(f"computing on {compute.device} in {compute.precision}: {compute.reason}")
    for note in (*ready.notes, *run.changes):
        report.say(note)
    # From here on this run writes, and its first process holds the folder for all of them.
    processes.run_on_main(lambda: claims.enter_context(run.claim()))
    training = _train(ready, report, processes)
    model = training.outcome.model
    if start is not None and start.finish is not None:
        start.finish(model)
    idle = idle_pathways(
        ready.assembly.strengths,
        strengths_of(model),
        scale_init=recipe.pathway.scale_init,
        pretrained=from_checkpoint is not None,
        frozen_body=recipe.train.scope != "all",
    )
    for note in idle:
        report.say(note)
    # The one reading of the test part.
    test: dict[str, float] = {}
    if recipe.evaluate.test:
        test = read_part(model.to(compute.device), recipe, ready.data.test, compute, processes, protocol=True)
    result = conclude(
        training,
        ready.assembly,
        test,
        seconds=time.perf_counter() - start_time,
        from_checkpoint=from_checkpoint,
        notes=(*ready.notes, *run.changes_so_far(), *idle),
    )
    if processes.main:
        run.finish(model, result)
        _draw(ready, model)
    processes.wait()
    return result


def _train(ready: Preparation, report: Listener, processes: Processes) -> Training:
    """All epochs, from the newest state of an interrupted run on."""
    run, recipe = ready.run, ready.run.recipe
    state = load_newest_state(run, report, processes)
    open_trackers = trackers(recipe, run.path, state[0].step if state else 0) if processes.main else []
    try:
        training = Training(
            run=run,
            report=report,
            objective=ready.objective,
            classes=ready.classes,
            data=ready.data,
            feed=ready.feed,
            compute=ready.compute,
            processes=processes,
            model=ready.assembly.model,
            auxiliaries=ready.assembly.origins,
            environment=conditions(ready.compute.device, processes.count),
            trackers=open_trackers,
            state=state,
            features=ready.features,
        )
        training.run_epochs()
    finally:
        with ExitStack() as stack:  # the others, where one cannot be closed
            for tracker in open_trackers:
                stack.callback(tracker.close)
    return training


def _draw(ready: Preparation, model: nn.Module) -> None:
    """The pictures that the recipe asks for, of held-out samples."""
    recipe, objective, data = ready.run.recipe, ready.objective, ready.data
    if recipe.evaluate.pictures and objective.picture_writer is not None and len(data.validation):
        folder = ready.run.path / (RECONSTRUCTIONS if objective.verb == "pretrain" else PICTURES)
        device, autocast = ready.compute.device, ready.compute.autocast
        objective.picture_writer(model, recipe, data.validation, folder, device, autocast, ready.classes)
