"""Workers: what a job leaves behind goes with it."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process
from pathlib import Path
from typing import cast

import pytest

import crosspath
from crosspath.study.cells import Job
from crosspath.study.jobs import Place
from crosspath.study.pools import local_pool, work_and_free
from tests.errors import refused


def test_what_tells_workers_their_device_is_closed_with_the_pool() -> None:
    with local_pool(1) as pool:
        devices = pool.executor._initargs[0]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="closed"):
        devices.put(0)


def test_a_worker_that_imports_a_script_begins_no_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_process(), "_inheriting", True, raising=False)
    for call in (
        lambda: crosspath.fit("image/digits", out=tmp_path / "out"),
        lambda: crosspath.compare("image/digits", auxiliaries={}, arms=("none", "mimetic"), out=tmp_path / "out"),
        lambda: crosspath.run_study("study.yaml", out=tmp_path / "out"),
        lambda: crosspath.demo(tmp_path / "out"),
    ):
        with pytest.raises(SystemExit):
            call()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "advice"),
    [("mine.py", "in a script"), ("<stdin>", "as a file"), ("bin/crosspath", "memory"), (None, "memory")],
)
def test_workers_that_do_not_start_are_one_line(file: str | None, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BrokenProcessPool

    place = Place(runs=Path(), data_root=None, auxiliaries={}, threads=1)
    with local_pool(1) as pool:
        monkeypatch.setattr(pool.executor, "submit", fail)
        monkeypatch.setattr(sys.modules["__main__"], "__file__", file, raising=False)
        with refused("workers", advice):
            pool.submit(cast(Job, None), place)


@pytest.mark.slow
def test_a_script_that_is_not_guarded_ends_with_the_guard_and_no_word_of_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(f"""import crosspath
crosspath.compare("image/digits", auxiliaries={{}}, arms=("none", "mimetic"), out={str(tmp_path / "out")!r}, workers=2)
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stderr.count("Traceback") == 1
    assert 'below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert "memory" not in done.stderr


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
