"""Studies without processes of their own, whose start takes longer than the runs of a test."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import nullcontext

import pytest
import torch

from crosspath.study import study as study_module
from crosspath.study.cells import Job
from crosspath.study.jobs import Place, run_job
from crosspath.training.result import Result


class Here:
    """A pool that does its work at once, in this process, and remembers it."""

    size = 2

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job, place: Place) -> "Future[Result]":
        self.jobs.append(job)
        future: Future[Result] = Future()
        future.set_result(run_job(job, place))
        return future


@pytest.fixture
def in_this_process() -> Iterator[None]:
    """The studies of a test run here."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "local_pool", lambda _: nullcontext(Here()))
        yield
    torch.set_num_threads(threads)
