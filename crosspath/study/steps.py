"""Jobs that follow from the results of others, carried out on a pool of workers."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crosspath.errors import InputError
from crosspath.study.cells import Job
from crosspath.study.jobs import Place
from crosspath.study.pools import Pool
from crosspath.study.same_samples import SampleCheck
from crosspath.training.result import Result


@dataclass(frozen=True)
class Step:
    """Jobs that can run at the same time, and the step that follows from their results."""

    jobs: tuple[Job, ...]
    then: Callable[[tuple[Result | None, ...]], "Step | None"]


def run_steps(
    steps: tuple[Step, ...],
    pool: Pool,
    place: Place,
    report: Callable[[Job, Result | None], None] = lambda *_: None,
    check: SampleCheck | None = None,
) -> None:
    """Carry out all steps and those that follow, the earliest first, with as many jobs at a time as the pool can hold.

    A job that several steps need runs once. `report` is called after each job. The first error is raised once the
    running jobs have ended. `check` knows the samples of earlier calls' jobs.

    Raises
    ------
    InputError
        For a process that was killed, as the system does when memory runs out, and for jobs of which one has other
        samples than the other.
    """
    check = check or SampleCheck(place.runs)
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
    with _name_killed_runs(running):
        while waiting or running:
            busy = {job.folder for job in running.values()}
            while waiting and len(running) < pool.size:
                _, job = waiting.pop(0)
                if job.folder not in results and job.folder not in busy:
                    running[pool.submit(job, place)] = job
                    busy.add(job.folder)
            futures, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in futures:
                job = running[future]
                result = results[job.folder] = future.result()
                del running[future]
                if result is not None:
                    check.add(job, result)
                report(job, result)
            for number, step in sorted(stages.items()):
                if all(job.folder in results for job in step.jobs):
                    add(number, step.then(tuple(results[job.folder] for job in step.jobs)))


@contextmanager
def _name_killed_runs(running: Mapping["Future[Result | None]", Job]) -> Iterator[None]:
    try:
        yield
    except BrokenExecutor:
        labels = " or ".join(dict.fromkeys(job.label for job in running.values())) or "a run"
        todo = "free some memory (running out of it is the usual cause) and repeat the command; finished runs are kept"
        raise InputError(labels, "a process that runs to its end", "one that was killed", todo) from None
