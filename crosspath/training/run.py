"""A run, told from top to bottom: sources, data, model, pathways, epochs, and what is left behind."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from crosspath.checkpoints.load import auxiliary_source, checkpoint_files
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import load_weights_from
from crosspath.config import Recipe
from crosspath.config.training import PathwaySection
from crosspath.data.examples import DataSet
from crosspath.data.load import load_data, located
from crosspath.errors import InputError
from crosspath.evaluation.cost import measure_cost
from crosspath.evaluation.devices import choose_compute
from crosspath.modalities import generated_batch
from crosspath.models.build import build_model
from crosspath.pathway import connect, pathways
from crosspath.pathway.sources import sha256_of_file
from crosspath.recipes import recipe_named
from crosspath.training.environment import environment
from crosspath.training.epochs import read_part, scales_of, train_epochs
from crosspath.training.progress import Listener, reporter
from crosspath.training.result import Result
from crosspath.training.run_folder import RunFolder, open_run_folder


def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    from_checkpoint: str | Path | None = None,
    auxiliaries: Mapping[str, str | Path | Auxiliary] | None = None,
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
    progress
        Show a bar (on a terminal) or a line an epoch on stderr; or the listener that is told instead.
    resume
        Take up the run in `out`: a finished one gives its result, an unfinished one starts over.

    Raises
    ------
    InputError
        For anything the user can mend: recipe, folder, data, checkpoints, a loss that is no longer finite.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    recipe = _placed(recipe if isinstance(recipe, Recipe) else recipe_named(recipe), data_root)
    out = Path("runs") / recipe.name if out is None else Path(out)
    inputs = {
        "data": None if data_root is None else str(Path(data_root).resolve()),
        "from": None if from_checkpoint is None else _identity(from_checkpoint),
        "auxiliaries": {name: _identity(given) for name, given in (auxiliaries or {}).items()},
    }
    run = open_run_folder(out, recipe, inputs, resume=resume)
    with reporter(progress) as report:
        if isinstance(run, Result):
            report.say(f"{out}: this run is finished; its result follows")
            return run
        return _run(run, report, data_root, from_checkpoint, dict(auxiliaries or {}))


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
    data_root: str | Path | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
) -> Result:
    started = time.perf_counter()
    recipe = run.recipe
    seed = recipe.train.seed

    # Everything that can be wrong with what the user gave shows before anything is written.
    compute = choose_compute(recipe)
    sources = {
        name: given if isinstance(given, Auxiliary) else auxiliary_source(given) for name, given in auxiliaries.items()
    }
    data = load_data(recipe.data, None if data_root is None else Path(data_root), seed, progress=report.preparing)
    _check_size(recipe, data)

    torch.manual_seed(seed)
    model = build_model(recipe, len(data.classes))
    notes = load_weights_from(model, from_checkpoint) if from_checkpoint is not None else []
    model.to(compute.device)
    if sources:
        connect_auxiliaries(model, recipe.pathway, {name: source.weights for name, source in sources.items()})
        for name, source in sources.items():
            pathways(model).describe(name, source.origin, source.sha256)
    origins = {name: source.recorded() for name, source in sources.items()}
    notes.extend(data.notes)
    for damaged in data.damaged:
        notes.append(f"left out {damaged.path}: {damaged.reason}")

    report.say(f"computing on {compute.device} in {compute.precision}: {compute.reason}")
    for note in notes:
        report.say(note)
    if run.start():
        report.say(f"{run.path}: no complete state to resume from: the run starts over")
    kept = train_epochs(run, report, model, data, compute, origins)
    result = Result(
        folder=str(run.path),
        recipe=recipe.name,
        objective=recipe.objective,
        seed=seed,
        metrics={
            "validation": kept.metrics,
            # The one reading of the test part.
            "test": read_part(kept.model, recipe, data.test, compute),
        },
        epoch=kept.epoch,
        epochs=recipe.train.epochs,
        steps=kept.steps,
        samples={"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        classes=tuple(data.classes),
        cost=measure_cost(kept.model, generated_batch(recipe, 1).to(compute.device)).to_json(),
        duration_s=time.perf_counter() - started,
        compute={"device": str(compute.device), "precision": compute.precision, "reason": compute.reason},
        environment=environment(compute.device),
        data={
            "fingerprint": data.fingerprint,
            "damaged": [{"path": str(damaged.path), "reason": damaged.reason} for damaged in data.damaged],
        },
        start=None if from_checkpoint is None else str(from_checkpoint),
        auxiliaries=origins,
        scales=scales_of(kept.model),
        notes=tuple(notes),
    )
    run.finish(kept.model, result)
    return result


def connect_auxiliaries(
    model: nn.Module, section: PathwaySection, auxiliaries: Mapping[str, nn.Module | Mapping[str, torch.Tensor]]
) -> None:
    """Give the model a pathway from each auxiliary, as the recipe's `pathway` section says."""
    connect(
        model,
        dict(auxiliaries),
        roles=section.roles,
        names=section.names,
        blocks=section.blocks,
        accept=section.accept,
        scale_init=section.scale_init,
        scale_per=section.scale_per,
        train_scale=section.train_scale,
        train_auxiliary=section.train_auxiliary,
        bias=section.bias,
    )


def _check_size(recipe: Recipe, data: DataSet) -> None:
    """Raise `InputError` where data and recipe disagree before a model is built from them."""
    if recipe.data.classes is not None and recipe.data.classes != len(data.classes):
        todo = "set data.classes, or leave it out"
        raise InputError("data.classes", str(recipe.data.classes), f"{len(data.classes)} in the data", todo)
    if len(data.train) == 0:
        raise InputError(f"the training part of {recipe.name}", "samples", "none", "check the data folder")
