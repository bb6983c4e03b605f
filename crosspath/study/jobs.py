"""Carry out the runs of a study, on local processes or on a Ray cluster. Finished runs are not repeated."""

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from pickle import PicklingError
from typing import Any, Protocol

import torch

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, as_kind, read_json, write_json
from crosspath.modalities import Modality, add_missing, custom_modalities
from crosspath.study.arms import COPY, MIMETIC, NONE, RANDOM, SHUFFLED, SPECTRUM
from crosspath.study.controls import (
    copied_start,
    mimetic_start,
    random_auxiliary,
    shuffled_auxiliary,
    spectrum_auxiliary,
)
from crosspath.study.plan import Job
from crosspath.training.finite import DivergenceError
from crosspath.training.pathways import selection_of
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


class Pool(Protocol):
    """Workers that carry out jobs."""

    @property
    def size(self) -> int:
        """Number of jobs at a time."""

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        """Start a job."""


@dataclass(frozen=True)
class LocalPool:
    """Processes of this machine; with GPUs, each process uses one of them."""

    size: int
    executor: ProcessPoolExecutor

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        return self.executor.submit(attempt_job, job, place)


@dataclass(frozen=True)
class RayPool:
    """Tasks of a Ray cluster whose machines share the study's folder. A task on a machine that fails is repeated."""

    size: int
    remote: Callable[[Job, Place], "Future[Result | None]"]

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        return self.remote(job, place)


@contextmanager
def local_pool(workers: int, *, offline: bool = False) -> Iterator[LocalPool]:
    """`workers` processes, which end with this one, even if it is killed; `offline`, they read models of a hub from the
    local cache alone, without asking after newer ones.

    Raises
    ------
    InputError
        For a modality that is not shipped and whose functions other processes cannot import.
    """
    for modality in custom_modalities():
        try:
            pickle.dumps(modality)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            todo = "define them at the top level of a module"
            raise InputError(f"modality {modality.name}", "functions of a module", str(error), todo) from None
    context = get_context("spawn")
    devices = context.Queue()
    for index in range(workers):
        devices.put(index % max(1, torch.cuda.device_count()))
    executor = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(devices, _portable_modalities(), offline)
    )
    try:
        yield LocalPool(workers, executor)
    finally:
        executor.shutdown(cancel_futures=True)


def _portable_modalities() -> tuple[Modality[Any, Any, Any], ...]:
    """The user's modalities, which every worker adds. Raises `InputError` for one that holds a lambda or the like."""
    modalities = custom_modalities()
    for modality in modalities:
        try:
            ForkingPickler.dumps(modality)
        except (PicklingError, AttributeError, TypeError) as error:
            todo = "define them at the top of a module, not as lambdas"
            raise InputError(
                f"modality {modality.name}", "functions that other processes can import", str(error), todo
            ) from None
    return modalities


@contextmanager
def ray_pool(address: str | None, threads: int) -> Iterator[RayPool]:
    """The Ray cluster at `address`; `auto` for the one of this machine.

    Raises
    ------
    InputError
        If Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--ray", "Ray", "none installed", "pip install 'crosspath[study]'") from None
    owner = not ray.is_initialized()
    try:
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, ValueError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"--ray {address}", "a Ray cluster", message, "start one with `ray start --head`") from None
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = resources.get("GPU", 0.0)
    work = ray.remote(num_cpus=threads, num_gpus=1 if gpus else 0, max_retries=-1)(_run_job_remotely)
    size = int(gpus or resources.get("CPU", 1.0) // threads)
    try:
        yield RayPool(max(1, size), lambda job, place: work.remote(job, place, custom_modalities()).future())
    finally:
        if owner:
            ray.shutdown()


def _run_job_remotely(job: Job, place: Place, modalities: Sequence[Modality[Any, Any, Any]]) -> Result | None:
    add_missing(modalities)
    return attempt_job(job, place)


def _start_worker(devices: "object", modalities: Sequence[Modality[Any, Any, Any]], offline: bool) -> None:
    """In a new worker: add modalities that are not shipped, choose a device, and exit with the parent process even if
    that is killed.
    """
    add_missing(modalities)
    if offline:
        from huggingface_hub import constants

        constants.HF_HUB_OFFLINE = True
    device = devices.get()  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        torch.cuda.set_device(device)
    parent = parent_process()
    assert parent is not None

    def exit_with_parent() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()
    sys.stdout = sys.stderr


@dataclass(frozen=True)
class Step:
    """Jobs that can run at the same time, and the step that follows from their results."""

    jobs: tuple[Job, ...]
    then: Callable[[tuple[Result | None, ...]], "Step | None"]


def run_steps(
    steps: tuple[Step, ...], pool: Pool, place: Place, report: Callable[[Job, Result | None], None] = lambda *_: None
) -> None:
    """Carry out all steps and those that follow, the earliest first, with as many jobs at a time as the pool can hold.

    A job that several steps need runs once. `report` is called after each job. The first error is raised once the
    running jobs have ended.

    Raises
    ------
    InputError
        For a process that was killed, as the system does when memory runs out.
    """
    waiting: list[tuple[int, Job]] = []
    stages: dict[int, Step] = {}
    results: dict[Path, Result | None] = {}
    running: dict[Future[Result | None], Job] = {}

    def add(number: int, step: Step | None) -> None:
        while step is not None:
            stages[number] = step
            waiting.extend((number, job) for job in step.jobs if job.folder not in results)
            if any(job.folder not in results for job in step.jobs):
                waiting.sort(key=lambda entry: entry[0])
                return
            step = step.then(tuple(results[job.folder] for job in step.jobs))
        stages.pop(number, None)

    for number, step in enumerate(steps):
        add(number, step)
    with _naming_killed(running):
        while waiting or running:
            busy = {job.folder for job in running.values()}
            while waiting and len(running) < pool.size:
                _, job = waiting.pop(0)
                if job.folder not in results and job.folder not in busy:
                    running[pool.submit(job, place)] = job
                    busy.add(job.folder)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running[future]
                results[job.folder] = future.result()
                del running[future]
                report(job, results[job.folder])
            for number, step in sorted(stages.items()):
                if all(job.folder in results for job in step.jobs):
                    add(number, step.then(tuple(results[job.folder] for job in step.jobs)))


@contextmanager
def _naming_killed(running: Mapping["Future[Result | None]", Job]) -> Iterator[None]:
    try:
        yield
    except BrokenExecutor:
        labels = " or ".join(dict.fromkeys(job.label for job in running.values())) or "a run"
        todo = "free memory, whose want is the usual cause, and repeat the command: finished runs stay"
        raise InputError(labels, "a process that runs to its end", "one that was killed", todo) from None
