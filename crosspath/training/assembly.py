"""The model of a run before its first step: built, given its start and its pathways, and limited to what learns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.foreign.start import load_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.config import Recipe
from crosspath.config.starts import start_note
from crosspath.errors import InputError
from crosspath.objectives import Objective
from crosspath.pathway import pathways
from crosspath.pathway.engines.engine import Engine
from crosspath.training.finite import check_weights
from crosspath.training.pathways import Strengths, connect_auxiliaries, starts_of, strengths_of
from crosspath.training.processes import Processes
from crosspath.training.scope import limit_scope, scope_notes


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """The model, and what a result says of how it was made."""

    model: nn.Module
    notes: list[str]
    origins: Mapping[str, Mapping[str, Any]]
    """{auxiliary: where it came from}."""
    starts: Mapping[tuple[str, str], Tensor]
    """Of the pathways: what `likeness_of` compares the trained ones with."""
    strengths: Strengths
    """Of the pathways, before the first step."""


def sources_of(auxiliaries: Mapping[str, str | Path | Auxiliary]) -> dict[str, Auxiliary]:
    """The auxiliaries, opened. Raises `InputError` for one that cannot be read."""
    return {
        name: source if isinstance(source, Auxiliary) else auxiliary_source(source)
        for name, source in auxiliaries.items()
    }


def assemble(
    recipe: Recipe,
    objective: Objective,
    classes: int,
    *,
    from_checkpoint: str | Path | None,
    start: Start | None,
    sources: Mapping[str, Auxiliary],
    device: torch.device,
    processes: Processes,
) -> Assembly:
    """Build the recipe's model, from torch's random state at `train.seed`, and connect it.

    Raises
    ------
    InputError
        For a start that does not fit, weights that are not finite, and settings that exclude each other.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit.
    """
    torch.manual_seed(recipe.train.seed)
    model = objective.build(recipe, classes)
    notes = load_start(model, recipe, from_checkpoint) if from_checkpoint is not None else []
    if start is not None:
        notes.extend(start.apply(model))
    model.to(device)
    if sources:
        notes.extend(_connect(model, recipe, sources, processes))
    origins = {name: source.record() for name, source in sources.items()}
    check_weights(model, recipe.name if from_checkpoint is None else from_checkpoint)
    limit_scope(model, recipe)
    notes.extend(scope_notes(model, recipe))
    return Assembly(model=model, notes=notes, origins=origins, starts=starts_of(model), strengths=strengths_of(model))


def _connect(model: nn.Module, recipe: Recipe, sources: Mapping[str, Auxiliary], processes: Processes) -> list[str]:
    """Give the model its pathways; returns notes for the user."""
    # Shards of a weight have no room beside them for what the optimizer would hold.
    has_learned_fit = recipe.pathway.fit == "learned"
    if has_learned_fit and processes.sharded:
        expected, todo = "a fit without parameters of its own, beside train.parallel=sharded", "use spectra"
        raise InputError("pathway.fit", expected, "learned", todo)
    engine: Engine = "live" if processes.sharded or has_learned_fit else "optimizer"
    connect_auxiliaries(model, recipe.pathway, {name: source.weights for name, source in sources.items()}, engine)
    for name, source in sources.items():
        pathways(model).describe(name, source.origin, source.sha256)
    notes = [note for note in [start_note(recipe)] if note]
    if has_learned_fit:
        notes.append("pathway.fit=learned: P and Q are computed at every read (the engine `live`)")
    return notes
