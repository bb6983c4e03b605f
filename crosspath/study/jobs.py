"""Carry out one run of a study, with the weights and the start that its arm has. A finished run is not repeated."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, as_kind, read_json, write_json
from crosspath.layouts import Layout
from crosspath.study.arms import COPY, LORA, LORA_8, MIMETIC, RANDOM, SHUFFLED, SPECTRUM
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
from crosspath.training.pathways import selection_of
from crosspath.training.result import Result
from crosspath.training.run import train
from crosspath.training.run_folder import drop_weights

RANDOM_COPY = "random-copy"
"""The control of `copy`: a copy of random values."""
Control = Callable[[Auxiliary, int, Layout | str | None], Auxiliary]
CONTROLS: Mapping[str, Control] = {
    RANDOM.name: random_auxiliary,
    RANDOM_COPY: random_auxiliary,
    SHUFFLED.name: shuffled_auxiliary,
    SPECTRUM.name: spectrum_auxiliary,
}
COPIES = (COPY.name, RANDOM_COPY)
STARTS: Mapping[str, Callable[[int], Start]] = {
    MIMETIC.name: mimetic_start,
    LORA.name: partial(low_rank_start, 1),
    LORA_8.name: partial(low_rank_start, 8),
}
"""Arms that begin with a change to the target alone, by their seed."""
DIVERGENCE = "diverged.json"
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
    cell = job.cell
    # Settings that repeat the shipped recipe's are the user's as well.
    recipe = fit_to_start(job.recipe, cell.from_, cell.settings)
    auxiliaries, start = parts_of(cell, recipe, job.seed, place, CONTROLS)
    folder = place.runs / job.folder
    return train(
        recipe,
        out=folder,
        data=place.data_root,
        start_from=cell.from_,
        auxiliaries=auxiliaries,
        start=start,
        progress=False,
        resume=folder.exists(),
    )


def parts_of(
    cell: Cell, recipe: Recipe, seed: int, place: Place, controls: Mapping[str, Control]
) -> tuple[dict[str, Auxiliary], Start | None]:
    """What an arm gives its target: auxiliaries to connect, those of `controls` redrawn, and a start of its own."""
    if cell.arm.name in STARTS:
        return {}, STARTS[cell.arm.name](seed)
    if cell.auxiliary is None:
        return {}, None
    source = auxiliary_source(place.auxiliaries[cell.auxiliary])
    selection = selection_of(recipe.pathway, cell.auxiliary)
    if cell.arm.name in controls:
        source = controls[cell.arm.name](source, seed, selection["auxiliary_layout"])
    if cell.arm.name in COPIES:
        return {}, copied_start(source, selection)
    return {cell.auxiliary: source}, None


def attempt_job(job: Job, place: Place) -> Result | None:
    """`run_job`; None for a trial of the search that diverges, which only says that its rate is too high. Its folder
    states that, so that it is not repeated. A trial keeps its score and not its weights, which nothing reads.

    Raises
    ------
    InputError
        For a reported run that diverges, with its name, and whatever else ends a run.
    """
    record = place.runs / job.folder / DIVERGENCE
    if job.search and record.is_file():
        return None
    start = time.perf_counter()
    try:
        result = run_job(job, place)
    except DivergenceError as error:
        if not job.search:
            expected, found = "training that stays finite, as in its search", f"{error.found} at {error.where}"
            raise InputError(job.label, expected, found, "search lower rates, with another --out") from None
        seconds = (time.perf_counter() - start) * place.threads
        write_json(record, {"format_version": FORMAT_VERSION, "reason": str(error), "core_seconds": seconds})
        return None
    if job.search:
        drop_weights(place.runs / job.folder)
    return result


def read_divergence(folder: Path) -> float:
    """The core-seconds of a trial that diverged. Raises `InputError` for a damaged record."""
    return float(as_kind(read_json(folder / DIVERGENCE).get("core_seconds", 0.0), float, folder / DIVERGENCE))
