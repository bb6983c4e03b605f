"""One process writes to a folder at a time; the lock ends with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crosspath import locks
from crosspath.locks import LOCK, claim, claim_new, refuse_used
from tests.errors import refused

HOLD = """
import sys, time
from pathlib import Path
from crosspath.locks import claim

with claim(Path(sys.argv[1])):
    print(1, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GRACE_S", 0.05)


def test_the_other_process_is_named_and_its_death_frees_the_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with refused(tmp_path / "run", holder.pid, "--out"), claim(tmp_path / "run"):
        pytest.fail("two writers")
    with refused(tmp_path / "run", holder.pid):
        refuse_used(tmp_path / "run")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    refuse_used(tmp_path / "run")
    with claim(tmp_path / "run"), refused(tmp_path / "run", os.getpid()), claim(tmp_path / "run"):
        pytest.fail("two writers")
    assert [file.name for file in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_complete_folder_has_no_lock_and_is_new_to_nobody(tmp_path: Path) -> None:
    with claim_new(tmp_path / "out", "OUT"):
        (tmp_path / "out" / "file").touch()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["file"]
    with refused(tmp_path / "out", "OUT"), claim_new(tmp_path / "out", "OUT"):
        pytest.fail("written into another's files")


def test_looking_creates_nothing(tmp_path: Path) -> None:
    refuse_used(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_after_an_error_a_new_folder_is_empty_again(tmp_path: Path) -> None:
    def write_half() -> None:
        with claim_new(tmp_path / "out", "OUT"):
            (tmp_path / "out" / "file").touch()
            (tmp_path / "out" / "folder").mkdir()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert not list((tmp_path / "out").iterdir())
    with claim_new(tmp_path / "out", "OUT"):
        (tmp_path / "out" / "file").touch()
