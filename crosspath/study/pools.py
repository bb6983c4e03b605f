"""Workers that carry out the runs of a study: processes of this machine, or a Ray cluster."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import connection, current_process, get_context, parent_process
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any, Protocol, TypeVar

import torch

from crosspath.errors import InputError
from crosspath.modalities import Modality, add_missing, custom_modalities
from crosspath.study.cells import Job
from crosspath.study.jobs import Place, attempt_job
from crosspath.training.result import Result

JobType = TypeVar("JobType", bound=Job)
GUARD = '`if __name__ == "__main__":`'
Work = Callable[[JobType, Place], Result | None]


class Pool(Protocol):
    """Workers that carry out jobs."""

    @property
    def size(self) -> int:
        """Number of jobs at a time."""

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        """Start a job."""


@dataclass
class LocalPool:
    """Processes of this machine; with GPUs, each process uses one of them."""

    size: int
    executor: ProcessPoolExecutor
    started: bool = False

    def submit(self, job: Job, place: Place) -> "Future[Result | None]":
        return self.carry_out(attempt_job, job, place)

    def carry_out(self, work: Work[JobType], job: JobType, place: Place) -> "Future[Result | None]":
        """Start `work` on a job; its worker then frees what it left. Raises `InputError` where no worker starts."""
        if not self.started:
            self._await_start()
        return self.executor.submit(work_and_free, work, job, place)

    def _await_start(self) -> None:
        try:
            self.executor.submit(os.getpid).result()
        except BrokenExecutor:
            raise InputError("workers", "processes that start", "one that ended at once", _start_advice()) from None
        self.started = True


def _start_advice() -> str:
    """What to do where the first worker ended: it imports the script that runs, if there is one."""
    file = str(getattr(sys.modules["__main__"], "__file__", None))
    if file.endswith(".py"):
        return f"in a script, put the call below {GUARD}: each worker imports the script"
    if file == "<stdin>":
        return f"save the code as a file, with the call below {GUARD}: each worker imports it"
    return "free some memory (running out of it is the usual cause) and repeat the command"


def end_importing_worker() -> None:
    """End a worker that imports a script whose calls are not guarded, without a word: else it would begin its own
    workers. Who started it says why.
    """
    if getattr(current_process(), "_inheriting", False):
        raise SystemExit(1)


def work_and_free(work: Work[JobType], job: JobType, place: Place) -> Result | None:
    """`work(job, place)`; then free what it left. A connected layer and its weights refer to each other, and Python
    looks for such circles so seldom that a worker would grow by gigabytes.
    """
    try:
        return work(job, place)
    finally:
        gc.collect()


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
    context = get_context("spawn")
    with closing(context.Queue()) as devices:
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
    return work_and_free(attempt_job, job, place)


def _start_worker(devices: "object", modalities: Sequence[Modality[Any, Any, Any]], offline: bool) -> None:
    """In a new worker: add modalities that are not shipped, choose a device, if `offline` read models of a hub from the
    local cache alone, and exit with the parent process even if that is killed.
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
    gc.freeze()  # the modules that are loaded by now: `work_and_free` need not look through them after every job
    sys.stdout = sys.stderr
