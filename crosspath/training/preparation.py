"""What a run needs before its first step: recipe, data, model, feed. Bad input is refused here, before anything is
written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.data.cache import Store
from crosspath.data.examples import DataSet
from crosspath.evaluation.devices import Compute, choose_compute
from crosspath.modalities.calibration import calibrate
from crosspath.modalities.load import load_data
from crosspath.modalities.split import split_store
from crosspath.objectives import Objective, objective_of
from crosspath.training.assembly import Assembly, assemble, sources_of
from crosspath.training.demands import check_demands
from crosspath.training.features import FeatureFeed, Features, frozen_features
from crosspath.training.feed import Feed
from crosspath.training.inputs import batch_notes
from crosspath.training.processes import Processes
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.trackers import check_trackers


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """All that a run needs before its first step."""

    run: RunFolder
    """With the recipe that the data complete."""
    data: DataSet
    compute: Compute
    objective: Objective
    classes: tuple[str, ...]
    assembly: Assembly
    feed: Feed
    features: Features | None
    notes: tuple[str, ...]


def prepare(
    run: RunFolder,
    report: Listener,
    processes: Processes,
    data_source: str | Path | Store | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
) -> Preparation:
    """Read sources and data, and build the model with its pathways.

    Raises
    ------
    InputError
        For anything that the user can put right.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    recipe = run.recipe
    check_trackers(recipe)
    compute = choose_compute(recipe)
    compute = replace(compute, device=processes.device(compute.device))
    sources = sources_of(auxiliaries)
    with processes.main_first():
        if isinstance(data_source, Store):
            data = split_store(recipe.data, data_source, recipe.train.seed)
        else:
            root = None if data_source is None else Path(data_source)
            data = load_data(recipe.data, root, recipe.train.seed, progress=report.preparing)
    run = processes.run_on_main(lambda: run.with_samples(data.fingerprint))
    recipe = calibrate(recipe, data)
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
    if processes.count > 1:
        # Weights are alike by now; dropout of different processes falls on different samples.
        torch.manual_seed(recipe.train.seed + processes.rank)
    notes = [*assembly.notes, *batch_notes(recipe, len(data.train), processes), *data.notes]
    notes += [f"skipped {file.path}: {file.reason}" for file in data.damaged_files]
    features = frozen_features(assembly.model, recipe, data, compute, processes, report.preparing)
    if features is not None:
        notes.append(features.note)
        feed = FeatureFeed(**vars(feed), features_ND=features.train)
    return Preparation(
        run=replace(run, recipe=recipe),
        data=data,
        compute=compute,
        objective=objective,
        classes=classes,
        assembly=assembly,
        feed=feed,
        features=features,
        notes=tuple(notes),
    )
