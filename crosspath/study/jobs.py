"""Carry out one run of a study, with the weights and the start that its arm has. A finished run is not repeated."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.files import FORMAT_VERSION, as_kind, read_json, write_json
from crosspath.objectives import objective_of
from crosspath.study.arms import COPY, LORA, MIMETIC, NONE, RANDOM, SHUFFLED, SPECTRUM
from crosspath.study.cells import Cell, Job
from crosspath.study.controls import (
    copied_start,
    mimetic_start,
    random_auxiliary,
    shuffled_auxiliary,
    spectrum_auxiliary,
)
from crosspath.study.low_rank import low_rank_start
from crosspath.training.finite import DivergenceError
from crosspath.training.pathways import connect_auxiliaries, selection_of
from crosspath.training.result import Result
from crosspath.training.run import train

RANDOM_COPY = "random-copy"
"""The control of `copy`: a copy of random values."""
CONTROLS = {
    RANDOM.name: random_auxiliary,
    RANDOM_COPY: random_auxiliary,
    SHUFFLED.name: shuffled_auxiliary,
    SPECTRUM.name: spectrum_auxiliary,
}
COPIES = (COPY.name, RANDOM_COPY)
DIVERGED = "diverged.json"
"""The file of a trial whose training did not stay finite, in place of a result."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The paths that a job needs; small, since it is sent to every worker."""

    runs: Path
    data_root: Path | None
    auxiliaries: dict[str, str]
    threads: int


def run_job(job: Job, place: Place) -> Result:
    """Carry out one run in this process, or return its result if it is finished."""
    torch.set_num_threads(place.threads)
    cell, seed = job.cell, job.seed
    source = None if cell.auxiliary is None else auxiliary_source(place.auxiliaries[cell.auxiliary])
    recipe = job.recipe
    # Settings that repeat the shipped recipe's are the user's as well.
    recipe = fit_to_start(recipe, cell.from_, cell.settings)
    selection = selection_of(recipe.pathway, str(cell.auxiliary))
    start = None
    if cell.arm.name == MIMETIC.name:
        start = mimetic_start(seed)
    if cell.arm.name == LORA.name:
        start = low_rank_start(seed)
    if source is not None and cell.arm.name in CONTROLS:
        source = CONTROLS[cell.arm.name](source, seed, selection["auxiliary_layout"])
    if source is not None and cell.arm.name in COPIES:
        start, source = copied_start(source, selection), None
    folder = place.runs / job.folder
    return train(
        recipe,
        out=folder,
        data=place.data_root,
        start_from=cell.from_,
        auxiliaries={} if source is None or cell.arm.name == NONE.name else {str(cell.auxiliary): source},
        start=start,
        progress=False,
        resume=folder.exists(),
    )


def require_fits(cells: Iterable[Cell], place: Place) -> None:
    """Raise what a run would for an auxiliary that does not fit its target: before the first run rather than in one of
    the last. Cells that have begun are left out, and of those that would connect the same, one is tried.

    Raises
    ------
    InputError
        For an auxiliary that does not fit.
    """
    tried = set()
    for cell in cells:
        if cell.auxiliary is None or (place.runs / cell.folder).exists():
            continue
        recipe = fit_to_start(cell.recipe(cell.grid.rates[0], 0, search=False), cell.from_, cell.settings)
        copies = cell.arm.name in COPIES
        key = (recipe.model.model_dump_json(), recipe.pathway.model_dump_json(), cell.target, cell.auxiliary, copies)
        if key in tried:
            continue
        tried.add(key)
        source = auxiliary_source(place.auxiliaries[cell.auxiliary])
        with torch.random.fork_rng(devices=[]):
            model = objective_of(recipe).build(recipe, recipe.data.classes or 1)
        if copies:
            copied_start(source, selection_of(recipe.pathway, cell.auxiliary)).apply(model)
        else:
            connect_auxiliaries(model, recipe.pathway, {cell.auxiliary: source.weights})


def attempt_job(job: Job, place: Place) -> Result | None:
    """`run_job`; None for a trial of the search that diverges, which only says that its rate is too high. Its folder
    states that, so that it is not repeated.
    """
    record = place.runs / job.folder / DIVERGED
    if job.search and record.is_file():
        return None
    start = time.perf_counter()
    try:
        return run_job(job, place)
    except DivergenceError as error:
        if not job.search:
            raise
        seconds = (time.perf_counter() - start) * place.threads
        write_json(record, {"format_version": FORMAT_VERSION, "reason": str(error), "core_seconds": seconds})
        return None


def read_diverged(folder: Path) -> float:
    """The core-seconds of a trial that diverged. Raises `InputError` for a damaged record."""
    return float(as_kind(read_json(folder / DIVERGED).get("core_seconds", 0.0), float, folder / DIVERGED))
