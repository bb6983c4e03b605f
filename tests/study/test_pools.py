"""Workers: what a job leaves behind goes with it."""

import gc
import weakref
from pathlib import Path
from typing import cast

import pytest

from crosspath.study.cells import Job
from crosspath.study.jobs import Place
from crosspath.study.pools import local_pool, work_and_free


def test_what_tells_workers_their_device_is_closed_with_the_pool() -> None:
    with local_pool(1) as pool:
        devices = pool.executor._initargs[0]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="closed"):
        devices.put(0)


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("fails", [False, True])
def test_circles_that_a_job_leaves_are_freed(fails: bool) -> None:
    left: list[weakref.ref[Circle]] = []

    def work(job: Job, place: Place) -> None:
        left.append(weakref.ref(Circle()))
        if fails:
            raise ValueError("it failed")

    place = Place(runs=Path(), data_root=None, auxiliaries={}, threads=1)
    gc.disable()
    try:
        work_and_free(work, cast(Job, None), place)
    except ValueError:
        assert fails
    finally:
        gc.enable()
    assert left[0]() is None
